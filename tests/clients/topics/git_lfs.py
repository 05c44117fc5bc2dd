"""git-lfs, against git's own server with the LFS of three kinds of forge: objects at the forge's own URLs with a key of the forge's
own, the same with the credential repeated, and signed URLs of another origin.
"""

import json

import debian
from git_stage import IDENTITY
from harness.cases import Cases, equal, holds
from harness.exchange import ask
from matrix import Row
from topics.git import CARRIERS, QUIETLY
from upstreams.forge import FORGE_KEY, LFS

SCENARIOS = "push, clone, fetch, locks, four ways to hand over the token, refusals; objects at the forge and at another origin"
ROWS = [Row("git-lfs", lambda stage: debian.version("git-lfs"), "git http-backend, LFS as of GitLab, Gitea, GitHub", SCENARIOS)]
CASES = Cases(ROWS[0])

KINDS = ("GitLab", "Gitea", "GitHub")
CONTENT = b"large file content\n" * 5_000


@CASES.case("git-lfs pushes an object and clones it elsewhere, with the objects of", over=KINDS)
def there_and_back(stage, kind):
    work = Work(stage, kind, "there")
    work.new_object()
    work.must("push", "origin", "HEAD:main", tree="tool")
    work.must("clone", work.url, "second")
    equal((work.folder / "second/large.bin").read_bytes(), CONTENT, "what was cloned")
    work.guarded()


@CASES.case("git-lfs takes its token from", over=CARRIERS)
def carried(stage, carrier):
    for kind in KINDS:
        work = Work(stage, kind, f"carried-{list(CARRIERS).index(carrier)}", carrier)
        work.new_object(carrier.encode())
        work.must("push", "origin", "HEAD:main", tree="tool")
        work.must("clone", work.url, "second")
        equal((work.folder / "second/large.bin").read_bytes(), carrier.encode(), f"what was cloned of {kind}")
        work.guarded()


@CASES.case("git-lfs locks, lists and unlocks, with", over=KINDS)
def locks(stage, kind):
    work = Work(stage, kind, "locked")
    work.new_object()
    work.must("lfs", "lock", "large.bin", tree="tool")
    holds("large.bin" in work.must("lfs", "locks", tree="tool").stdout, "the lock is listed")
    work.must("push", "origin", "HEAD:main", tree="tool")
    work.must("lfs", "unlock", "large.bin", tree="tool")
    equal(work.must("lfs", "locks", tree="tool").stdout, "", "locks that are left")
    work.guarded()


@CASES.case("git-lfs with a token that may read fetches, and its upload is refused, with", over=("GitLab", "Gitea"))
def no_upload(stage, kind):
    writer = Work(stage, kind, "read")
    writer.new_object()
    writer.must("push", "origin", "HEAD:main", tree="tool")
    reader = Work(stage, kind, "read", write=False, new=False)
    reader.must("clone", reader.url, "tool")
    equal((reader.folder / "tool/large.bin").read_bytes(), CONTENT, "what was cloned")
    known = set(stage.forges[kind].objects)
    (reader.folder / "tool/large.bin").write_bytes(b"another")
    reader.must("commit", "--all", "--quiet", "--message", "another", tree="tool")
    pushed = reader.git("lfs", "push", "origin", "--all", tree="tool")
    # git-lfs has words of its own for a 403.
    holds(pushed.returncode != 0 and "Authorization error" in pushed.stderr, f"the upload was refused: {pushed.stderr}")
    equal(set(stage.forges[kind].objects), known, "objects at the forge")
    reader.guarded()


def _batch_condition(path):
    return {"method": "POST", "route": f"{path}.git/info/lfs/objects/batch", "json": {"operation": "download", "*": {}}}


#: How a token is confined to downloads, given the repository's path.
DOWNLOADS = {
    "a rule for LFS": lambda path: [{"git": "lfs", "repository": path, "operations": "download"}],
    "a condition on the batch": lambda path: [_batch_condition(path), f"GET {path}[.]git/(info/lfs|gitlab-lfs)/objects/[0-9a-f]{{64}}"],
}


@CASES.case("git-lfs with a token that may download fetches, and is refused uploads and locks with every forge, by", over=DOWNLOADS)
def downloads_only(stage, form):
    for kind in KINDS:
        name = f"downloads-{list(DOWNLOADS).index(form)}"
        writer = Work(stage, kind, name)
        writer.new_object()
        writer.must("push", "origin", "HEAD:main", tree="tool")
        path = f"/acme/{name}"
        reader = Work(stage, kind, name, new=False, rules=[*git_rules(name), *DOWNLOADS[form](path)])
        reader.must("clone", reader.url, "tool")
        equal((reader.folder / "tool/large.bin").read_bytes(), CONTENT, "what was cloned")
        (reader.folder / "tool/large.bin").write_bytes(b"another")
        reader.must("commit", "--all", "--quiet", "--message", "another", tree="tool")
        known = reader.objects()
        reader.forge.take()
        refused(reader.git("push", "origin", "HEAD:main", tree="tool"))
        refused(reader.git("lfs", "push", "origin", "--all", tree="tool"))
        refused(reader.git("lfs", "lock", "large.bin", tree="tool"))
        arrived = [line for line, _ in reader.forge.take()]
        equal([line for line in arrived if "info/lfs" in line or line.startswith("PUT")], [], f"what reached {kind}")
        equal(reader.objects(), known, f"objects of {kind}")


def refused(process):
    words = "magicproxy: the token does not allow this request"
    holds(process.returncode != 0 and words in process.stderr, f"{process.args[-4:]} was refused: {process.stderr}")


