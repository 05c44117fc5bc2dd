"""A real Valkey, out of a Python package."""

import os

from harness.process import Server, environment
from upstreams import loopback

_PORT = 6379


class Valkey:
    def __init__(self, folder):
        program = os.environ.get("MAGICPROXY_TEST_VALKEY")
        if not program:
            raise AssertionError("`MAGICPROXY_TEST_VALKEY` does not name a valkey-server: `tests/state/requirements.txt` has one")
        host = loopback.address(_PORT)
        command = [program, "--bind", host, "--port", _PORT, "--dir", folder, "--save", "", "--appendonly", "no"]
        self._server = Server("valkey", command, log=folder / "log", env=environment(folder), cwd=folder, address=(host, _PORT))
        self.url = f"redis://{host}:{_PORT}/0"

    def stop(self):
        self._server.stop()
