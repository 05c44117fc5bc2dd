"""Our GitHub, git's own server beside it, and the proxy before both: at mounts, on a Unix socket, and with TLS at a host of its own."""

import dataclasses
import functools
import os
import pathlib
import shutil
import sys
import typing

import recipes
from git_stage import new_repository
from harness.exchange import mint
from upstreams import github_graphql, loopback
from upstreams.git import GitServer, basic
from upstreams.github import GitHub

HERE = pathlib.Path(__file__).resolve().parent

_SETTINGS = """
listen = "127.0.0.1:0"

[upstreams.github]
api_root = "{api}"
paths = {{ "/api/uploads" = "{uploads}" }}

[upstreams.github-git]
api_root = "{git}"

[[listeners]]
listen = "unix:{socket}"
upstream = "github"
"""


_SETTINGS_TLS = """
listen = "{host}:443"
public_access = "https://{host}"
tls = {{ dev = true }}

[upstreams.github]
api_root = "{api}"
paths = {{ "/api/uploads" = "{uploads}" }}
hosts = ["{host}"]
"""


@dataclasses.dataclass
class GitHubStage:
    #: The stage that this one is part of.
    stage: typing.Any
    credential: str

    @functools.cached_property
    def api(self):
        return self.stage.stack.enter_context(GitHub(self.credential, github_graphql.answer))

    @functools.cached_property
    def git(self):
        """git's server; it has no repositories yet."""
        root = self.stage.folder / "served"
        root.mkdir()
        server = GitServer(root, basic("x-access-token", self.credential))
        self.stage.stack.callback(server.stop)
        return server

    @property
    def socket(self):
        """The proxy's Unix socket, once the proxy runs."""
        return self.stage.folder / "gh.sock"

    @functools.cached_property
    def proxy(self):
        """The root of the proxy."""
        text = _SETTINGS.format(api=self.api.url, uploads=self.api.uploads.url, git=self.git.url, socket=self.socket)
        settings = self.stage.file("github.toml", text)
        return self.stage.server("proxy-github", [self.stage.binary, "serve", "--config", settings, "--keys", self.stage.keys])

    @functools.cached_property
    def tls(self):
        """The same at a host of its own, at port 443 with TLS: the host, and the file with the authority of its certificate."""
        host = loopback.address(443)
        text = _SETTINGS_TLS.format(api=self.api.url, uploads=self.api.uploads.url, host=host)
        settings = self.stage.file("github-tls.toml", text)
        command = [self.stage.binary, "serve", "--config", settings, "--keys", self.stage.keys]
        self.stage.server("proxy-github-tls", command, address=(host, 443))
        return host, self.stage.keys / "dev-ca.pem"

    @functools.cached_property
    def behind_prism(self):
        """Another GitHub, whose URLs name the prism before it, and the API at a proxy before prism."""
        api = self.stage.stack.enter_context(GitHub(self.credential, github_graphql.answer))
        program = self.stage.node_folder / "node_modules/@stoplight/prism-cli/dist/index.js"
        arguments = ["proxy", "--errors", "-h", "127.0.0.1", "-p", "0", HERE / "openapi/github.json", api.url]
        api.url = self.stage.server("prism", ["node", program, *arguments])
        settings = self.stage.file("prism.toml", f'listen = "127.0.0.1:0"\n[upstreams.github]\napi_root = "{api.url}"\n')
        proxy = self.stage.server("proxy-prism", [self.stage.binary, "serve", "--config", settings, "--keys", self.stage.keys])
        return api, f"{proxy}/github"

    @property
    def url(self):
        """The API at the proxy."""
        return f"{self.proxy}/github"

    @property
    def git_url(self):
        """The repositories at the proxy."""
        return f"{self.proxy}/github-git"

    def token(self, *rules):
        return mint(self.url, token=self.credential, allowed=list(rules))

    def git_token(self, *rules):
        return mint(self.git_url, token=self.credential, allowed=list(rules))

    def new_repository(self, name):
        """A bare repository at git's server, `/acme/NAME.git`, with one commit; gives its path on disk.

        It replaces one of that name: topics do not know of each other's.
        """
        work = self.stage.new_folder(f"seed-{name}")
        path = self.git.root / f"acme/{name}.git"
        shutil.rmtree(path, ignore_errors=True)
        new_repository(self.stage, path, work)
        return path

    # --- recipes

    def follow(self, page, upstream="github", **variables):
        """Follows a recipe, of which all that arrives comes through the proxy; gives that."""
        file = self.stage.folder / f"{page}.token"
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        self.stage.node_packages_for_recipes()
        known = {"PROXY": f"{self.proxy}/{upstream}", "SOCKET": self.socket, "GITHUB_TOKEN": self.credential, "TOKEN_FILE": file}
        with self.api.only_through_proxy(file.read_text) as arrived:
            recipes.follow(self.stage, page, **known, PATH=path, GIT_CONFIG_NOSYSTEM=1, **variables)
        return arrived
