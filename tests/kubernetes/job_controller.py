"""A Job as its controller leads it: pods, back-off, podFailurePolicy, the deadline."""

import threading
import time

from kubelet import BACK_OFF, only


class Job:
    """A Job that runs in a thread of its own."""

    def __init__(self, cluster, job):
        spec = job["spec"]
        only(spec, "Job", {
            "activeDeadlineSeconds", "backoffLimit", "podFailurePolicy", "template",
            "ttlSecondsAfterFinished",
        })
        self.cluster = cluster
        self.name = job["metadata"]["name"]
        self.spec = spec
        self.pods = []
        # How many pods count against backoffLimit.
        self.failed = 0
        # `Complete`, or why it failed.
        self.condition = None
        self.error = None
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        cluster.jobs.append(self)
        self._thread.start()

    def join(self):
        """Waits for its thread, which a cluster that is closed ends."""
        self._thread.join(timeout=60)

    def until(self, condition, seconds=60):
        """Waits until something holds for it."""
        end = time.monotonic() + seconds
        while not condition(self):
            if self.error or time.monotonic() > end:
                accounts = "\n".join(pod.account() for pod in self.pods)
                raise AssertionError(f"{self.name}: {self.error or f'not so within {seconds} s'}\n{accounts}")
            time.sleep(0.05)
        return self

    def until_finished(self, seconds=60):
        """Waits until it is complete or has failed."""
        return self.until(lambda job: job.condition, seconds)

    def _work(self):
        try:
            self._lead()
        except Exception as error:  # A thread's error is told by whoever waits for the Job.
            self.error = repr(error)

    def _lead(self):
        deadline = time.monotonic() + self.spec.get("activeDeadlineSeconds", float("inf"))
        while True:
            pod = self.cluster.pod(f"{self.name}-{len(self.pods)}", self.spec["template"]["spec"])
            self.pods.append(pod)
            while pod.phase not in ("Succeeded", "Failed"):
                if pod.error:
                    raise RuntimeError(pod.error)
                if time.monotonic() > deadline:
                    pod.delete()
                    self.condition = "DeadlineExceeded"
                    return
                time.sleep(0.05)
            if pod.phase == "Succeeded":
                self.condition = "Complete"
                return
            action = self._action(pod)
            if action == "FailJob":
                self.failed += 1
                self.condition = "PodFailurePolicy"
                return
            if action == "Count":
                self.failed += 1
                if self.failed > self.spec.get("backoffLimit", 6):
                    self.condition = "BackoffLimitExceeded"
                    return
                time.sleep(BACK_OFF * 2 ** (self.failed - 1))

    def _action(self, pod):
        """What the first rule that matches says of a failed pod."""
        codes = {end.container: end.exit_code for end in pod.terminations}
        for rule in self.spec.get("podFailurePolicy", {}).get("rules", []):
            for condition in rule.get("onPodConditions", []):
                if condition == {"type": "DisruptionTarget", "status": str(pod.disrupted)}:
                    return rule["action"]
            if "onExitCodes" in rule:
                of = rule["onExitCodes"]
                code = codes.get(of.get("containerName"), 0)
                if code != 0 and (code in of["values"]) == (of["operator"] == "In"):
                    return rule["action"]
        return "Count"
