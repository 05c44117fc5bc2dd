"""A child process that takes one job a line, as JSON, and gives one outcome a line."""

import json
import selectors
import subprocess

from harness.patience import HANGS

_STOP = 10


class Conversation:
    def __init__(self, command, *, log, env, cwd):
        self._command = [str(part) for part in command]
        self._log = log
        self._options = {"env": env, "cwd": cwd}
        self._child = None

    def ask(self, job):
        """The outcome of a job."""
        if self._child is None:
            self._start()
        self._child.stdin.write(json.dumps(job).encode() + b"\n")
        self._child.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            line = self._child.stdout.readline() if selector.select(HANGS) else b""
        if not line:
            # A late outcome would be taken for that of the next job.
            self.stop()
            raise AssertionError(f"no outcome of {job['act']}: {self._log.read_text('utf-8', 'replace')[-400:]}")
        return json.loads(line)

    def stop(self):
        if self._child is not None:
            self._child.kill()
            self._child.communicate(timeout=_STOP)
            self._child = None

    def _start(self):
        with self._log.open("ab") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self._child = subprocess.Popen(self._command, **pipes, **self._options)
