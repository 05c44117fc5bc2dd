"""The example for Kubernetes: its schemas, and what they do not say."""

import kubernetes_validate
import yaml
from harness.cases import Cases, equal, holds
from house import ROOT

CASES = Cases()
FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION = "kustomization.yaml"
#: The version of Kubernetes whose schemas are asked.
_VERSION = "1.37"
#: Secrets that an operator makes, as docs/guide/install.md tells.
_SECRETS = {"magicproxy-keys", "magicproxy-tls", "magicproxy-state", "valkey-users", "magicproxy-admin"}


def _documents():
    files = [path for path in sorted(FOLDER.glob("*.yaml")) if path.name != KUSTOMIZATION]
    return [document for path in files for document in yaml.safe_load_all(path.read_text())]


def _pods():
    """Name and specification of each kind of pod."""
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in _documents() if "template" in one.get("spec", {})]


@CASES.case("every document is Kubernetes's")
def schema(house):
    for document in _documents():
        kubernetes_validate.validate(document, _VERSION, strict=True)


@CASES.case("every document is applied, in one namespace, with the image of this version")
def applied(house):
    kustomization = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text())
    files = {path.name for path in FOLDER.glob("*.yaml")} - {KUSTOMIZATION}
    equal(set(kustomization["resources"]), files, "resources")
    equal([image["newTag"] for image in kustomization["images"]], [house.version], "the image's tag")
    for generator in kustomization["configMapGenerator"]:
        for file in generator["files"]:
            holds((FOLDER / file).is_file(), f"there is no `{file}`")
    namespaces = {one["metadata"].get("namespace", one["metadata"]["name"]) for one in _documents()}
    equal(namespaces, {kustomization["namespace"]}, "namespaces")


@CASES.case("no pod may more than it needs")
def confined(house):
    for name, pod in _pods():
        equal(pod["automountServiceAccountToken"], False, f"{name}: the token of its account")
        equal(pod["securityContext"]["runAsNonRoot"], True, f"{name}: root")
        equal(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, f"{name}: system calls")
        for container in pod["containers"]:
            context = container["securityContext"]
            equal(context["allowPrivilegeEscalation"], False, f"{name}: more privileges")
            equal(context["readOnlyRootFilesystem"], True, f"{name}: a root that cannot be written")
            equal(context["capabilities"], {"drop": ["ALL"]}, f"{name}: capabilities")
            holds("memory" in container["resources"]["limits"], f"{name}: no limit of memory")
            holds({"readinessProbe", "livenessProbe"} <= set(container), f"{name}: no probes")


@CASES.case("what is mounted is made")
def mounts(house):
    kustomization = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text())
    made = {generator["name"] for generator in kustomization["configMapGenerator"]}
    guide = (ROOT / "docs/guide/install.md").read_text()
    for name, pod in _pods():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for volume in volumes.values():
            secret = volume.get("secret", {}).get("secretName")
            holds(secret is None or (secret in _SECRETS and secret in guide), f"{name}: nobody makes the secret `{secret}`")
            config = volume.get("configMap", {}).get("name")
            holds(config is None or config in made, f"{name}: nobody makes `{config}`")
        claims = {claim["metadata"]["name"] for one in _documents() for claim in one.get("spec", {}).get("volumeClaimTemplates", [])}
        for container in pod["containers"]:
            for mount in container["volumeMounts"]:
                holds(mount["name"] in volumes or mount["name"] in claims, f"{name}: no volume `{mount['name']}`")


@CASES.case("three replicas stay up, and no more than one goes at a time")
def replicas(house):
    kinds = {(one["kind"], one["metadata"]["name"]): one for one in _documents()}
    deployment = kinds["Deployment", "magicproxy"]["spec"]
    equal(deployment["replicas"], 3, "replicas")
    labels = deployment["template"]["metadata"]["labels"]
    budget = kinds["PodDisruptionBudget", "magicproxy"]["spec"]
    equal(budget["maxUnavailable"], 1, "replicas that may go")
    equal(kinds["NetworkPolicy", "magicproxy"]["spec"]["podSelector"]["matchLabels"], labels, "who is confined")
    equal(budget["selector"]["matchLabels"], labels, "who is counted")
    equal(kinds["Service", "magicproxy"]["spec"]["selector"], labels, "who is reached")
