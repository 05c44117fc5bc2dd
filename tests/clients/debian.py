"""Programs that come as Debian packages: unpacked below `$MAGICPROXY_DEBIAN` without being installed, else the system's own."""

import os
import pathlib
import shutil

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


def library_folder(file):
    """The folder below `usr/lib` that holds this file, such as a plugin of a server."""
    for root in filter(None, (_root(), pathlib.Path("/"))):
        for found in sorted((root / "usr/lib").glob(f"*/{file}")):
            return found.parent
    raise AssertionError(f"there is no `{file}` in a library folder")


def shared_file(name):
    """A file below `usr/share`."""
    for root in filter(None, (_root(), pathlib.Path("/"))):
        if (found := root / "usr/share" / name).is_file():
            return found
    raise AssertionError(f"there is no `usr/share/{name}`")


def libraries():
    """The variables with which an unpacked program finds the libraries that were unpacked beside it."""
    folders = [str(folder) for folder in sorted((_root() / "usr/lib").glob("*-linux-*"))] if _root() else []
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


def _root():
    named = os.environ.get("MAGICPROXY_DEBIAN")
    return pathlib.Path(named).resolve() if named else None
