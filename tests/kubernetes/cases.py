"""What docker/kubernetes does when it is run: see `run`."""

import concurrent.futures
import copy
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import unittest

import manifests
from job_controller import Job
from kubelet import Cluster, docker, logs

IMAGES = {
    "castoff-example": os.environ.get("CASTOFF_EXAMPLE_IMAGE", "castoff-example"),
    "castoff-migrations": os.environ.get("CASTOFF_MIGRATIONS_IMAGE", "castoff-migrations"),
}
POSTGRES = "postgres:17"
ROLES = manifests.ROOT / "docker" / "example" / "roles.sql"
# The one in docker/kubernetes/base/secrets.yaml.
OWNER_PASSWORD = "example-only-owner"
REVISIONS = sorted({path.name.split("_")[0] for path in (manifests.ROOT / "migrations").glob("*.sql")})
HEAD = REVISIONS[-1]

class Case(unittest.TestCase):
    """A cluster with a database of its own."""

    variant = ""

    def setUp(self):
        self.resources = manifests.build(manifests.FOLDER / self.variant)
        self.cluster = Cluster(IMAGES)
        self.addCleanup(self.cluster.close)
        self.cluster.secrets = manifests.secret_values(self.resources)
        self.database = None

    def start_database(self):
        """The Service `db`: PostgreSQL with the two roles and no tables."""
        secrets = self.cluster.folder / "secrets"
        secrets.mkdir()
        (secrets / "shop_password").write_text(OWNER_PASSWORD)
        (secrets / "shop_app_password").write_text(self.cluster.secrets["shop-application"]["password"])
        secrets.chmod(0o755)
        self.database = docker(
            "run", "--detach", "--label", self.cluster.name, "--network", self.cluster.name,
            "--network-alias", "db", "--tmpfs", "/var/lib/postgresql/data",
            "--volume", f"{ROLES}:/docker-entrypoint-initdb.d/roles.sql:ro",
            "--volume", f"{secrets}:/run/secrets:ro",
            "--env", "POSTGRES_PASSWORD=example", "--env", "POSTGRES_DB=shop",
            POSTGRES, "postgres", "-c", "fsync=off",
        ).strip()

    def start_ready_database(self):
        """The same, and waits for it, where a pod's time is short."""
        self.start_database()
        command = ["docker", "exec", self.database, "pg_isready", "-q", "-h", "127.0.0.1"]
        self.eventually(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0)

    def sql(self, statement):
        """The rows of a query, as the superuser."""
        command = ["psql", "-XAtq", "-h", "/var/run/postgresql", "-U", "postgres", "-d", "shop", "-c", statement]
        return docker("exec", self.database, *command).split("\n")[:-1]

    def eventually(self, condition, seconds=30):
        """Waits until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.fail(f"not so within {seconds} s")
            time.sleep(0.1)

    def deployment(self):
        return manifests.the(self.resources, "Deployment")

    def start_pods(self, **how):
        """As many pods as the Deployment wants, at once."""
        spec = self.deployment()["spec"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(
                lambda number: self.cluster.pod(f"shop-{number}", spec["template"]["spec"], **how),
                range(spec["replicas"]),
            ))

    def until_ready(self, pods, seconds=60):
        for pod in pods:
            pod.until_ready(seconds)
        for pod in pods:
            status, page = pod.get("/")
            self.assertEqual(status, 200, page)
            self.assertIn("orders", json.loads(page))

    def assert_migrated_once(self):
        self.assertEqual(self.sql("SELECT revision FROM castoff.revision ORDER BY 1"), REVISIONS)
        for revision in REVISIONS:
            self.assertEqual(sum(log.count(f"Done with {revision} in") for log in self.logs()), 1, revision)

    def logs(self):
        """The logs of all containers of all pods."""
        return [logs(identity) for pod in self.cluster.pods for identity in pod.identities]

    def environment_of(self, pod):
        """The environment of the container's first process."""
        text = pod.exec("cat", "/proc/1/environ")
        return dict(variable.split("=", 1) for variable in text.split("\0") if variable)

    def migrations(self, workload, **files):
        """Replaces a workload's migrations by the example's and these."""
        folder = self.cluster.folder / "migrations"
        folder.mkdir()
        for path in (manifests.ROOT / "migrations").iterdir():
            (folder / path.name).write_text(path.read_text())
        for name, text in files.items():
            (folder / f"{name}.up.sql").write_text(textwrap.dedent(text))
        pod = workload["spec"]["template"]["spec"]
        pod.setdefault("volumes", []).append({"name": "migrations", "hostPath": {"path": str(folder)}})
        for container in manifests.containers(pod):
            mount = {"name": "migrations", "mountPath": "/other", "readOnly": True}
            container.setdefault("volumeMounts", []).append(mount)
            add_env(container, CASTOFF_MIGRATIONS_DIR="/other")


