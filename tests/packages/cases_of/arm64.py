"""The packages for arm64, where a release has them: as those for x86-64, and used under an emulator of that machine."""

import hashlib
import json
import shutil
import tarfile
import zipfile

from harness.cases import Cases, equal, holds
from house import as_root, in_root, run, tool, unpacked_image

CASES = Cases()
_EMULATOR = "qemu-aarch64-static"
_WHEEL = "magicproxy-*_aarch64.whl"
_IMAGE = "*-image-arm64.tar"
_DEB = "*_arm64.deb"


@CASES.case("arm64: every package has the same program")
def one_program(house):
    folder = house.empty("arm64")
    run(["dpkg-deb", "--extract", house.package(_DEB), folder])
    with tarfile.open(house.package("*-linux-aarch64.tar.gz")) as archive:
        archived = archive.extractfile(f"magicproxy-{house.version}/usr/bin/magicproxy").read()
    with zipfile.ZipFile(house.package(_WHEEL)) as wheel:
        installed = wheel.read(f"magicproxy-{house.version}.data/scripts/magicproxy")
    imaged = (unpacked_image(house, _IMAGE) / "usr/bin/magicproxy").read_bytes()
    programs = [(folder / "usr/bin/magicproxy").read_bytes(), archived, installed, imaged]
    equal(len({hashlib.sha256(program).digest() for program in programs}), 1, "programs")


@CASES.case("arm64: lintian has nothing to say, and dpkg refuses it elsewhere")
def debian(house):
    said = run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "none", house.package(_DEB)])
    equal([line for line in said.splitlines() if line[:2] in ("E:", "W:")], [], "tags")
    equal(run(["dpkg-deb", "--field", house.package(_DEB), "Architecture"]).strip(), "arm64", "the machine")


@CASES.case("arm64: the wheel runs where its name says")
def wheel(house):
    file = house.package(_WHEEL)
    holds("PASSED" in run([tool("twine"), "check", "--strict", file]), "twine refuses it")
    tag = file.name.removesuffix(".whl").split("-")[-1]
    holds(f'platform tag: "{tag}"' in run([tool("auditwheel"), "show", file]).replace("\n", " "), f"auditwheel names another platform than {tag}")


@CASES.case("arm64: registries and Docker read the image")
def image(house):
    for kind in ("oci-archive", "docker-archive"):
        one = json.loads(run(["skopeo", "inspect", f"{kind}:{house.package(_IMAGE)}"]))
        equal((one["Architecture"], one["Os"]), ("arm64", "linux"), "the machine")


@CASES.case("arm64: the image's program serves, with the image's libraries")
def serves(house):
    root = unpacked_image(house, _IMAGE)
    run(as_root("cp", shutil.which(_EMULATOR), root))
    program = in_root(root, f"/{_EMULATOR}", "/usr/bin/magicproxy")
    equal(run([*program, "--version"]).strip(), f"magicproxy {house.version}", "its version")
    with house.serves("arm64", [*program, "serve", "--keys", "/var/lib/magicproxy/keys"]):
        pass
