"""Checks the manifests of docker/kubernetes: Kubernetes' schemas, and rules of our own."""

import json
import re
import shutil
import sys

import kubernetes_validate

import manifests

# Before 1.29 the published schema demands onPodConditions of every rule, which the API never did.
VERSIONS = ["1.29", "1.33", kubernetes_validate.latest_version()]

README = (manifests.ROOT / "README.md").read_text()
DESCRIBED_BY_A_RANGE = {128}
NOT_OF_RUN = {0, 1}

problems = []


def check(holds, where, rule):
    if not holds:
        problems.append(f"{where}: {rule}")


def main():
    the_validator_refuses_a_misspelt_field()
    seen = set()
    not_built = []
    for folder in manifests.variants():
        try:
            resources = manifests.build(folder)
        except manifests.NotBuilt as reason:
            not_built.append(str(reason))
            continue
        for resource in resources:
            text = json.dumps(resource, sort_keys=True)
            if text not in seen:
                validate(folder.name, resource)
            seen.add(text)
        rules(folder.name, resources)
    every_file_is_used()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(f"{len(seen)} resources are right for Kubernetes {', '.join(VERSIONS)}, and by the project's rules")
    if not_built:
        print(f"NOT CHECKED: without kubectl: {'; '.join(not_built)}", file=sys.stderr)
        return 75
    return 0


def validate(variant, resource):
    where = f"{variant}: {resource['kind']} {resource['metadata']['name']}"
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            check(False, where, f"{path}: {error.message} (Kubernetes {version})")


def the_validator_refuses_a_misspelt_field():
    misspelt = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selectr": {"a": "b"}}}
    try:
        kubernetes_validate.validate(misspelt, VERSIONS[0], strict=True)
    except kubernetes_validate.ValidationError:
        return
    sys.exit("error: the validator takes any field, so that its word is worth nothing")


def every_file_is_used():
    named = set()
    for path in manifests.FOLDER.rglob("kustomization.yaml"):
        for name in manifests.read(path)[0]["resources"]:
            named.add((path.parent / name).resolve())
    for path in manifests.FOLDER.rglob("*"):
        if path.is_file() and path.name != "kustomization.yaml":
            check(path.resolve() in named, path.relative_to(manifests.ROOT), "no kustomization names it")


def rules(variant, resources):
    secrets = manifests.secret_values(resources)
    for workload, pod in manifests.pod_templates(resources):
        where = f"{variant}: {workload['kind']} {workload['metadata']['name']}"
        check_pod(where, workload, pod)
        for container in manifests.containers(pod):
            check_container(f"{where}: {container['name']}", container)
            check_references(f"{where}: {container['name']}", container, pod, secrets)
        check_owner(where, pod)
    for job in manifests.of_kind(resources, "Job"):
        check_job(f"{variant}: Job", job)
    for service in manifests.of_kind(resources, "Service"):
        labels = [
            workload["spec"]["template"]["metadata"]["labels"]
            for workload, _ in manifests.pod_templates(resources)
        ]
        selected = [one for one in labels if service["spec"]["selector"].items() <= one.items()]
        check(len(selected) == 1, f"{variant}: Service", "it selects the pods of one workload")
    check_times(variant, resources)


def check_pod(where, workload, pod):
    security = pod.get("securityContext", {})
    check(security.get("runAsNonRoot") is True, where, "runAsNonRoot")
    check(security.get("seccompProfile") == {"type": "RuntimeDefault"}, where, "seccomp RuntimeDefault")
    check("runAsUser" not in security, where, "no runAsUser: OpenShift gives its own")
    check(pod.get("automountServiceAccountToken") is False, where, "no service account token")
    check(pod.get("enableServiceLinks") is False, where, "no service links")
    if workload["kind"] == "Deployment":
        labels = workload["spec"]["template"]["metadata"]["labels"]
        wanted = workload["spec"]["selector"]["matchLabels"]
        check(wanted.items() <= labels.items(), where, "the selector selects its own pods")


def check_container(where, container):
    security = container.get("securityContext", {})
    check(security.get("allowPrivilegeEscalation") is False, where, "allowPrivilegeEscalation: false")
    check(security.get("readOnlyRootFilesystem") is True, where, "readOnlyRootFilesystem")
    check(security.get("capabilities") == {"drop": ["ALL"]}, where, "all capabilities dropped")
    check("runAsUser" not in security, where, "no runAsUser: OpenShift gives its own")
    resources = container.get("resources", {})
    check({"cpu", "memory"} <= resources.get("requests", {}).keys(), where, "requests cpu and memory")
    check("memory" in resources.get("limits", {}), where, "limits memory")
    if sees_owner(container):
        check(container.get("terminationMessagePath") == "/dev/termination-log", where, "terminationMessagePath")
        policy = container.get("terminationMessagePolicy")
        check(policy == "FallbackToLogsOnError", where, "terminationMessagePolicy")


