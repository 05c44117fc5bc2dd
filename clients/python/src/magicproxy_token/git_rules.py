"""Rules for git, as far as they can be checked without the proxy: git.md section 1. The proxy decides
about the template of the repository and the syntax of patterns.
"""

import re

#: The members beside `git` and `repository`, each with the rule that they are for.
_OWNERS = {
    "refs": "push",
    "create": "push",
    "delete": "push",
    "force": "push",
    "options": "push",
    "max_commands": "push",
    "operations": "lfs",
    "locks": "lfs",
}
_WORDS = {"glob", "pattern"}


class GitReader:
    """The reader of a rule for git; `reader` is the one for conditions, which reads tests."""

    def __init__(self, reader):
        self.reader = reader

    def rule(self, rule):
        kind = rule["git"]
        if kind in ("clone", "pull", "read"):
            self.at("git", f'`{kind}` is not known here; write "fetch", which is for clones, too')
        if kind not in ("push", "fetch", "lfs"):
            self.at("git", 'expected "push", "fetch" or "lfs"')
        for name, owner in _OWNERS.items():
            if name in rule and owner != kind:
                self.at(name, f"this member is for `{owner}`")
        if kind == "push":
            self.push(rule)
        if kind == "lfs":
            self.operations(rule)
        if "limit" in rule and kind != "push":
            self.at("limit", "`limit` is for `push`: it counts pushes")
        self.repository(rule["repository"])

    def at(self, name, message):
        self.reader.at(name, self.reader.fail, message)

    def push(self, rule):
        if "refs" not in rule:
            self.at("refs", 'it is missing: write the references that may be moved, such as {"glob": "refs/heads/agent/*"}')
        self.reader.at("refs", self.texts, rule["refs"])
        self.reader.at("refs", self.names, rule["refs"])
        if "options" in rule:
            self.reader.at("options", self.texts, rule["options"])
        if not 1 <= rule.get("max_commands", 1) <= 1000:
            self.at("max_commands", "expected 1 to 1000")

    def texts(self, value):
        """Checks a test of texts alone."""
        self.reader.value(value, "captures")
        values = value if isinstance(value, list) else [value]
        is_right = value.keys() <= _WORDS if isinstance(value, dict) else all(isinstance(one, str) for one in values)
        if not is_right:
            self.reader.fail("expected a text, a list of texts, {}, or an object with `glob` or `pattern`")

    def names(self, value):
        """Checks that texts and globs are for full names of references."""
        if isinstance(value, dict):
            globs = value.get("glob", [])
            for glob in globs if isinstance(globs, list) else [globs]:
                if not glob.startswith("refs/"):
                    self.reader.fail(f"a reference is written in full: write `{_in_full(glob)}`")
            return
        for name in value if isinstance(value, list) else [value]:
            self.name(name)

    def name(self, name):
        if _is_ref_name(name):
            return
        full = _in_full(name)
        if "*" in name:
            self.reader.fail(f'`*` means nothing in a name: write {{"glob": "{full}"}}')
        if _is_ref_name(full):
            self.reader.fail(f"a reference is written in full: write `{full}`")
        self.reader.fail(f"`{name}` is no name that git allows for a reference")

    def operations(self, rule):
        operations = rule.get("operations")
        if operations is None:
            if rule.get("locks") is not True:
                self.at("operations", 'a rule for LFS needs `operations`, `"locks": true`, or both')
            return
        listed = operations if isinstance(operations, list) else [operations]
        if not listed or not set(listed) <= {"download", "upload"}:
            self.at("operations", 'expected "download", "upload", or a list of both')

    def repository(self, repository):
        if repository == "" or repository == "/":
            self.at("repository", "expected the path of a repository such as `/acme/site`")
        if not repository.startswith("/"):
            self.at("repository", "path must start with `/`")
        if repository.endswith("/"):
            self.at("repository", f"write it without `/` at its end: `{repository.rstrip('/')}`")
        if repository.endswith(".git"):
            bare = repository.removesuffix(".git")
            self.at("repository", f"write it without `.git`, which the rule takes as well: `{bare}`")


def _in_full(name):
    """Returns the full name that a short one probably stands for."""
    name = name.lstrip("/")
    if name.startswith("refs/"):
        return name
    return f"refs/{name}" if name.startswith(("heads/", "tags/")) else f"refs/heads/{name}"


def _is_ref_name(name):
    """True for a full name that `git check-ref-format` allows."""
    parts = name.split("/")
    if not name.startswith("refs/") or name.endswith(".") or ".." in name or "@{" in name:
        return False
    if re.search(r"[\x00-\x20\x7f~^:?*\[\\]", name):
        return False
    return all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