def add_env(container, **variables):
    container.setdefault("env", [])
    container["env"] += [{"name": name, "value": value} for name, value in variables.items()]


class InitContainer(Case):
    variant = "initcontainer"

    def test_three_pods_at_once_migrate_once_and_are_ready_without_the_owners_credentials(self):
        self.start_database()
        pods = self.start_pods()
        self.until_ready(pods)
        self.assert_migrated_once()
        for pod in pods:
            self.assertEqual([(end.container, end.exit_code) for end in pod.terminations], [("castoff", 0)])
            environment = self.environment_of(pod)
            self.assertNotIn("CASTOFF_DATABASE_URL", environment)
            self.assertNotIn(OWNER_PASSWORD, str(environment))
            self.assertEqual(pod.exec("id", "-u").strip(), "1000620000")
        [applied_by] = self.sql("SELECT DISTINCT application FROM castoff.revision")
        self.assertIn(applied_by, [pod.name for pod in pods])

    def test_the_images_own_user_is_no_root_and_will_do(self):
        self.start_database()
        pod = self.cluster.pod("shop", self.deployment()["spec"]["template"]["spec"], user=None)
        self.until_ready([pod])
        self.assertNotEqual(pod.exec("id", "-u").strip(), "0")

    def test_sigterm_ends_the_pod_within_its_grace_period(self):
        self.start_database()
        pod = self.cluster.pod("shop", self.deployment()["spec"]["template"]["spec"]).until_ready()
        self.assertLess(pod.delete(), 5)
        self.assertNotEqual(pod.terminations[-1].exit_code, 137)

    def test_a_failed_initcontainer_leaves_the_reason_and_is_started_again(self):
        self.start_database()
        deployment = self.deployment()
        self.migrations(deployment, **{"0009_broken": "ALTER TABLE custmer ADD COLUMN note text;"})
        pod = self.cluster.pod("shop", deployment["spec"]["template"]["spec"])
        pod.wait(lambda pod: len(pod.terminations) >= 2)
        self.assertFalse(pod.ready)
        for end in pod.terminations[:2]:
            self.assertEqual(end.exit_code, 65)
            self.assertIn("failed to upgrade to 0009", end.message)
            self.assertIn('42P01 relation "custmer" does not exist', end.message)
        self.assertEqual(self.sql("SELECT revision FROM castoff.revision WHERE head"), [HEAD])


    def test_an_older_image_starts_on_a_newer_schema_but_not_across_a_breaking_revision(self):
        self.start_database()
        older = self.deployment()
        newer = copy.deepcopy(older)
        self.migrations(newer, **{"0009_more": "ALTER TABLE customer ADD COLUMN note text;"})
        self.cluster.pod("newer", newer["spec"]["template"]["spec"]).until_ready()
        pod = self.cluster.pod("older", older["spec"]["template"]["spec"])
        self.until_ready([pod])
        self.assertIn("The database is ahead of this image", pod.terminations[0].log)
        self.sql("UPDATE castoff.revision SET breaking = true WHERE revision = '0009'")
        pod = self.cluster.pod("refused", older["spec"]["template"]["spec"])
        pod.wait(lambda pod: pod.terminations)
        self.assertEqual(pod.terminations[0].exit_code, 76)
        self.assertIn("Breaking: yes", pod.terminations[0].message)


