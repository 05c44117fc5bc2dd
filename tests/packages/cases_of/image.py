"""The image: read as registries and Docker read it, unpacked, and run as the user that it names, in a root that cannot be written."""

import json
import re
import tarfile

from harness.cases import Cases, equal, holds
from harness.process import environment
from house import as_root, run

CASES = Cases()
_PATTERN = "*-image-amd64.tar"


def _configuration(house):
    """The configuration as it is in the image: skopeo leaves out what OCI does not know, the health check."""
    with tarfile.open(house.package(_PATTERN)) as image:
        path = json.load(image.extractfile("manifest.json"))[0]["Config"]
        return json.load(image.extractfile(path))


def _unpacked(house):
    folder = house.empty("image")
    (folder / "layout").mkdir()
    run(["tar", "--extract", "--file", house.package(_PATTERN), "--directory", folder / "layout"])
    run(as_root("umoci", "unpack", "--image", f"{folder}/layout:{house.version}", folder / "bundle"))
    return folder / "bundle/rootfs"


@CASES.case("registries and Docker read it")
def read(house):
    inspected = [json.loads(run(["skopeo", "inspect", f"{kind}:{house.package(_PATTERN)}"])) for kind in ("oci-archive", "docker-archive")]
    for one in inspected:
        equal((one["Architecture"], one["Os"]), ("amd64", "linux"), "the machine")
        equal(one["Labels"]["org.opencontainers.image.version"], house.version, "the version")


@CASES.case("its user is a number, and not root's")
def user(house):
    holds(re.fullmatch(r"[1-9]\d*:[1-9]\d*", _configuration(house)["config"]["User"]), "root, or a name")


@CASES.case("it has the program, its libraries and authorities, and nothing that runs besides")
def contents(house):
    root = _unpacked(house)
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    runs = sorted(str(path) for path in files if (root / path).stat().st_mode & 0o111)
    equal(runs, ["lib64/ld-linux-x86-64.so.2", "usr/bin/magicproxy"], "what can be run")
    equal([str(path) for path in files if (root / path).stat().st_mode & 0o6022], [], "what others may write, or runs as its owner")
    authorities = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    holds(authorities.count("BEGIN CERTIFICATE") > 50, "there are hardly any authorities")


@CASES.case("its program serves, as its user, in a root that cannot be written")
def serves(house):
    root = _unpacked(house)
    who = _configuration(house)["config"]["User"]
    # Its home is the only folder of its user's: a volume, where somebody mounts one.
    writable = run(as_root("chroot", root, "/usr/bin/magicproxy", "--version"))
    equal(writable.strip(), f"magicproxy {house.version}", "its version")
    owned = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.lstat().st_uid != 0)
    equal(owned, ["var/lib/magicproxy"], "what its user may write")
    variables = dict(one.split("=", 1) for one in _configuration(house)["config"]["Env"] if not one.startswith("PATH="))
    # At a socket, since ports of this machine may be others'.
    variables["MAGICPROXY_ADMIN_LISTEN"] = "unix:/var/lib/magicproxy/admin.sock"
    program = as_root("chroot", f"--userspec={who}", root, "/usr/bin/magicproxy")
    check = _configuration(house)["config"]["Healthcheck"]["Test"]
    equal(check[:2], ["CMD", "/usr/bin/magicproxy"], "the program of the health check")
    healthy = []
    with house.serves("image", [*program, "serve"], **variables):
        healthy.append(run([*program, *check[2:]], env=environment(house.folder, **variables)).splitlines()[-1])
    equal(healthy, ["ok"], "what the health check says")
