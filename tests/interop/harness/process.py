"""Child processes on free loopback ports, stopped by their own id."""

import ipaddress
import os
import pathlib
import subprocess
import sys
import time

from .patience import HANGS

#: After so many seconds, whoever was asked to stop is made to. That is no fault.
_STOP = 10
_POLL = 0.02

#: States of a socket in `/proc/net/tcp`.
ESTABLISHED = "01"
_LISTEN = "0A"


class Server:
    """A server that was told to listen on port 0; which port it got is asked of the system.

    One that cannot be told so, or that listens on several ports, is told an `address` (host and port) instead.
    """

    def __init__(self, name, command, *, log, env, cwd, address=None):
        self.name = name
        self.log = pathlib.Path(log)
        self._address = address
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd,
            )
        try:
            host, port = self._listening()
            self.url = f"http://{host}:{port}"
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self._child.pid

    def stop(self):
        """Ends the process."""
        if self._child.poll() is None:
            self._child.terminate()
        try:
            self._child.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def kill(self):
        """Ends the process so that it can do nothing about it."""
        self._child.kill()
        self._child.wait()

    def _listening(self):
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self._child.returncode}: {self._tail()}")
            for address in sockets_of(self._child.pid, _LISTEN):
                if self._address in (None, address):
                    return address
            time.sleep(_POLL)
        raise AssertionError(f"{self.name} listens on nothing after {HANGS} s: {self._tail()}")

    def _tail(self):
        return " | ".join(self.log.read_text("utf-8", "replace").splitlines()[-6:])


def run(command, *, env, cwd, stdin=""):
    """Runs a command to its end, and gives what it printed and its status."""
    return subprocess.run(
        [str(part) for part in command],
        input=stdin, capture_output=True, text=True, env=env, cwd=cwd, timeout=HANGS, check=False,
    )


def environment(home, **variables):
    """An environment with nothing of the caller's but the path: no proxies, no settings of either program."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **{name: str(value) for name, value in variables.items()}}


def sockets_of(pid, state):
    """The own ends, host and port, of a process's TCP sockets in a state."""
    try:
        own = set(filter(None, map(_target, pathlib.Path(f"/proc/{pid}/fd").iterdir())))
        table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text()
    except OSError:
        # A process that is gone: the caller looks again.
        return []
    lines = [line.split() for line in table.splitlines()[1:]]
    return [_address(fields[1]) for fields in lines if fields[3] == state and f"socket:[{fields[9]}]" in own]


def _target(entry):
    """What an open file is; nothing, if it was closed meanwhile."""
    try:
        return os.readlink(entry)
    except OSError:
        return None


def _address(entry):
    """Host and port of an entry such as `0100007F:1388`; the address is in the byte order of the machine."""
    host, port = entry.split(":")
    return str(ipaddress.IPv4Address(bytes.fromhex(host)[::-1] if sys.byteorder == "little" else bytes.fromhex(host))), int(port, 16)