@CASES.case("git-lfs finds the proxy under GitHub's own name, by `magicproxy run`")
def run(stage):
    work = Work(stage, "GitHub", "run")
    work.new_object()
    work.must("push", "origin", "HEAD:main", tree="tool")
    file = stage.file("lfs-run.token", work.token)
    command = [stage.binary, "run", "--upstream", "github-git", "--proxy", stage.forge_url("GitHub"), "--token-file", file, "--"]
    cloned = stage.run([*command, "git", "clone", "https://github.com/acme/run.git", "third"], cwd=work.folder, **work.variables())
    equal(cloned.returncode, 0, f"exit status ({cloned.stderr})")
    equal((work.folder / "third/large.bin").read_bytes(), CONTENT, "what was cloned")
    work.guarded()


@CASES.case("no key of the forge's is told to the client, by", over=KINDS)
def no_key(stage, kind):
    work = Work(stage, kind, "keyless")
    work.new_object()
    work.must("push", "origin", "HEAD:main", tree="tool")
    place = stage.forges[kind].store if kind == "GitHub" else stage.forges[kind]
    asked = json.dumps({"operation": "download", "objects": [{"oid": oid, "size": len(content)} for oid, content in place.objects.items()]})
    target = stage.forge_url(kind).removeprefix(stage.forge_proxy) + "/acme/keyless.git/info/lfs/objects/batch"
    answer = ask(stage.forge_proxy, "POST", target, token=work.token, headers={"Accept": LFS, "Content-Type": LFS}, body=asked)
    equal(answer.status, 200, "status")
    (first, *_) = answer.json()["objects"]
    action = first["actions"]["download"]
    holds(FORGE_KEY not in answer.text and stage.forges[kind].expected not in answer.text, answer.text)
    if kind == "GitHub":
        equal(action["href"], stage.forges[kind].store.signed(first["oid"]), "the signed URL")
        equal(action["header"], {"X-Store-Key": place.key}, "its fields")
    else:
        holds(action["href"].startswith(f"{stage.forge_url(kind)}/acme/keyless.git/"), action["href"])
        equal(action["header"], {"Authorization": f"Bearer {work.token}"}, "its fields")


@CASES.case("the recipe for git-lfs does what it says")
def recipe(stage):
    stage.follow_lfs()


def usual_rules(name, write):
    """What a token for one repository needs, whatever the forge is."""
    place = f"/acme/{name}\\.git"
    objects = "(info/lfs|gitlab-lfs)/objects/[0-9a-f]{64}"
    read = [f"GET {place}/info/refs", f"POST {place}/git-upload-pack", f"POST {place}/info/lfs/objects/batch", f"GET {place}/{objects}"]
    more = [f"POST {place}/git-receive-pack", f"PUT {place}/{objects}/[0-9]+", f"POST {place}/info/lfs/verify"]
    locked = [f"GET {place}/info/lfs/locks", f"POST {place}/info/lfs/locks(/verify|/[0-9]+/unlock)?"]
    return [*read, *more, *locked] if write else [*read, f"POST {place}/info/lfs/locks/verify"]


def git_rules(name):
    """What a token for the branches of one repository needs, without its objects."""
    path = f"/acme/{name}\\.git"
    return [f"GET {path}/info/refs", f"POST {path}/git-(upload|receive)-pack"]


class Work:
    """A repository at a forge, and a folder of clones with git as somebody set it up there."""

    def __init__(self, stage, kind, name, carrier="a credential helper", write=True, new=True, rules=None):
        self.stage, self.forge = stage, stage.forges[kind]
        self.folder = stage.new_folder(f"lfs-{kind}-{name}")
        if new:
            stage.new_forge_repository(kind, name)
        self.token = stage.forge_token(kind, *(usual_rules(name, write) if rules is None else rules))
        settings, user = CARRIERS[carrier](self.token)
        # For the proxy only: what holds for every URL would go to the store, too.
        settings = [setting.replace("http.", f"http.{stage.forge_proxy}/.", 1) for setting in settings]
        self.url = stage.forge_url(kind).replace("//", f"//{user}", 1) + f"/acme/{name}.git"
        self.settings = [part for setting in settings for part in ("-c", setting)]
        self.forge.take()
        self.forge.store.arrived.clear()
        self.must("lfs", "install", "--skip-repo")

    def variables(self):
        return {**QUIETLY, "PATH": debian.path(), "GIT_CONFIG_GLOBAL": self.folder / "gitconfig"}

    def new_object(self, content=CONTENT):
        """Commits a file that LFS keeps."""
        self.must("clone", self.url, "tool")
        self.must("lfs", "track", "*.bin", tree="tool")
        (self.folder / "tool/large.bin").write_bytes(content)
        self.must("add", "--all", tree="tool")
        self.must("commit", "--quiet", "--message", "large", tree="tool")

    def objects(self):
        """The names of the objects that are kept, wherever the forge keeps them."""
        return set(self.forge.store.objects) | set(self.forge.objects)

    def git(self, *arguments, tree="."):
        return self.stage.run(["git", *self.settings, *IDENTITY, *arguments], cwd=self.folder / tree, **self.variables())

    def must(self, *arguments, tree="."):
        done = self.git(*arguments, tree=tree)
        equal(done.returncode, 0, f"exit status of git {' '.join(arguments[:2])} ({done.stderr.strip()[-400:]})")
        return done

    def guarded(self):
        """All that reached the forge came from the proxy; what went elsewhere bore no token."""
        arrived = self.forge.take()
        holds(any("/objects/" in line for line, _ in arrived), "objects were asked for")
        for line, headers in arrived:
            equal(headers.get_all("Authorization"), [self.forge.expected], f"Authorization at the forge with {line}")
            holds(self.token not in f"{line} {headers}", f"the magic token reached the forge with {line}")
        for line, headers in self.forge.store.arrived:
            holds(self.token not in f"{line} {headers}", f"the magic token reached the store with {line}")
