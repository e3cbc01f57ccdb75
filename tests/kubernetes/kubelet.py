"""A pod's life as the kubelet leads it, with Docker as the container runtime.

It runs a pod's spec as it is: initContainers one after another, restarts with back-off, probes,
termination messages, security contexts, SIGTERM and the grace period. A field that it does not know
is an error, so that no manifest passes for something that was left out. It is no scheduler: volumes
and networks are one machine's.
"""

import contextlib
import dataclasses
import http.client
import json
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import uuid

# Kubernetes' first back-off is 10 s; it doubles up to 300 s.
BACK_OFF = 0.5

# Where the kubelet cuts a termination message, and the log that stands in for one.
LONGEST_MESSAGE = 4096
LONGEST_LOG = 2048

# A namespace's uid on OpenShift, in the group root.
OPENSHIFT = "1000620000:0"


def docker(*arguments, check=True):
    """Runs docker, and gives what it printed."""
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and run.returncode != 0:
        raise RuntimeError(f"docker {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout


class Cluster:
    """A network, Secrets and pods, all gone at its end."""

    open = []

    def __init__(self, images):
        self.name = f"castoff-kubernetes-{uuid.uuid4().hex[:8]}"
        self.images = images
        self.secrets = {}
        self.pods = []
        self.jobs = []
        self.closed = False
        self._closing = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{self.name}-")
        self.folder = pathlib.Path(self._folder.name)
        self.folder.chmod(0o755)
        docker("network", "create", self.name)
        Cluster.open.append(self)

    def pod(self, name, spec, **how):
        """A pod of this cluster, started."""
        if self.closed:
            raise RuntimeError("the cluster is gone")
        pod = Pod(self, name, spec, **how)
        self.pods.append(pod)
        pod.start()
        return pod

    def container_names(self):
        """All containers of this cluster that Docker has."""
        return docker("ps", "-aq", "--filter", f"label={self.name}").split()

    def close(self):
        """Ends and removes everything; a second time it does nothing."""
        with self._closing:
            if self not in Cluster.open:
                return
            self.closed = True
            for pod in self.pods:
                pod.kill()
            for job in self.jobs:
                job.join()
            leftovers = self.container_names()
            if leftovers:
                docker("rm", "--force", "--volumes", *leftovers)
            docker("network", "rm", self.name)
            self._folder.cleanup()
            Cluster.open.remove(self)

    @classmethod
    def close_all(cls):
        """Closes every cluster that a case has left open."""
        for cluster in list(cls.open):
            cluster.close()


@dataclasses.dataclass
class Termination:
    """How one run of a container ended."""

    container: str
    exit_code: int
    message: str
    log: str
    # The probe that ended it, if one did.
    probe: str = ""


class Pod:
    """A pod that lives in a thread of its own."""

    def __init__(self, cluster, name, spec, restart_policy="Always", user=OPENSHIFT):
        only(spec, "pod", {
            "automountServiceAccountToken", "containers", "enableServiceLinks", "initContainers",
            "restartPolicy", "securityContext", "terminationGracePeriodSeconds", "volumes",
        })
        if len(spec["containers"]) != 1:
            raise NotImplementedError("containers that share a network namespace")
        self.cluster = cluster
        self.name = name
        self.spec = spec
        self.restart_policy = spec.get("restartPolicy", restart_policy)
        self.user = user
        self.phase = "Pending"
        self.ready = False
        self.disrupted = False
        self.terminations = []
        self.running = None
        self.error = None
        self.identities = []
        self._deleted = threading.Event()
        self._folder = cluster.folder / name
        self._volumes = {volume["name"]: self._volume(volume) for volume in spec.get("volumes", [])}
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self):
        """Begins its life."""
        self._thread.start()

    def delete(self):
        """What `kubectl delete pod` does; gives the seconds it took."""
        begun = time.monotonic()
        self._deleted.set()
        self._thread.join()
        return time.monotonic() - begun

    def evict(self):
        """What a node that is drained does: deleted, and marked as disrupted."""
        self.disrupted = True
        return self.delete()

    def kill(self):
        """Ends it without grace."""
        self._deleted.set()
        if self.running:
            docker("kill", self.running, check=False)
        self._thread.join(timeout=30)

    def wait(self, condition, seconds=60):
        """Waits until something holds for this pod."""
        end = time.monotonic() + seconds
        while not condition(self):
            if self.error:
                raise AssertionError(f"{self.name}: {self.error}\n{self.account()}")
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: not so within {seconds} s\n{self.account()}")
            time.sleep(0.05)
        return self

    def until_ready(self, seconds=60):
        """Waits until its containers are ready."""
        return self.wait(lambda pod: pod.ready, seconds)

    def log(self):
        """The log of what is running or was last."""
        return logs(self.identities[-1]) if self.identities else ""

    def exec(self, *command):
        """Runs a command in the running container, as `kubectl exec` does."""
        return docker("exec", self.running, *command)

    def get(self, path):
        """Asks the application for a page: status and body."""
        return http_get(self._address(), self._port({"port": "http"}), path, timeout=5)

    def account(self):
        """Everything that is known of it, for a failed test."""
        lines = [f"phase {self.phase}, ready {self.ready}"]
        for end in self.terminations:
            lines.append(f"{end.container}: exit code {end.exit_code} {end.probe}\n{end.message}\n{end.log}")
        return "\n".join([*lines, "log:", self.log()])

    def _live(self):
        try:
            self._initialise()
            if not self._deleted.is_set() and self.phase == "Pending":
                self.phase = "Running"
                self._run(self.spec["containers"][0])
        except Exception as error:  # A thread's error is told by whoever waits for the pod.
            self.error = repr(error)
        self.ready = False

    def _initialise(self):
        for container in self.spec.get("initContainers", []):
            for failures in range(1_000_000):
                end = self._end_of(self._create(container), container)
                if end is None:
                    self.phase = "Failed"
                    return
                if end.exit_code == 0:
                    break
                if self.restart_policy == "Never":
                    self.phase = "Failed"
                    return
                if self._rest(failures):
                    return

    def _run(self, container):
        for failures in range(1_000_000):
            end = self._end_of(self._create(container), container, probed=True)
            if end is None or self.restart_policy == "Never":
                succeeded = self.terminations[-1].exit_code == 0 and not self._deleted.is_set()
                self.phase = "Succeeded" if succeeded else "Failed"
                return
            if self._rest(failures):
                return

    def _rest(self, failures):
        """Pauses before a restart; says whether the pod was deleted meanwhile."""
        return self._deleted.wait(min(BACK_OFF * 2**failures, 30 * BACK_OFF))

    def _end_of(self, identity, container, probed=False):
        """Waits until a container ends; `None` when the pod's end was the reason."""
        self.running = identity
        probes = Probes(self, container) if probed else None
        ended_by = ""
        waiter = subprocess.Popen(["docker", "wait", identity], stdout=subprocess.DEVNULL)
        while waiter.poll() is None:
            if self._deleted.is_set():
                break
            if probes:
                ended_by = probes.ask()
                self.ready = probes.ready
                if ended_by:
                    break
            time.sleep(0.05)
        self.ready = False
        # SIGTERM, or the image's STOPSIGNAL, as container runtimes do.
        docker("stop", "--time", str(self.spec.get("terminationGracePeriodSeconds", 30)), identity)
        waiter.wait()
        end = self._termination(identity, container, ended_by)
        self.terminations.append(end)
        self.running = None
        return None if self._deleted.is_set() else end

    def _termination(self, identity, container, ended_by):
        code = int(docker("inspect", "--format", "{{.State.ExitCode}}", identity))
        log = logs(identity)
        message = self._message_file(identity_of(container, len(self.identities))).read_bytes()[:LONGEST_MESSAGE]
        text = message.decode(errors="replace")
        if not text and code != 0 and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            text = "\n".join(log.splitlines()[-80:])[-LONGEST_LOG:]
        return Termination(container["name"], code, text, log, ended_by)

    def _create(self, container):
        name = identity_of(container, len(self.identities) + 1)
        self._message_file(name).parent.mkdir(parents=True, exist_ok=True)
        self._message_file(name).touch()
        self._message_file(name).chmod(0o666)
        identity = docker("create", *self._arguments(container, name)).strip()
        self.identities.append(identity)
        docker("start", identity)
        return identity

    def _message_file(self, name):
        return self._folder / "termination" / name

    def _arguments(self, container, name):
        """A container's spec as arguments of `docker create`."""
        only(container, "container", {
            "args", "command", "env", "image", "imagePullPolicy", "livenessProbe", "name", "ports",
            "readinessProbe", "resources", "securityContext", "startupProbe",
            "terminationMessagePath", "terminationMessagePolicy", "volumeMounts",
        })
        image = self.cluster.images.get(container["image"], container["image"])
        path = container.get("terminationMessagePath", "/dev/termination-log")
        arguments = [
            "--name", f"{self.cluster.name}-{self.name}-{name}",
            "--label", self.cluster.name,
            "--hostname", self.name,
            "--network", self.cluster.name,
            "--volume", f"{self._message_file(name)}:{path}",
            *self._security(container, image),
        ]
        for variable in container.get("env", []):
            arguments += ["--env", f"{variable['name']}={self._value(variable)}"]
        for mount in container.get("volumeMounts", []):
            only(mount, "volumeMount", {"name", "mountPath", "readOnly"})
            mode = "ro" if mount.get("readOnly") else "rw"
            arguments += ["--volume", f"{self._volumes[mount['name']]}:{mount['mountPath']}:{mode}"]
        for resource, limit in container.get("resources", {}).get("limits", {}).items():
            flag = {"memory": "--memory", "cpu": "--cpus"}[resource]
            arguments += [flag, limit.replace("Mi", "m").replace("Gi", "g")]
        command = container.get("command", [])
        if command:
            arguments += ["--entrypoint", command[0]]
        return [*arguments, image, *command[1:], *container.get("args", [])]

    def _security(self, container, image):
        pod = self.spec.get("securityContext", {})
        own = container.get("securityContext", {})
        only(pod, "pod's securityContext", {"runAsNonRoot", "seccompProfile"})
        only(own, "securityContext", {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"})
        arguments = []
        user = self.user or docker("inspect", "--format", "{{.Config.User}}", image).strip()
        if self.user:
            arguments += ["--user", self.user]
        number = user.split(":")[0]
        if pod.get("runAsNonRoot") and (not number.isdigit() or int(number) == 0):
            raise ValueError(f"runAsNonRoot: the user of {image} is {user!r}, not a number above 0")
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            arguments += ["--security-opt", "seccomp=unconfined"]
        if own.get("readOnlyRootFilesystem"):
            arguments.append("--read-only")
        if own.get("allowPrivilegeEscalation") is False:
            arguments += ["--security-opt", "no-new-privileges"]
        capabilities = own.get("capabilities", {})
        only(capabilities, "capabilities", {"drop"})
        for capability in capabilities.get("drop", []):
            arguments += ["--cap-drop", capability]
        return arguments

    def _value(self, variable):
        if "value" in variable:
            if "$(" in variable["value"]:
                raise NotImplementedError("variables in a variable's value")
            return variable["value"]
        source = variable["valueFrom"]
        only(source, "valueFrom", {"secretKeyRef", "fieldRef"})
        if "fieldRef" in source:
            return {"metadata.name": self.name}[source["fieldRef"]["fieldPath"]]
        reference = source["secretKeyRef"]
        return self.cluster.secrets[reference["name"]][reference["key"]]

    def _volume(self, volume):
        """Makes a volume, and gives its folder on this machine."""
        folder = self._folder / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        only(volume, "volume", {"name", "secret", "emptyDir", "hostPath"})
        if "hostPath" in volume:
            return volume["hostPath"]["path"]
        if "secret" in volume:
            only(volume["secret"], "secret", {"secretName"})
            for key, value in self.cluster.secrets[volume["secret"]["secretName"]].items():
                (folder / key).write_text(value)
                (folder / key).chmod(0o644)
            folder.chmod(0o755)
        else:
            only(volume["emptyDir"], "emptyDir", {"sizeLimit"})
            folder.chmod(0o777)
        return folder

    def _address(self):
        networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", self.running))
        return networks[self.cluster.name]["IPAddress"]

    def _port(self, action):
        ports = {port.get("name"): port["containerPort"] for port in self.spec["containers"][0].get("ports", [])}
        return ports.get(action["port"], action["port"])

    def succeeds(self, probe):
        """Asks a probe once."""
        timeout = probe.get("timeoutSeconds", 1)
        try:
            if "httpGet" in probe:
                action = probe["httpGet"]
                status, _ = http_get(self._address(), self._port(action), action["path"], timeout)
                return 200 <= status < 400
            if "tcpSocket" in probe:
                address = (self._address(), self._port(probe["tcpSocket"]))
                socket.create_connection(address, timeout).close()
                return True
            command = ["docker", "exec", self.running, *probe["exec"]["command"]]
            run = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
            return run.returncode == 0
        except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
            return False


class Probes:
    """The probes of one run of a container."""

    def __init__(self, pod, container):
        self.pod = pod
        self.started = "startupProbe" not in container
        self.ready = False
        self._has_readiness = "readinessProbe" in container
        now = time.monotonic()
        self._probes = {}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if kind in container:
                probe = container[kind]
                only(probe, kind, {
                    "exec", "failureThreshold", "httpGet", "initialDelaySeconds", "periodSeconds",
                    "tcpSocket", "timeoutSeconds",
                })
                self._probes[kind] = {"spec": probe, "failures": 0, "due": now + probe.get("initialDelaySeconds", 0)}

    def ask(self):
        """Asks the probes that are due; gives the one that ends the container, or nothing."""
        for kind, state in self._probes.items():
            if (kind == "startupProbe") == self.started or time.monotonic() < state["due"]:
                continue
            spec = state["spec"]
            state["due"] = time.monotonic() + spec.get("periodSeconds", 10)
            succeeded = self.pod.succeeds(spec)
            state["failures"] = 0 if succeeded else state["failures"] + 1
            failed = state["failures"] >= spec.get("failureThreshold", 3)
            if kind == "readinessProbe":
                self.ready = succeeded or (self.ready and not failed)
            elif failed:
                return kind
            elif kind == "startupProbe":
                self.started = succeeded
        if self.started and not self._has_readiness:
            self.ready = True
        return ""


def only(spec, what, known):
    """Refuses fields that would be left out."""
    unknown = spec.keys() - known
    if unknown:
        raise NotImplementedError(f"{what}: {', '.join(sorted(unknown))}")


def identity_of(container, attempt):
    return f"{container['name']}-{attempt}"


def logs(identity):
    run = subprocess.run(["docker", "logs", identity], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def http_get(host, port, path, timeout):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
