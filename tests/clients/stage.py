"""What the client cases work with: the proxy in front of one API or another, and a place for files.

Everything is started when it is first asked for, and only once.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import tempfile

from dns_stage import DnsStage
from forge_stage import ForgeStage
from github_stage import GitHubStage
from harness.exchange import ask, mint
from harness.process import Server, environment, run
from harness.upstream import Upstream
from llm_stage import LlmStage

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

CREDENTIAL = "ghp_theRealCredential0123456789abcdef"

#: The credential in the recordings of `@octokit/fixtures`.
RECORDED_CREDENTIAL = "0" * 39 + "1"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A recorded exchange with GitHub, to be replayed once and in order, behind the proxy."""

    #: Where clients find the API: at the proxy.
    url: str
    #: The path of the API, which the rules of its tokens begin with.
    path: str


@dataclasses.dataclass
class Stage(ForgeStage):
    binary: pathlib.Path
    folder: pathlib.Path
    upstream: Upstream
    stack: contextlib.ExitStack

    credential = CREDENTIAL

    # --- proxies

    @functools.cached_property
    def proxy(self):
        """The proxy in front of an API that records."""
        return self.proxy_for("plain", self.upstream.url)

    def proxy_for(self, name, api_root):
        return self.server(f"proxy-{name}", [self.binary, "serve", "--listen", "127.0.0.1:0", "--api-root", api_root, "--keys", self.keys])

    @functools.cached_property
    def keys(self):
        folder = self.folder / "keys"
        done = self.run([self.binary, "keys", "generate", "--keys", folder])
        if done.returncode != 0:
            raise AssertionError(f"no keys: {done.stderr}")
        return folder

    def token(self, *rules):
        """A token for the recording API."""
        return mint(self.proxy, token=CREDENTIAL, allowed=list(rules))

    # --- GitHub, as we have it answer

    @functools.cached_property
    def github(self):
        return GitHubStage(self, CREDENTIAL)

    # --- GitHub, as it was recorded

    @functools.cached_property
    def fixtures(self):
        """`@octokit/fixtures-server`, and the proxy before it.

        Its recordings name `https://api.github.com`, and it writes its own URL instead, into bodies, `Link` and `Location`, as GitHub does.
        """
        api = self.server("fixtures", ["node", self.node_folder / "fixtures.mjs"])
        settings = self.file("fixtures.toml", f'listen = "127.0.0.1:0"\n[upstreams.github]\napi_root = "{api}"\n')
        proxy = self.server("proxy-fixtures", [self.binary, "serve", "--config", settings, "--keys", self.keys])
        return api, f"{proxy}/github"

    def scenario(self, name):
        api, proxy = self.fixtures
        made = ask(api, "POST", "/fixtures", headers={"Content-Type": "application/json"}, body=json.dumps({"scenario": name}))
        if made.status != 201:
            raise AssertionError(f"no scenario `{name}`: {made.status} {made.text}")
        path = made.json()["url"].removeprefix(api)
        return Scenario(proxy + path, path)

    def scenario_token(self, scenario, *rules):
        """A token for a scenario; `{api}` in a rule is the path of the API."""
        allowed = [rule.replace("{api}", scenario.path) for rule in rules]
        return mint(self.fixtures[1], token=RECORDED_CREDENTIAL, allowed=allowed)

    @functools.cached_property
    def node_folder(self):
        """Our scripts, in a folder from which the packages can be found."""
        home = pathlib.Path(os.environ.get("MAGICPROXY_NODE") or ROOT / "target/node").resolve()
        if not (home / "node_modules").is_dir():
            raise AssertionError(f"there are no Node packages in `{home}`")
        folder = self.folder / "node"
        shutil.copytree(HERE / "node", folder)
        (folder / "node_modules").symlink_to(home / "node_modules")
        return folder

    def node_packages_for_recipes(self):
        """Lets the scripts of recipes find the packages too: above the folders in which they run."""
        place = self.folder / "recipes/node_modules"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(self.node_folder / "node_modules")

    # --- DNS

    @functools.cached_property
    def dns(self):
        """Three APIs of DNS providers, a proxy before them, and ACME servers."""
        return DnsStage(self)

    # --- LLMs and GitLab

    @functools.cached_property
    def llm(self):
        """OpenAI, Anthropic and GitLab behind one proxy."""
        return LlmStage(self)

    # --- files and processes

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def new_folder(self, prefix):
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self.folder))

    def server(self, name, command, *, address=None, **variables):
        env = environment(self.folder, **variables)
        started = Server(name, command, log=self.folder / f"{name}.log", env=env, cwd=self.folder, address=address)
        self.stack.callback(started.stop)
        return started.url

    def run(self, command, *, cwd=None, stdin="", **variables):
        return run(command, env=environment(self.folder, **variables), cwd=cwd or self.folder, stdin=stdin)


@contextlib.contextmanager
def open_stage(binary):
    """The stage, torn down at the end."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="magicproxy-clients-")))
        upstream = stack.enter_context(Upstream(CREDENTIAL))
        yield Stage(binary, folder, upstream, stack)
