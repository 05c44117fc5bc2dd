"""Libraries that speak git by themselves: pygit2, which is libgit2, and dulwich, which is Python alone.

Each clones, pushes an allowed branch, and is told of each reference why it was refused.
"""

import io

import dulwich.client
import dulwich.porcelain
import pygit2
from harness.cases import Cases, equal, holds
from matrix import Row, pip
from topics.git import guarded

SCENARIOS = "clone; push of an allowed branch; refused: another branch, two at once, a deletion, a rewritten branch"
PYGIT2 = Row("pygit2", pip("pygit2"), "git http-backend", SCENARIOS)
DULWICH = Row("dulwich", pip("dulwich"), "git http-backend", SCENARIOS)
ROWS = [PYGIT2, DULWICH]
CASES = Cases(PYGIT2)

ALLOWED, DENIED = "refs/heads/agent/x", "refs/heads/main"


@CASES.case("pygit2 pushes what it may, and hears why it may not push the rest", row=PYGIT2)
def with_pygit2(stage):
    pushes_and_is_refused(stage, Pygit2)


@CASES.case("dulwich pushes what it may, and hears why it may not push the rest", row=DULWICH)
def with_dulwich(stage):
    pushes_and_is_refused(stage, Dulwich)


def pushes_and_is_refused(stage, library):
    name = f"library-{library.__name__.lower()}"
    repository = stage.github.new_repository(name)
    at_first = references(stage, repository)
    token = stage.github.git_token(*rules(name))
    with guarded(stage, token):
        client = library(stage, f"{stage.github.git_url}/acme/{name}.git", token)
        equal((client.folder / "README").read_text(), "hello\n", "what was cloned")
        first = client.commit("first")
        equal(client.push((first, ALLOWED)), {ALLOWED: None}, "an allowed branch")
        second = client.commit("second")
        equal(client.push((second, ALLOWED)), {ALLOWED: None}, "an allowed branch, moved forward")
    pushed = {**at_first, ALLOWED: second}
    equal(references(stage, repository), pushed, "references at the server")
    with guarded(stage, token) as requests:
        refused(client.push((second, DENIED)), {DENIED: "not allowed"})
        refused(client.push((second, "refs/heads/agent/y"), (second, DENIED)), {"refs/heads/agent/y": "not attempted", DENIED: "not allowed"})
        refused(client.push((None, ALLOWED)), {ALLOWED: "may not be deleted"})
        refused(client.push((client.commit("another", parent=first), f"+{ALLOWED}")), {ALLOWED: "not a proved fast-forward"})
    equal([line for line, headers in requests if line.startswith("POST") and headers["Content-Length"] != "4"], [], "pushes at the server")
    equal(references(stage, repository), pushed, "references at the server")


def rules(name):
    place = f"/acme/{name}"
    return [{"git": "fetch", "repository": place}, {"git": "push", "repository": place, "refs": {"glob": "refs/heads/agent/*"}, "create": True}]


def refused(told, expected):
    """What a client was told of each reference has these words, and says who refused."""
    equal(set(told), set(expected), f"references of which something was told: {told}")
    for name, words in expected.items():
        holds(words in (told[name] or ""), f"what was told of {name}: {told[name]!r}, expected {words!r}")


def references(stage, repository):
    """The ids of the references of a bare repository, by name."""
    listed = stage.run(["git", "for-each-ref", "--format=%(refname) %(objectname)"], cwd=repository)
    return dict(line.split() for line in listed.stdout.splitlines())


class Pygit2:
    def __init__(self, stage, url, token):
        self.folder = stage.new_folder("pygit2") / "clone"
        self.token = token
        self.repository = pygit2.clone_repository(url, str(self.folder), callbacks=self._callbacks())

    def _callbacks(self):
        return pygit2.RemoteCallbacks(credentials=pygit2.UserPass("any", self.token))

    def commit(self, message, parent=None):
        """A commit on top of the last one, or of `parent`; its id."""
        who = pygit2.Signature("nobody", "nobody@example.org")
        tree = self.repository.head.peel(pygit2.Commit).tree.id
        made = self.repository.create_commit(None, who, who, message, tree, [parent or self.repository.head.target])
        if parent is None:
            self.repository.set_head(made)
        return str(made)

    def push(self, *updates):
        """Pushes pairs of an id and a name; gives what was told of each name, `None` for success."""
        told, callbacks = {}, self._callbacks()
        callbacks.push_update_reference = lambda name, message: told.update({name: message})
        specs = []
        for number, (made, name) in enumerate(updates):
            source = ""
            if made is not None:
                source = f"refs/pushed/{number}"
                self.repository.references.create(source, made, force=True)
            specs.append(f"{'+' if name.startswith('+') else ''}{source}:{name.removeprefix('+')}")
        self.repository.remotes["origin"].push(specs, callbacks=callbacks)
        return told


class Dulwich:
    def __init__(self, stage, url, token):
        self.folder = stage.new_folder("dulwich") / "clone"
        self.url, self.token = url, token
        self.repository = dulwich.porcelain.clone(url, str(self.folder), username="any", password=token, errstream=io.BytesIO())
        stage.stack.callback(self.repository.close)

    def commit(self, message, parent=None):
        who = b"nobody <nobody@example.org>"
        parents = None if parent is None else {"ref": None, "merge_heads": [parent.encode()]}
        made = self.repository.get_worktree().commit(message=message.encode(), committer=who, author=who, **(parents or {}))
        return made.decode()

    def push(self, *updates):
        client, path = dulwich.client.get_transport_and_path(self.url, username="any", password=self.token)
        names = {name.removeprefix("+").encode(): made.encode() if made else b"0" * 40 for made, name in updates}
        pack = self.repository.object_store.generate_pack_data
        result = client.send_pack(path, lambda _: names, pack)
        told = {name.decode(): reason for name, reason in (result.ref_status or {}).items()}
        return {name.decode(): told.get(name.decode()) for name in names}
