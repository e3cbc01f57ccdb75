"""The manifests of docker/kubernetes as kustomize builds them."""

import pathlib
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker" / "kubernetes"


class NotBuilt(Exception):
    """A kustomization that takes kubectl to build, where there is none."""


def variants():
    """The folders that `kubectl apply -k` is meant for."""
    folders = sorted(path.parent for path in FOLDER.glob("*/kustomization.yaml"))
    return [folder for folder in folders if folder.name != "base"]


def build(folder):
    """The resources of a kustomization, by kubectl, or by hand without it."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(folder)]
        built = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return list(yaml.safe_load_all(built))
    return by_hand(folder)


def by_hand(folder):
    """The little of kustomize that most of the folders need."""
    kustomization = read(folder / "kustomization.yaml")[0]
    unknown = kustomization.keys() - {"apiVersion", "kind", "resources", "nameSuffix"}
    if unknown:
        raise NotBuilt(f"{folder}: {', '.join(sorted(unknown))}")
    resources = []
    for name in kustomization["resources"]:
        path = folder / name
        resources += by_hand(path) if path.is_dir() else read(path)
    for resource in resources:
        resource["metadata"]["name"] += kustomization.get("nameSuffix", "")
    return resources


def read(path):
    """The documents of one file."""
    return list(yaml.safe_load_all(path.read_text()))


def of_kind(resources, kind):
    """The resources of one kind."""
    return [resource for resource in resources if resource["kind"] == kind]


def the(resources, kind):
    """The only resource of one kind."""
    [resource] = of_kind(resources, kind)
    return resource


def pod_templates(resources):
    """The workloads with their pods' specs."""
    for resource in resources:
        if "template" in resource.get("spec", {}):
            yield resource, resource["spec"]["template"]["spec"]


def containers(pod):
    """All containers of a pod, in the order in which they start."""
    return pod.get("initContainers", []) + pod["containers"]


def secret_values(resources):
    """The values of each Secret by its name."""
    return {
        secret["metadata"]["name"]: secret["stringData"]
        for secret in of_kind(resources, "Secret")
    }


def budget(probe):
    """For how many seconds a probe may fail."""
    return probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
