"""The house in which the cases run: both programs, keys made by each, one recording upstream.

Everything is started when it is first asked for, and only once.
"""

import contextlib
import dataclasses
import functools
import json
import pathlib
import sys
import tempfile

from harness.process import Server, environment, run
from harness.upstream import Upstream

CREDENTIAL = "ghp_theRealCredential0123456789abcdef"

#: The two servers of the Python program.
KINDS = ("sync", "async")

#: Who made the keys.
MAKERS = ("theirs", "ours")

#: The scopes that both programs read from one file, in both forms of the Python program.
SCOPES = {
    "triage": ["GET /repos/acme/[^/]+/issues", {"method": "POST", "path": "/repos/acme/[^/]+/issues/\\d+/labels"}],
    "reader": ["GET /user"],
}


@dataclasses.dataclass
class House:
    binary: pathlib.Path
    folder: pathlib.Path
    upstream: Upstream
    stack: contextlib.ExitStack
    started: dict

    # --- keys

    @functools.cached_property
    def their_keys(self):
        """Keys made by the Python program's generator."""
        folder = self.folder / "keys-theirs"
        done = self.python_program("-m", "magicproxy.keys", KEYS_LOCATION=folder, PUBLIC_ACCESS="https://magic.example.org")
        if done.returncode != 0:
            raise AssertionError(f"the Python program made no keys: {done.stderr.strip()[-300:]}")
        return folder

    @functools.cached_property
    def our_keys(self):
        """Keys made by `magicproxy keys generate`."""
        folder = self.folder / "keys-ours"
        self.ok("keys", "generate", "--keys", folder)
        return folder

    def keys(self, maker):
        return self.their_keys if maker == "theirs" else self.our_keys

    # --- servers

    def peer(self, kind, maker):
        """A server of the Python program, with the scopes."""
        variables = {"API_ROOT": self.upstream.url, "CONFIG_FILE": self.scopes_file}
        return self.peer_with(f"peer-{kind}-{maker}", kind, lambda: {"KEYS_LOCATION": self.keys(maker), **variables})

    def peer_with(self, name, kind, variables):
        """A server of the Python program with other settings."""
        arguments = ["-m", "magicproxy", "--port", "0"] + (["--async"] if kind == "async" else [])
        return self._server(name, lambda: [sys.executable, *arguments], variables)

    def proxy(self, maker):
        """Our proxy, with the same scopes from the same file."""
        arguments = ["--api-root", self.upstream.url]
        return self.proxy_with(f"proxy-{maker}", lambda: {"CONFIG_FILE": self.scopes_file}, arguments, maker)

    def prefix_proxy(self, maker):
        """Our proxy with the Python program's way of matching."""
        config = self.file("danger.toml", f'[upstream]\napi_root = "{self.upstream.url}"\ndanger_prefix_matching = true\n')
        return self.proxy_with(f"prefix-{maker}", dict, ["--config", config], maker)

    def proxy_with(self, name, variables, arguments=(), maker=None):
        """Our proxy with other settings."""
        keys = lambda: ["--keys", self.keys(maker)] if maker else []
        return self._server(name, lambda: [self.binary, "serve", "--listen", "127.0.0.1:0", *arguments, *keys()], variables)

    def _server(self, name, command, variables):
        if name not in self.started:
            env = environment(self.folder, **variables())
            server = Server(name, command(), log=self.folder / f"{name}.log", env=env, cwd=self.folder)
            self.stack.callback(server.stop)
            self.started[name] = server
        return self.started[name].url

    # --- commands

    def ours(self, *arguments, stdin="", **variables):
        """Runs our program."""
        return run([self.binary, *arguments], env=environment(self.folder, **variables), cwd=self.folder, stdin=stdin)

    def ok(self, *arguments, stdin="", **variables):
        """Runs our program, which must succeed, and gives what it printed."""
        done = self.ours(*arguments, stdin=stdin, **variables)
        if done.returncode != 0:
            raise AssertionError(f"`magicproxy {arguments[0]}` ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout.strip()

    def python_program(self, *arguments, **variables):
        """Runs a module of the Python program."""
        return run([sys.executable, *arguments], env=environment(self.folder, **variables), cwd=self.folder)

    def mint_offline(self, maker, *rules):
        """A token from `magicproxy mint`, with the private key at hand."""
        allow = [part for rule in rules for part in ("--allow", rule)]
        place = ["--keys", self.keys(maker), "--api-root", self.upstream.url]
        return self.ok("mint", *place, *allow, "--credential-file", "-", stdin=CREDENTIAL)

    # --- files

    @functools.cached_property
    def scopes_file(self):
        return self.file("scopes.json", json.dumps({"scopes": SCOPES}))

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path


@contextlib.contextmanager
def open_house(binary):
    """The house, torn down at the end."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="magicproxy-interop-")))
        upstream = stack.enter_context(Upstream(CREDENTIAL))
        yield House(binary, folder, upstream, stack, {})
