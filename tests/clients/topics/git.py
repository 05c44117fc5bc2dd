"""git over HTTPS' plain cousin, against git's own server program, at the mount of the preset `github-git`.

The token goes into `http.extraHeader`, as the checkout step of GitHub Actions does it, into the URL, or comes from a credential
helper. The server wants the credential as GitHub does: as the password of `x-access-token`.
"""

import contextlib
import os

from git_stage import IDENTITY, REFUSED
from harness.cases import Cases, equal, holds
from matrix import Row, says
from upstreams.git import basic

SCENARIOS = "clone, fetch, push in chunks, four ways to hand over the token, refusals"
ROWS = [Row("git", says("git", "--version", word=2), "git http-backend", SCENARIOS)]
CASES = Cases(ROWS[0])

#: No questions, and nothing of this machine's settings.
QUIETLY = {"GIT_TERMINAL_PROMPT": 0, "GIT_CONFIG_NOSYSTEM": 1}

#: How git is given its token: settings of `git -c`, and what stands before the host in the URL.
CARRIERS = {
    "http.extraHeader, Basic": lambda token: ([f"http.extraHeader=Authorization: {basic('x-access-token', token)}"], ""),
    "http.extraHeader, Bearer": lambda token: ([f"http.extraHeader=Authorization: Bearer {token}"], ""),
    "the URL": lambda token: ([], f"x-access-token:{token}@"),
    "a credential helper": lambda token: ([f"credential.helper=!f() {{ echo username=any; echo password={token}; }}; f"], ""),
}


@CASES.case("git clones, fetches and pushes, and is refused a repository that is not its own; its token comes from", over=CARRIERS)
def reads_and_writes(stage, carrier):
    name = f"carried-{list(CARRIERS).index(carrier)}"
    stage.github.new_repository(name)
    token = stage.github.git_token(*rules(name, write=True))
    settings, user = CARRIERS[carrier](token)
    with guarded(stage, token):
        work = Work(stage, name, settings, user)
        work.must("clone", work.url, "tool")
        equal((work.folder / "tool/README").read_text(), "hello\n", "what was cloned")
        commit(work, "more")
        work.must("push", "origin", "HEAD:main", tree="tool")
        work.must("clone", work.url, "second")
        commit(work, "still-more")
        work.must("push", "origin", "HEAD:main", tree="tool")
        work.must("fetch", "origin", tree="second")
        equal(work.must("show", "origin/main:still-more", tree="second").stdout, "x\n", "what was fetched")
        other = work.git("ls-remote", work.url.replace(name, "other"))
        holds(other.returncode != 0 and "403" in other.stderr, f"another repository was refused: {other.stderr}")


@CASES.case("git pushes six megabytes, in chunks")
def large_push(stage):
    repository = stage.github.new_repository("large")
    token = stage.github.git_token(*rules("large", write=True))
    settings, user = CARRIERS["a credential helper"](token)
    with guarded(stage, token) as requests:
        work = Work(stage, "large", settings, user)
        work.must("clone", work.url, "tool")
        commit(work, "noise", os.urandom(6 << 20))
        work.must("push", "origin", "HEAD:main", tree="tool")
    chunked = [line for line, headers in requests if headers.get("Transfer-Encoding") == "chunked"]
    equal(chunked, ["POST /acme/large.git/git-receive-pack"], "what came in chunks")
    listed = stage.run(["git", "ls-tree", "--name-only", "main"], cwd=repository)
    equal(listed.stdout.split(), ["README", "noise"], "what was pushed")


@CASES.case("git with a token that may read is refused a push, and shows why")
def no_push(stage):
    repository = stage.github.new_repository("read")
    token = stage.github.git_token(*rules("read"))
    settings, user = CARRIERS["http.extraHeader, Basic"](token)
    with guarded(stage, token) as requests:
        work = Work(stage, "read", settings, user)
        work.must("clone", work.url, "tool")
        commit(work, "more")
        pushed = work.git("push", "origin", "HEAD:main", tree="tool")
    holds(pushed.returncode != 0 and REFUSED in pushed.stderr, f"the push was refused: {pushed.stderr}")
    holds(not any(line.startswith("POST") and "receive-pack" in line for line, _ in requests), f"no push reached the server: {requests}")
    equal(stage.run(["git", "rev-list", "--count", "main"], cwd=repository).stdout, "1\n", "commits at the server")


@CASES.case("the recipe for git does what it says")
def recipe(stage):
    stage.github.new_repository("tool")
    with guarded(stage, (stage.folder / "git.token").read_text) as requests:
        stage.github.follow("git", "github-git")
    holds(requests, "nothing arrived")


def rules(name, write=False):
    """What a token for one repository needs. Rules look at paths, so who may read may also ask what a push would find."""
    place = f"/acme/{name}\\.git"
    read = [f"GET {place}/info/refs", f"POST {place}/git-upload-pack"]
    return [*read, f"POST {place}/git-receive-pack"] if write else read


@contextlib.contextmanager
def guarded(stage, token):
    """Inside, all that reaches git's server bears the credential, so that it came from the proxy, and never the token. Gives what arrived, at the end.

    `token` may be a function that gives it then.
    """
    server = stage.github.git
    server.take()
    everything = []
    yield everything
    token = token() if callable(token) else token
    for line, headers in server.take():
        equal(headers.get_all("Authorization"), [server.expected], f"Authorization at git's server with {line}")
        holds(token not in f"{line} {headers}", f"the magic token reached git's server with {line}")
        everything.append((line, headers))


class Work:
    """A folder of clones, and git as somebody set it up there."""

    def __init__(self, stage, name, settings, user):
        self.stage = stage
        self.folder = stage.folder / f"work-{name}"
        self.folder.mkdir()
        self.url = stage.github.git_url.replace("//", f"//{user}", 1) + f"/acme/{name}.git"
        self.settings = [part for setting in settings for part in ("-c", setting)]

    def git(self, *arguments, tree="."):
        return self.stage.run(["git", *self.settings, *IDENTITY, *arguments], cwd=self.folder / tree, **QUIETLY)

    def must(self, *arguments, tree="."):
        done = self.git(*arguments, tree=tree)
        equal(done.returncode, 0, f"exit status of git {arguments[0]} ({done.stderr.strip()[-300:]})")
        return done


def commit(work, name, content=b"x\n"):
    (work.folder / "tool" / name).write_bytes(content)
    work.must("add", "--all", tree="tool")
    work.must("commit", "--quiet", "--message", name, tree="tool")
