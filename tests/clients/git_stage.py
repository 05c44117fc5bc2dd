"""Repositories with one commit, and git's own server before them."""

from upstreams.git import GitServer

_PATH = "/acme/tool\\.git"
READ = (f"GET {_PATH}/info/refs", f"POST {_PATH}/git-upload-pack")
WRITE = (f"POST {_PATH}/git-receive-pack",)

# What git shows for a push that the token does not allow.
REFUSED = "[remote rejected] HEAD -> main (magicproxy: the token does not allow this request)"
IDENTITY = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]


def served(stage, name):
    """A proxy before git's server program, which serves a new repository."""
    work, server = repository(stage, name)
    return stage.proxy_for(f"git-{name}", server.url), work


def repository(stage, name):
    """A folder, and git's server program, which serves a new repository in it and wants the credential as `Bearer`."""
    work = stage.folder / f"git-{name}"
    work.mkdir()
    new_repository(stage, work / "served/acme/tool.git", work)
    server = GitServer(work / "served", stage.upstream.expected)
    stage.stack.callback(server.stop)
    return work, server


def new_repository(stage, path, work):
    """A bare repository with one commit, which was made in the folder `work`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done(stage.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path]))
    done(stage.run(["git", "-C", path, "config", "http.receivepack", "true"]))
    done(stage.run(["git", "init", "--quiet", "--initial-branch=main", work / "seed"]))
    (work / "seed/README").write_text("hello\n")
    commit(stage, work / "seed", "first")
    done(stage.run(["git", "push", "--quiet", path, "main"], cwd=work / "seed"))


def commit(stage, folder, message):
    done(stage.run(["git", "add", "--all"], cwd=folder))
    done(stage.run(["git", *IDENTITY, "commit", "--quiet", "--message", message], cwd=folder))


def done(process):
    if process.returncode != 0:
        raise AssertionError(f"{process.args[:3]}: {process.stderr}")
