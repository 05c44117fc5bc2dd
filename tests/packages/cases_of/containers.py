"""The image in Docker itself: loaded, run, found healthy, stopped and run again, as the guide says."""

import contextlib
import pathlib
import subprocess
import time

from harness.cases import Cases, equal, holds
from harness.exchange import ask
from harness.patience import HANGS
from harness.process import sockets_of
from house import as_root, run

CASES = Cases()
_LISTENS = "0A"
_POLL = 0.2


@CASES.case("Docker loads it and runs it, and its keys stay in the volume")
def docker(house):
    with _daemon(house) as daemon:
        holds(f"magicproxy:{house.version}" in daemon("load", "--input", house.package("*-image-amd64.tar")), "it has another name")
        first = _started(house, daemon)
        token = house.served(first.url)
        _eventually(lambda: first.asked("{{.State.Health.Status}}") == "healthy", "it is healthy")
        equal(first.stopped(), "0", "the status with which it ends")
        second = _started(house, daemon)
        equal(ask(second.url, "GET", "/user", token=token).status, 200, "the token of the container before")
        second.stopped()


class _Container:
    def __init__(self, daemon, name):
        self._daemon, self._name = daemon, name
        _eventually(lambda: sockets_of(self._process(), _LISTENS), "it listens")
        host, port = sockets_of(self._process(), _LISTENS)[0]
        self.url = f"http://{host}:{port}"

    def _process(self):
        running, process = self.asked("{{.State.Running}} {{.State.Pid}}").split()
        holds(running == "true", self._daemon("logs", self._name))
        return process

    def asked(self, form):
        return self._daemon("inspect", "--format", form, self._name).strip()

    def stopped(self):
        """Stops it, and gives its status."""
        self._daemon("stop", self._name)
        return self.asked("{{.State.ExitCode}}")


def _started(house, daemon):
    """A container with the host's network, since this Docker is told to leave the host's as it is."""
    order = ["--read-only", "--cap-drop", "all", "--network", "host", "--volume", "magicproxy:/var/lib/magicproxy", "--health-interval", "1s"]
    # At a socket, since ports of this machine may be others'.
    order += ["--env", "MAGICPROXY_ADMIN_LISTEN=unix:/var/lib/magicproxy/admin.sock", f"magicproxy:{house.version}"]
    name = daemon("run", "--detach", *order, "serve", "--listen", "127.0.0.1:0", "--api-root", house.upstream.url).strip()
    return _Container(daemon, name)


@contextlib.contextmanager
def _daemon(house):
    """A Docker with a folder and a socket of its own, and a function that runs a command of it."""
    folder = house.empty("docker")
    socket = f"unix://{folder}/socket"
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid", "--host", socket]
    leaves = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs"]
    log = folder / "log"
    with log.open("wb") as output:
        child = subprocess.Popen([str(part) for part in as_root("dockerd", *places, *leaves)], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    ask_it = as_root("docker", "--host", socket)
    try:
        _eventually(lambda: child.poll() is not None or _answers(ask_it), "it starts")
        holds(child.poll() is None, f"Docker ends: {log.read_text()[-600:]}")
        yield lambda *words: run([*ask_it, *words])
    finally:
        child.terminate()
        child.wait(HANGS)
        _unmount(folder)


def _unmount(folder):
    """Docker leaves the namespace of the host's network where it mounted it."""
    mounted = [line.split(" ")[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([place for place in mounted if place.startswith(f"{folder}/")]):
        run(as_root("umount", place))


def _answers(command):
    return subprocess.run([*command, "version"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=HANGS).returncode == 0


def _eventually(condition, what):
    deadline = time.monotonic() + HANGS
    while not condition():
        holds(time.monotonic() < deadline, f"{what}, within {HANGS} s")
        time.sleep(_POLL)