class EntryPoint(Case):
    variant = "entrypoint"

    def test_three_pods_at_once_migrate_once_and_become_the_application(self):
        self.start_database()
        pods = self.start_pods()
        self.until_ready(pods)
        self.assert_migrated_once()
        for pod in pods:
            self.assertEqual(pod.terminations, [])
            self.assertNotIn("CASTOFF_DATABASE_URL", self.environment_of(pod))

    def test_the_startup_probe_lets_a_long_migration_end(self):
        self.start_database()
        deployment = self.deployment()
        # Longer than the readiness and liveness probes alone would bear.
        self.migrations(deployment, **{"0009_long": "SELECT pg_sleep(40);"})
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        liveness = container["livenessProbe"]
        self.assertGreater(40, manifests.budget(liveness))
        pod = self.cluster.pod("shop", deployment["spec"]["template"]["spec"])
        self.until_ready([pod], 90)
        self.assertEqual(pod.terminations, [])
        self.assertEqual(self.sql("SELECT revision FROM castoff.revision WHERE head"), ["0009"])

    def test_a_startup_probe_whose_time_is_over_cancels_the_migration(self):
        self.start_ready_database()
        deployment = self.deployment()
        self.migrations(deployment, **{"0009_long": "SELECT pg_sleep(600);"})
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        container["startupProbe"] |= {"periodSeconds": 1, "failureThreshold": 8}
        pod = self.cluster.pod("shop", deployment["spec"]["template"]["spec"])
        pod.wait(lambda pod: pod.terminations)
        end = pod.terminations[0]
        self.assertEqual((end.probe, end.exit_code), ("startupProbe", 128 + signal.SIGTERM), end)
        self.assertIn("stopped by SIGTERM", end.message)
        self.assertIn(f"{HEAD} -> 0009", end.log)
        # The database is where it was before 0009, and what ran is gone.
        self.assertEqual(self.sql("SELECT revision FROM castoff.revision WHERE head"), [HEAD])


class Install(Case):
    variant = "install"

    def test_castoff_from_a_shared_volume_migrates_and_becomes_the_application(self):
        self.start_database()
        pods = self.start_pods()
        self.until_ready(pods)
        self.assert_migrated_once()
        for pod in pods:
            self.assertEqual([(end.container, end.exit_code) for end in pod.terminations], [("install", 0)])
            self.assertNotIn("CASTOFF_DATABASE_URL", self.environment_of(pod))


class JobAndDeployment(Case):
    variant = "job"

    def job(self):
        return manifests.the(self.resources, "Job")

    def test_pods_wait_for_a_job_that_comes_later(self):
        self.start_database()
        pods = self.start_pods()
        for pod in pods:
            pod.wait(lambda pod: f"Waiting for {HEAD}" in pod.log())
            self.assertFalse(pod.ready)
        job = Job(self.cluster, self.job()).until_finished()
        self.assertEqual(job.condition, "Complete")
        self.until_ready(pods)
        self.assert_migrated_once()
        for pod in pods:
            self.assertEqual([(end.container, end.exit_code) for end in pod.terminations], [("castoff", 0)])
            self.assertNotIn(OWNER_PASSWORD, str(self.environment_of(pod)))

    def test_a_broken_migration_fails_the_job_at_once(self):
        self.start_database()
        manifest = self.job()
        self.migrations(manifest, **{"0009_broken": "ALTER TABLE custmer ADD COLUMN note text;"})
        job = Job(self.cluster, manifest).until_finished()
        self.assertEqual((job.condition, len(job.pods)), ("PodFailurePolicy", 1))
        [end] = job.pods[0].terminations
        self.assertEqual(end.exit_code, 65)
        self.assertIn('42P01 relation "custmer" does not exist', end.message)

    def test_a_wrong_password_fails_the_job_at_once_and_is_in_no_message(self):
        self.start_database()
        self.cluster.secrets["shop-owner"]["url"] = "postgresql://shop:not-this-one@db/shop"
        manifest = self.job()
        add_env(manifest["spec"]["template"]["spec"]["containers"][0], CASTOFF_SETTLE_TIMEOUT="2s")
        job = Job(self.cluster, manifest).until_finished()
        self.assertEqual((job.condition, len(job.pods)), ("PodFailurePolicy", 1))
        [end] = job.pods[0].terminations
        self.assertEqual(end.exit_code, 77)
        self.assertIn("28P01", end.message)
        self.assertNotIn("not-this-one", end.message + end.log)

    def test_a_database_that_comes_late_costs_tries_until_it_is_there(self):
        manifest = self.job()
        add_env(manifest["spec"]["template"]["spec"]["containers"][0], CASTOFF_WAIT_TIMEOUT="2s")
        job = Job(self.cluster, manifest).until(lambda job: job.failed == 2)
        self.start_database()
        job.until_finished()
        self.assertEqual(job.condition, "Complete")
        self.assertEqual({pod.terminations[0].exit_code for pod in job.pods[:2]}, {69})
        self.assertIn("db", job.pods[0].terminations[0].message)
        self.assert_migrated_once()

    def test_a_database_that_never_comes_uses_up_the_back_off_limit(self):
        manifest = self.job()
        add_env(manifest["spec"]["template"]["spec"]["containers"][0], CASTOFF_WAIT_TIMEOUT="500ms")
        job = Job(self.cluster, manifest).until_finished()
        limit = manifest["spec"]["backoffLimit"]
        self.assertEqual((job.condition, len(job.pods)), ("BackoffLimitExceeded", limit + 1))
        self.assertEqual({pod.terminations[0].exit_code for pod in job.pods}, {69})

    def test_an_evicted_pod_costs_no_try_and_the_next_one_finishes(self):
        self.start_database()
        manifest = self.job()
        manifest["spec"]["backoffLimit"] = 0
        self.migrations(manifest, **{"0009_long": "SELECT pg_sleep(5);"})
        job = Job(self.cluster, manifest)
        self.eventually(lambda: job.pods and f"{HEAD} -> 0009" in job.pods[0].log())
        self.assertLess(job.pods[0].evict(), 2)
        self.assertEqual(job.pods[0].terminations[0].exit_code, 128 + signal.SIGTERM)
        job.until_finished()
        self.assertEqual((job.condition, job.failed, len(job.pods)), ("Complete", 0, 2))
        self.assertEqual(self.sql("SELECT count(*) FROM castoff.revision WHERE revision = '0009'"), ["1"])

    def test_the_deadline_ends_a_job_that_takes_too_long(self):
        self.start_ready_database()
        manifest = self.job()
        manifest["spec"]["activeDeadlineSeconds"] = 8
        self.migrations(manifest, **{"0009_long": "SELECT pg_sleep(600);"})
        job = Job(self.cluster, manifest).until_finished()
        self.assertEqual((job.condition, len(job.pods)), ("DeadlineExceeded", 1))
        self.assertIn(f"{HEAD} -> 0009", job.pods[0].terminations[0].log)
        self.assertEqual(self.sql("SELECT revision FROM castoff.revision WHERE head"), [HEAD])


