"""What goes along with the packages: the bill of materials, licences, checksums."""

import gzip
import json
import re
import tarfile

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from harness.cases import Cases, equal, holds
from house import ROOT, run

CASES = Cases()


def _materials(house):
    return json.loads(house.package("*.cdx.json").read_text())


@CASES.case("the bill of materials is CycloneDX's")
def schema(house):
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(house.package("*.cdx.json").read_text())
    equal(fault, None, "what is wrong with it")


@CASES.case("it has what is linked, with a licence each, and nothing of tests")
def linked(house):
    components = {one["name"]: one for one in _materials(house)["components"]}
    for name in ("aws-lc-rs", "hyper", "rustls", "wasmtime", "magicproxy-core"):
        holds(name in components, f"`{name}` is missing")
    for name in ("proptest", "divan", "tempfile", "xtask", "cc"):
        holds(name not in components, f"`{name}` is not in the program")
    equal([name for name, one in components.items() if "licenses" not in one], [], "crates without a licence")
    own = _materials(house)["metadata"]["component"]
    equal((own["name"], own["version"], own["type"]), ("magicproxy", house.version, "application"), "what it is of")


@CASES.case("the licences of crates go along in full")
def licences(house):
    with tarfile.open(house.package("*-linux-x86_64.tar.gz")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("THIRD-PARTY-LICENCES.gz"))
        text = gzip.decompress(archive.extractfile(name).read()).decode()
    foreign = [one for one in _materials(house)["components"] if not one["name"].startswith("magicproxy")]
    missing = [one["purl"] for one in foreign if f"\n{one['name']} {one['version']}\n" not in text]
    # Crates that were published without the text of their licence.
    holds(len(missing) < len(foreign) // 10, f"without a licence's text: {missing}")


@CASES.case("every package has a checksum, and it is right")
def sums(house):
    sums = house.packages / "SHA256SUMS"
    named = {line.split("  ")[1] for line in sums.read_text().splitlines()}
    equal(named, {path.name for path in house.packages.iterdir()} - {sums.name}, "files with a checksum")
    run(["sha256sum", "--check", "--strict", "--quiet", sums.name], cwd=house.packages)


@CASES.case("the guide names the packages as they are named")
def named(house):
    guide = (ROOT / "docs/guide/install.md").read_text().split("## ")[0]
    files = set(re.findall(r"^\| `([^`]+)` \|", guide, re.MULTILINE))
    equal({_of_any(file) for file in files}, {_of_any(path.name) for path in house.packages.iterdir()}, "files of a release")


def _of_any(name):
    """A file's name for x86-64, whatever its machine and its level of glibc, which a release has lower than the program here."""
    return re.sub(r"manylinux_\d+_\d+", "manylinux", name).replace("aarch64", "x86_64").replace("arm64", "amd64")