def check_references(where, container, pod, secrets):
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            known = reference["key"] in secrets.get(reference["name"], {})
            check(known, where, f"{variable['name']} is from a Secret that is there")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        check(mount["name"] in volumes, where, f"volume {mount['name']} is there")
    for volume in volumes.values():
        if "secret" in volume:
            check(volume["secret"]["secretName"] in secrets, where, f"the Secret of {volume['name']} is there")
    ports = {port["name"] for port in container.get("ports", [])}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        action = container.get(kind, {})
        asked = action.get("httpGet") or action.get("tcpSocket")
        check(not asked or asked["port"] in ports, where, f"the port of {kind} is there")


def sees_owner(container):
    return any(
        variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "shop-owner"
        for variable in container.get("env", [])
    )


def check_owner(where, pod):
    """Only castoff sees the owner's credentials, and where it is by itself, only that container."""
    owners = [container for container in manifests.containers(pod) if sees_owner(container)]
    for container in owners:
        program = container.get("command", ["/castoff"])[0]
        check(program.endswith("/castoff"), where, f"{container['name']}, which sees the owner's URL, is castoff")
    alone = [container for container in owners if container.get("command", [])[1:] == ["run"]]
    check(not alone or owners == alone, where, "only the container that migrates sees the owner's URL")
    mounted = [volume.get("secret", {}).get("secretName") for volume in pod.get("volumes", [])]
    check("shop-owner" not in mounted, where, "the owner's Secret is no volume, which the application could read")


def check_job(where, job):
    spec = job["spec"]
    [container] = spec["template"]["spec"]["containers"]
    check(spec["template"]["spec"]["restartPolicy"] == "Never", where, "podFailurePolicy needs restartPolicy Never")
    first, *others = spec["podFailurePolicy"]["rules"]
    ignored = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    check(first == ignored, where, "a disrupted pod is ignored before its exit code is looked at")
    codes = []
    for rule in others:
        of = rule["onExitCodes"]
        check(of["containerName"] == container["name"], where, "the rules are about the Job's container")
        check(of["operator"] == "In" and of["values"] == sorted(set(of["values"])), where, "codes are in order")
        codes += of["values"]
    documented = exit_codes() - NOT_OF_RUN - DESCRIBED_BY_A_RANGE
    check(sorted(codes) == sorted(documented), where, f"each of {sorted(documented)} is in one rule, and no other")


def exit_codes():
    """The codes of the README's table."""
    table = README.split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([0-9][0-9, ]*?)(?: \+ n)? \|(.*)", table, re.MULTILINE)
    codes = {int(code) for row, _ in rows for code in row.split(",")}
    return codes | {1}


def check_times(variant, resources):
    """What would end a migration lasts longer than one start waits for another that migrates."""
    leader = seconds(re.search(r"`CASTOFF_LEADER_TIMEOUT` \| `(\w+)`", README).group(1))
    jobs = [job["spec"]["activeDeadlineSeconds"] for job in manifests.of_kind(resources, "Job")]
    for deadline in jobs:
        check(deadline > leader, f"{variant}: Job", "activeDeadlineSeconds exceeds CASTOFF_LEADER_TIMEOUT")
    for deployment in manifests.of_kind(resources, "Deployment"):
        where = f"{variant}: Deployment"
        lasts = leader
        for container in manifests.containers(deployment["spec"]["template"]["spec"]):
            if sees_owner(container) and container in deployment["spec"]["template"]["spec"]["containers"]:
                lasts = max(lasts, manifests.budget(container["startupProbe"]))
                check(manifests.budget(container["startupProbe"]) > leader, where, "startupProbe exceeds it")
            if container.get("command", [])[1:] == ["wait", "head"]:
                env = {variable["name"]: variable.get("value") for variable in container["env"]}
                waits = seconds(env["CASTOFF_WAIT_TIMEOUT"])
                lasts = max(lasts, waits)
                check(jobs and waits >= max(jobs), where, "the pods wait as long as the Job may take")
        deadline = deployment["spec"]["progressDeadlineSeconds"]
        check(deadline > lasts, where, f"progressDeadlineSeconds exceeds {lasts} s")


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


if __name__ == "__main__":
    if not shutil.which("kubectl"):
        print("kubectl is missing: kustomizations are put together by hand", file=sys.stderr)
    sys.exit(main())
