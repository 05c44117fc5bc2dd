"""The archive: unpacked anywhere, and run from there."""

import tarfile

from harness.cases import Cases, equal, holds
from house import run

CASES = Cases()


def _unpacked(house):
    folder = house.empty("archive")
    run(["tar", "--extract", "--file", house.package("*-linux-x86_64.tar.gz"), "--directory", folder])
    return folder / f"magicproxy-{house.version}"


@CASES.case("the program of the archive serves")
def serves(house):
    root = _unpacked(house)
    keys = house.empty("keys") / "keys"
    with house.serves("archive", [root / "usr/bin/magicproxy", "serve", "--keys", keys]):
        pass


@CASES.case("everything has one time, and root as its owner")
def reproducible(house):
    with tarfile.open(house.package("*-linux-x86_64.tar.gz")) as archive:
        entries = archive.getmembers()
    equal(len({entry.mtime for entry in entries}), 1, "times")
    equal({(entry.uid, entry.gid) for entry in entries}, {(0, 0)}, "owners")
    equal([entry.name for entry in entries if entry.mode & 0o022], [], "what others may write")
    holds([entry.name for entry in entries] == sorted(entry.name for entry in entries), "the order is another")
