"""What the cases share: an API, the program under test, roots of systems to install into, and a served request."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from harness.cases import equal, holds
from harness.exchange import ask
from harness.patience import HANGS
from harness.process import Server, environment
from harness.upstream import Upstream

ROOT = pathlib.Path(__file__).resolve().parents[2]
CREDENTIAL = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"


class House:
    def __init__(self, binary, packages, debian, folder, upstream):
        self.binary = binary
        #: The folder of the packages; none where only the files of `deploy/` are tested.
        self.packages = packages
        #: A root of Debian with nothing in it, which is copied and not changed.
        self._debian = debian
        self.folder = pathlib.Path(folder)
        self.upstream = upstream

    @property
    def version(self):
        text = (ROOT / "Cargo.toml").read_text().split("[workspace.package]")[1]
        return next(line.split('"')[1] for line in text.splitlines() if line.startswith("version = "))

    def package(self, pattern):
        """The one package that a pattern names."""
        found = sorted(self.packages.glob(pattern))
        equal(len(found), 1, f"packages `{pattern}`")
        return found[0]

    def empty(self, name):
        """A new folder."""
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def debian_root(self, name):
        """A new root with a minimal Debian."""
        root = self.folder / name
        run(as_root("cp", "--archive", self._debian, root))
        return root

    @contextlib.contextmanager
    def serves(self, name, command, **variables):
        """A proxy that a command starts, which is given the address and the API, once it has served and refused a request. Gives its URL."""
        log = self.folder / f"{name}.log"
        told = [*command, "--listen", "127.0.0.1:0", "--api-root", self.upstream.url]
        with contextlib.closing(_Stopped(Server(name, told, log=log, env=environment(self.folder, **variables), cwd="/"))) as proxy:
            self.served(proxy.url)
            yield proxy.url

    def served(self, url):
        """Has the proxy at a URL serve a request and refuse another one, and gives the token of both."""
        self.upstream.take()
        token = minted(url)
        answer = ask(url, "GET", "/user", token=token)
        equal(answer.status, 200, f"an allowed request: {answer.text}")
        arrived = self.upstream.take()
        equal([one.values("Authorization") for one in arrived], [[f"Bearer {CREDENTIAL}"]], "credentials that the API was shown")
        equal(ask(url, "DELETE", "/user", token=token).status, 403, "another request")
        return token


def minted(url):
    """A token for `GET /user`, minted over HTTP."""
    body = json.dumps({"token": CREDENTIAL, "allowed": ["GET /user"]})
    answer = ask(url, "POST", "/__magictoken", headers={"Content-Type": "application/json"}, body=body)
    equal(answer.status, 200, f"a mint request: {answer.text}")
    return answer.text


class _Stopped:
    """A server that `closing` ends."""

    def __init__(self, server):
        self.url = server.url
        self._server = server

    def close(self):
        self._server.stop()


def run(command, **more):
    """Runs a command that must end well, and gives what it printed, both ways."""
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=HANGS, check=False, **more,
    )
    holds(done.returncode == 0, f"`{command[0]}` ended with {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def tool(name):
    """A program of the environment that runs this."""
    return f"{sys.prefix}/bin/{name}"


def unpacked_image(house, pattern):
    """The root of an image."""
    folder = house.empty("image")
    (folder / "layout").mkdir()
    run(["tar", "--extract", "--file", house.package(pattern), "--directory", folder / "layout"])
    run(as_root("umoci", "unpack", "--image", f"{folder}/layout:{house.version}", folder / "bundle"))
    return folder / "bundle/rootfs"


def as_root(*command):
    """A command that root runs."""
    return command if os.geteuid() == 0 else ("sudo", "-n", *command)


def in_root(root, *command, user=None):
    """A command inside of another root, by a user of that root."""
    who = [f"--userspec={user}"] if user else []
    return as_root("chroot", *who, root, *command)


@contextlib.contextmanager
def open_house(binary, packages, debian):
    folder = tempfile.mkdtemp(prefix="magicproxy-packages-")
    # Users of the roots below pass through it.
    os.chmod(folder, 0o755)
    try:
        with Upstream(CREDENTIAL) as upstream:
            yield House(binary, packages, debian, folder, upstream)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if pathlib.Path(folder).exists():
            run(as_root("rm", "-rf", folder))
