"""Child processes on free loopback ports, stopped by their own id."""

import os
import pathlib
import subprocess
import time

_START = 60
_STOP = 10
_POLL = 0.02

#: The state of a listening socket in `/proc/net/tcp`.
_LISTEN = "0A"


class Server:
    """A server that was told to listen on port 0; which port it got is asked of the system."""

    def __init__(self, name, command, *, log, env, cwd):
        self.name = name
        self.log = pathlib.Path(log)
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd,
            )
        try:
            self.url = f"http://127.0.0.1:{self._port()}"
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Ends the process."""
        if self._child.poll() is None:
            self._child.terminate()
        try:
            self._child.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _port(self):
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self._child.returncode}: {self._tail()}")
            if port := listening_port(self._child.pid):
                return port
            time.sleep(_POLL)
        raise AssertionError(f"{self.name} listens on nothing after {_START} s: {self._tail()}")

    def _tail(self):
        return " | ".join(self.log.read_text("utf-8", "replace").splitlines()[-6:])


def run(command, *, env, cwd, stdin=""):
    """Runs a command to its end, and gives what it printed and its status."""
    return subprocess.run(
        [str(part) for part in command],
        input=stdin, capture_output=True, text=True, env=env, cwd=cwd, timeout=_START, check=False,
    )


def environment(home, **variables):
    """An environment with nothing of the caller's but the path: no proxies, no settings of either program."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **{name: str(value) for name, value in variables.items()}}


def listening_port(pid):
    """The TCP port on which a process listens, if it does yet."""
    try:
        sockets = {os.readlink(entry) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text()
    except OSError:
        # A file that was closed meanwhile, or a process that is gone: the caller looks again.
        return None
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rsplit(":", 1)[1], 16)
    return None
