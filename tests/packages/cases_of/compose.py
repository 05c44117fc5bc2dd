"""The example for Docker Compose: its schema, and that no service may more than it needs."""

import subprocess

import compose_spec
import yaml
from harness.cases import Cases, equal, holds
from house import ROOT

CASES = Cases()
FOLDER = ROOT / "deploy/compose"


def _services():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


@CASES.case("the file is Compose's")
def schema(house):
    read = compose_spec.PyCompose.from_yaml((FOLDER / "compose.yaml").read_text())
    read.validate()
    equal(sorted(read.service_names()), sorted(_services()), "services that were read")


@CASES.case("there are three replicas of this version")
def replicas(house):
    service = _services()["magicproxy"]
    equal(service["deploy"]["replicas"], 3, "replicas")
    equal(service["image"], f"magicproxy:{house.version}", "the image")


@CASES.case("no service may more than it needs")
def confined(house):
    for name, service in _services().items():
        holds(service["read_only"], f"{name}: a root that can be written")
        equal(service["cap_drop"], ["ALL"], f"{name}: capabilities taken away")
        equal(service["security_opt"], ["no-new-privileges:true"], f"{name}: new privileges")
        holds({"memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), f"{name}: no limits")


@CASES.case("every file that is mounted is there, or a secret")
def mounts(house):
    for name, service in _services().items():
        for volume in service["volumes"]:
            source = volume["source"]
            if volume["type"] == "bind" and not source.startswith("./secrets/"):
                holds((FOLDER / source).is_file(), f"{name}: there is no `{source}`")
            holds(volume.get("read_only") or volume["type"] == "volume", f"{name}: `{source}` can be written")


@CASES.case("the balancer takes its configuration")
def balancer(house):
    done = subprocess.run(["haproxy", "-c", "-f", FOLDER / "haproxy.cfg"], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
