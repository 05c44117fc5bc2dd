"""What the cases of LLM clients and of GitLab's clients work with: one proxy before three APIs, and what must hold at each of them.

Everything is started when it is first asked for, and only once.
"""

import functools
import json
import os
import pathlib
import sys
import time

import recipes
from conversation import Conversation
from harness.cases import equal, holds
from harness.exchange import ask
from harness.patience import HANGS
from harness.process import environment
from upstreams.certificate import self_signed
from upstreams.gitlab import GitLab
from upstreams.llm import Llm

HERE = pathlib.Path(__file__).resolve().parent

#: One for all three: none of them looks at its form.
CREDENTIAL = "sk-theRealCredential0123456789abcdef"

#: Where the presets send it.
CARRIERS = {
    "openai": ("Authorization", f"Bearer {CREDENTIAL}"),
    "anthropic": ("X-Api-Key", CREDENTIAL),
    "gitlab": ("PRIVATE-TOKEN", CREDENTIAL),
}

#: What the proxy says of a request that no rule allows.
REASON = "the token does not allow this request"

#: Seconds within which the proxy must have logged what it has answered.

_POLL = 0.01

_CONFIGURATION = """\
listen = "127.0.0.1:0"

[keys]
folder = "{keys}"

[timeouts]
{timeouts}

[upstreams.openai]
api_root = "{llm}"
{trust}

[upstreams.anthropic]
api_root = "{llm}"
{trust}

[upstreams.gitlab]
api_root = "{gitlab}"
"""


class LlmStage:
    def __init__(self, stage):
        self.stage = stage

    # --- behind the proxy

    @functools.cached_property
    def llm(self):
        return Llm(self.stage, CREDENTIAL)

    @functools.cached_property
    def gitlab(self):
        server = GitLab(CREDENTIAL)
        self.stage.stack.callback(server.stop)
        return server

    # --- the proxy

    @functools.cached_property
    def proxy(self):
        return self.proxy_with("proxy-llm")

    @functools.cached_property
    def impatient(self):
        """A proxy that waits a second for the head of an answer, and for its next byte."""
        return self.proxy_with("proxy-llm-impatient", response="1s", response_idle="1s")

    @functools.cached_property
    def secure(self):
        """A proxy before the LLMs as they are in earnest: with TLS and HTTP/2."""
        certificate, key = self_signed("127.0.0.1")
        file = self.stage.folder / "llm-ca.pem"
        file.write_text(certificate)
        return self.proxy_with("proxy-llm-secure", llm=self.llm.secure(certificate, key), trust=f'extra_ca_file = "{file}"\nprotocol = "h2"')

    def proxy_with(self, name, llm=None, trust="", **timeouts):
        """A proxy before all three, with these timeouts; the LLMs elsewhere if that is said, and whom to trust there."""
        file = self.stage.folder / f"{name}.toml"
        lines = "\n".join(f'{key} = "{value}"' for key, value in timeouts.items())
        roots = {"llm": llm or self.llm.url, "gitlab": self.gitlab.url}
        file.write_text(_CONFIGURATION.format(keys=self.stage.keys, timeouts=lines, trust=trust, **roots))
        return self.stage.server(name, [self.stage.binary, "serve", "--config", file])

    def token(self, upstream, *rules, credential=CREDENTIAL, proxy=None):
        """A token for one of the APIs, minted at its mount."""
        order = json.dumps({"token": credential, "allowed": list(rules)})
        headers = {"Content-Type": "application/json"}
        answer = ask(proxy or self.proxy, "POST", f"/{upstream}/__magictoken", headers=headers, body=order)
        equal(answer.status, 200, f"status of minting ({answer.text})")
        return answer.text

    def attempts(self, path):
        """How many requests for a path the proxy has answered, and whether it let them through."""
        marker = f"/marker-{os.urandom(8).hex()}"
        # What is answered before it is logged before it.
        ask(self.proxy, "GET", f"/openai{marker}")
        log = self.stage.folder / "proxy-llm.log"
        deadline = time.monotonic() + HANGS
        while marker not in (text := log.read_text("utf-8")):
            holds(time.monotonic() < deadline, "the proxy logs what it answers")
            time.sleep(_POLL)
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line["decision"] for line in lines if line.get("path") == path]

    # --- clients

    @functools.cached_property
    def python_sdks(self):
        return self.conversation("python-sdks", [sys.executable, HERE / "python/llm_sdks.py"])

    @functools.cached_property
    def node_sdks(self):
        return self.conversation("node-sdks", ["node", self.stage.node_folder / "llm.mjs"])

    @functools.cached_property
    def gitbeaker(self):
        return self.conversation("gitbeaker", ["node", self.stage.node_folder / "gitbeaker.mjs"])

    def conversation(self, name, command):
        """A program of ours that makes calls with clients, without anything of the caller's environment."""
        folder = self.stage.folder
        started = Conversation(command, log=folder / f"{name}.log", env=environment(folder), cwd=folder)
        self.stage.stack.callback(started.stop)
        return started

    def follow(self, page, upstream, **variables):
        """Follows a recipe through the proxy, and gives the token that it minted."""
        file = self.stage.folder / f"{page}.token"
        recipes.follow(self.stage, page, PROXY=f"{self.proxy}/{upstream}", TOKEN_FILE=file, PATH=self._path, **variables)
        return file.read_text()

    @functools.cached_property
    def _path(self):
        """The path by which recipes find this Python; Node looks for packages in every folder above them."""
        self.stage.node_packages_for_recipes()
        return f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def carried(arrived, upstream, token):
    """Each request has the credential where its preset says, and there alone; of the magic token there is nothing.

    No client knows the credential. So what bears it came through the proxy.
    """
    name, value = CARRIERS[upstream]
    for request in arrived:
        equal(request.values(name), [value], f"{name} of {request.method} {request.target}")
        others = [pair for pair in request.headers if pair != _pair(request, name)]
        holds(CREDENTIAL not in repr((request.target, others, request.body)), f"the credential is elsewhere too: {others}")
        holds(token not in repr(request), "the magic token reached the API")


def _pair(request, name):
    return next(pair for pair in request.headers if pair[0].lower() == name.lower())
