"""The image: read as registries and Docker read it, unpacked, and run as the user that it names, in a root that cannot be written."""

import json
import re
import tarfile

from harness.cases import Cases, equal, holds
from harness.process import environment
from house import ROOT, as_root, run, unpacked_image

CASES = Cases()
_PATTERN = "*-image-amd64.tar"


def _configuration(house):
    """The configuration as it is in the image: skopeo leaves out what OCI does not know, the health check."""
    with tarfile.open(house.package(_PATTERN)) as image:
        path = json.load(image.extractfile("manifest.json"))[0]["Config"]
        return json.load(image.extractfile(path))


@CASES.case("registries and Docker read it")
def read(house):
    inspected = [json.loads(run(["skopeo", "inspect", f"{kind}:{house.package(_PATTERN)}"])) for kind in ("oci-archive", "docker-archive")]
    for one in inspected:
        equal((one["Architecture"], one["Os"]), ("amd64", "linux"), "the machine")
        equal(one["Labels"]["org.opencontainers.image.version"], house.version, "the version")


@CASES.case("whoever loads it finds it by the guide's name")
def name(house):
    wanted = f"magicproxy:{house.version}"
    holds(f" {wanted}\n" in (ROOT / "docs/guide/install.md").read_text(), "the guide has another name")
    with tarfile.open(house.package(_PATTERN)) as image:
        by_docker = json.load(image.extractfile("manifest.json"))[0]["RepoTags"]
        (of_layout,) = json.load(image.extractfile("index.json"))["manifests"]
    equal(by_docker, [wanted], "tags that Docker reads")
    equal(of_layout["annotations"]["io.containerd.image.name"], f"docker.io/library/{wanted}", "the name that Podman and containerd read")


@CASES.case("its user is a number, and not root's")
def user(house):
    holds(re.fullmatch(r"[1-9]\d*:[1-9]\d*", _configuration(house)["config"]["User"]), "root, or a name")


@CASES.case("it has the program, its libraries and authorities, and nothing that runs besides")
def contents(house):
    root = unpacked_image(house, _PATTERN)
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    runs = sorted(str(path) for path in files if (root / path).stat().st_mode & 0o111)
    equal(runs, ["lib64/ld-linux-x86-64.so.2", "usr/bin/magicproxy"], "what can be run")
    equal([str(path) for path in files if (root / path).stat().st_mode & 0o6022], [], "what others may write, or runs as its owner")
    authorities = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    holds(authorities.count("BEGIN CERTIFICATE") > 50, "there are hardly any authorities")


@CASES.case("what comes from Debian has its copyright with it, and the licences that are named there")
def copyrights(house):
    root = unpacked_image(house, _PATTERN)
    libraries = {path.name for path in root.rglob("*.so*") if path.is_file()}
    wanted = {"ca-certificates", *("libgcc-s1" if name.startswith("libgcc_s") else "libc6" for name in libraries)}
    texts = {path.parent.name: path.read_text() for path in (root / "usr/share/doc").glob("*/copyright")}
    equal(set(texts), wanted, "packages with a copyright file")
    named = {name for text in texts.values() for name in re.findall(r"/usr/share/common-licenses/([A-Z][A-Za-z0-9-]*(?:\.\d+)*)", text)}
    holds(len(named) >= 2, f"hardly any licence is named: {named}")
    equal([name for name in sorted(named) if not (root / "usr/share/common-licenses" / name).is_file()], [], "licences without their text")


@CASES.case("its program serves, as its user, in a root that cannot be written")
def serves(house):
    root = unpacked_image(house, _PATTERN)
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