class ArgoCd(Case):
    variant = "argocd"

    def test_its_waves_bring_secrets_then_the_job_then_the_rest(self):
        waves = {"Secret": set(), "Job": set(), "Deployment": set(), "Service": set()}
        for resource in self.resources:
            annotations = resource["metadata"].get("annotations", {})
            waves[resource["kind"]].add(int(annotations.get("argocd.argoproj.io/sync-wave", "0")))
        self.assertEqual(waves, {"Secret": {-2}, "Job": {-1}, "Deployment": {0}, "Service": {0}})
        self.start_database()
        job = Job(self.cluster, manifests.the(self.resources, "Job")).until_finished()
        self.assertEqual(job.condition, "Complete")
        self.until_ready(self.start_pods())


def missing():
    """What is not here that the cases need."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no Docker engine answers"
    for image in [*IMAGES.values(), POSTGRES]:
        if not docker("images", "--quiet", image):
            return f"the image {image} is not there"
    return None


def chosen(names):
    """Every case, or those whose class or name contains one of the words."""
    for suite in unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]):
        for case in suite:
            if not names or any(name in case.id() for name in names):
                yield case


def run(case):
    """Runs one case; gives its report and whether it passed."""
    begun = time.monotonic()
    result = unittest.TestResult()
    case.run(result)
    reports = [report for _, report in result.errors + result.failures]
    name = case.id().removeprefix("__main__.")
    verdict = "FAILED" if reports else "ok"
    return "\n".join([f"{name} ... {verdict} ({time.monotonic() - begun:.0f} s)", *reports]), not reports


def main():
    reason = missing()
    if reason:
        print(f"NOT CHECKED: docker/kubernetes was not run: {reason}", file=sys.stderr)
        return 75
    # As Ctrl-C does, so that everything is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    passed = []
    # They mostly wait: for a server, for probes.
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=4)
    try:
        runs = [pool.submit(run, case) for case in chosen(sys.argv[1:])]
        for finished in concurrent.futures.as_completed(runs):
            report, is_passed = finished.result()
            print(report, flush=True)
            passed.append(is_passed)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        Cluster.close_all()
        return 130
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
