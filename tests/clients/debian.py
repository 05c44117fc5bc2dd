"""Programs that come as Debian packages: unpacked below `$MAGICPROXY_DEBIAN` without being installed, else the system's own."""

import gzip
import os
import pathlib
import shutil
import subprocess

#: Where servers lie, which is not on everyone's path.
_SYSTEM = ("/usr/sbin", "/usr/bin")


def program(name):
    """The path of a program."""
    places = [str(_root() / folder) for folder in ("usr/sbin", "usr/bin")] if _root() else []
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", ""), *_SYSTEM]))
    if not found:
        raise AssertionError(f"there is no `{name}`, neither below `$MAGICPROXY_DEBIAN` nor on the path")
    return pathlib.Path(found)


def path():
    """The `PATH` on which all of them are."""
    places = [str(_root() / folder) for folder in ("usr/sbin", "usr/bin")] if _root() else []
    return os.pathsep.join([*places, os.environ["PATH"], *_SYSTEM])


def plugins(name):
    """The folder with the plugins of a program."""
    for root in filter(None, (_root(), pathlib.Path("/"))):
        for found in sorted((root / "usr/lib").glob(f"*-linux-*/{name}")):
            return found
    raise AssertionError(f"there is no `{name}` in a library folder")


def shared_file(name):
    """A file below `usr/share`."""
    for root in filter(None, (_root(), pathlib.Path("/"))):
        if (found := root / "usr/share" / name).is_file():
            return found
    raise AssertionError(f"there is no `usr/share/{name}`")


def version(package):
    """The upstream version of a package, out of its changelog, which is unpacked with it; else what the system says of it."""
    for root in filter(None, (_root(), pathlib.Path("/"))):
        for changelog in sorted((root / "usr/share/doc" / package).glob("changelog.Debian*.gz")):
            return gzip.open(changelog, "rt", errors="replace").readline().split("(")[1].split("-")[0].split("+")[0]
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=True).stdout.split("-")[0]


def libraries():
    """The variables with which an unpacked program finds the libraries that were unpacked beside it."""
    folders = [str(folder) for folder in sorted((_root() / "usr/lib").glob("*-linux-*"))] if _root() else []
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


def _root():
    named = os.environ.get("MAGICPROXY_DEBIAN")
    return pathlib.Path(named).resolve() if named else None
