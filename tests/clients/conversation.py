"""A child process that takes one job a line, as JSON, and gives one outcome a line."""

import json
import selectors
import subprocess

#: Seconds that one job may take.
_PATIENCE = 60

_STOP = 10


class Conversation:
    def __init__(self, command, *, log, env, cwd):
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env, cwd=cwd,
            )
        self._log = log

    def ask(self, job):
        """The outcome of a job."""
        self._child.stdin.write(json.dumps(job).encode() + b"\n")
        self._child.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            line = self._child.stdout.readline() if selector.select(_PATIENCE) else b""
        if not line:
            raise AssertionError(f"no outcome of {job['act']}: {self._log.read_text('utf-8', 'replace')[-400:]}")
        return json.loads(line)

    def stop(self):
        self._child.kill()
        self._child.communicate(timeout=_STOP)
