"""Forges with Git LFS, each at a mount of one proxy."""

import functools
import os

import debian
import recipes
from git_stage import new_repository
from harness.exchange import mint
from upstreams.forge import Forge, Store
from upstreams.git import basic

#: By kind, the name of the upstream, and the user beside the credential.
_KINDS = {"GitLab": ("gitlab-git", "oauth2"), "Gitea": ("gitea", "oauth2"), "GitHub": ("github-git", "x-access-token")}

_UPSTREAM = """
[upstreams.{name}]
api_root = "{url}"
credential = "basic:{user}"
"""


class ForgeStage:
    """What a stage has of forges; it is mixed into one."""

    @functools.cached_property
    def forges(self):
        """By kind."""
        store = Store()
        self.stack.callback(store.stop)
        forges = {}
        for kind, (_, user) in _KINDS.items():
            root = self.folder / f"forge-{kind}"
            root.mkdir()
            forges[kind] = Forge(root, basic(user, self.credential), kind, store)
            self.stack.callback(forges[kind].stop)
        return forges

    @functools.cached_property
    def forge_proxy(self):
        """The proxy before all of them."""
        upstreams = "".join(_UPSTREAM.format(name=name, user=user, url=self.forges[kind].url) for kind, (name, user) in _KINDS.items())
        settings = self.file("forges.toml", f'listen = "127.0.0.1:0"\n{upstreams}')
        return self.server("proxy-forges", [self.binary, "serve", "--config", settings, "--keys", self.keys])

    def forge_url(self, kind):
        """A forge at the proxy."""
        return f"{self.forge_proxy}/{_KINDS[kind][0]}"

    def forge_token(self, kind, *rules):
        return mint(self.forge_url(kind), token=self.credential, allowed=list(rules))

    def new_forge_repository(self, kind, name):
        """A bare repository `/acme/NAME.git` with one commit, and no objects at the forge."""
        forge = self.forges[kind]
        new_repository(self, forge.root / f"acme/{name}.git", self.new_folder(f"seed-{kind}-{name}"))
        forge.objects.clear()
        forge.store.objects.clear()
        forge.locks.clear()

    def follow_lfs(self):
        """Follows the recipe for git-lfs, against GitLab."""
        self.new_forge_repository("GitLab", "tool")
        variables = {"GITLAB_TOKEN": self.credential, "TOKEN_FILE": self.folder / "lfs.token", "PROXY": self.forge_url("GitLab")}
        path = os.pathsep.join([os.environ["PATH"], debian.path()])
        recipes.follow(self, "git-lfs", **variables, PATH=path, GIT_CONFIG_NOSYSTEM=1, GIT_TERMINAL_PROMPT=0)
