"""git over HTTPS' plain cousin, against git's own server program.

The token goes into `http.extraHeader`, as the checkout step of GitHub Actions does it, or into the URL.
"""

import base64
import http.server
import os
import subprocess
import threading

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from matrix import Row, says
from stage import CREDENTIAL

ROWS = [Row("git", says("git", "--version", word=2), "git http-backend", "clone, push in chunks, refusal")]
CASES = Cases(ROWS[0])

REPOSITORY = "/acme/tool\\.git"
READ = (f"GET {REPOSITORY}/info/refs", f"POST {REPOSITORY}/git-upload-pack")
WRITE = (f"POST {REPOSITORY}/git-receive-pack",)

#: No questions, and nothing of this machine's settings.
QUIETLY = {"GIT_TERMINAL_PROMPT": 0, "GIT_CONFIG_NOSYSTEM": 1}


@CASES.case("git clones with a token that may read, and is refused a push")
def clone_and_no_push(stage):
    proxy, work = served(stage, "read")
    token = mint(proxy, token=CREDENTIAL, allowed=list(READ))
    equal(git(stage, token, "clone", f"{proxy}/acme/tool.git", "tool", cwd=work).returncode, 0, "exit status of clone")
    equal((work / "tool/README").read_text(), "hello\n", "what was cloned")
    (work / "tool/more").write_text("more\n")
    commit(stage, work / "tool", "more")
    pushed = git(stage, token, "push", "origin", "HEAD:main", cwd=work / "tool")
    holds(pushed.returncode != 0 and "403" in pushed.stderr, f"the push was refused: {pushed.stderr}")


@CASES.case("git pushes two megabytes, in chunks, with a token that may write")
def push(stage):
    proxy, work = served(stage, "write")
    token = mint(proxy, token=CREDENTIAL, allowed=[*READ, *WRITE])
    equal(git(stage, token, "clone", f"{proxy}/acme/tool.git", "tool", cwd=work).returncode, 0, "exit status of clone")
    (work / "tool/large").write_bytes(os.urandom(2 << 20))
    commit(stage, work / "tool", "large")
    pushed = git(stage, token, "push", "origin", "HEAD:main", cwd=work / "tool")
    equal(pushed.returncode, 0, f"exit status of push: {pushed.stderr}")
    listed = stage.run(["git", "ls-tree", "--name-only", "main"], cwd=work / "served/acme/tool.git")
    equal(listed.stdout.split(), ["README", "large"], "what was pushed")


@CASES.case("git clones with the token in the URL, which it sends only when it is asked for a password")
def token_in_url(stage):
    proxy, work = served(stage, "url")
    token = mint(proxy, token=CREDENTIAL, allowed=list(READ))
    url = proxy.replace("//", f"//x-access-token:{token}@") + "/acme/tool.git"
    cloned = stage.run(["git", "clone", url, "tool"], cwd=work, **QUIETLY)
    equal(cloned.returncode, 0, f"exit status of clone: {cloned.stderr}")
    equal((work / "tool/README").read_text(), "hello\n", "what was cloned")


def served(stage, name):
    """A proxy before git's server program, which serves a new repository."""
    work, server = repository(stage, name)
    return stage.proxy_for(f"git-{name}", server.url), work


def repository(stage, name):
    """A folder, and git's server program, which serves a new repository in it."""
    work = stage.folder / f"git-{name}"
    repository = work / "served/acme/tool.git"
    repository.mkdir(parents=True)
    done(stage.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", repository]))
    done(stage.run(["git", "-C", repository, "config", "http.receivepack", "true"]))
    done(stage.run(["git", "init", "--quiet", "--initial-branch=main", work / "seed"]))
    (work / "seed/README").write_text("hello\n")
    commit(stage, work / "seed", "first")
    done(stage.run(["git", "push", "--quiet", repository, "main"], cwd=work / "seed"))
    server = GitServer(work / "served")
    stage.stack.callback(server.stop)
    return work, server


def commit(stage, folder, message):
    done(stage.run(["git", "add", "--all"], cwd=folder))
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    done(stage.run(["git", *identity, "commit", "--quiet", "--message", message], cwd=folder))


def git(stage, token, *arguments, cwd):
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    settings = ["-c", f"http.extraHeader=Authorization: Basic {basic}"]
    return stage.run(["git", *settings, *arguments], cwd=cwd, **QUIETLY)


def done(process):
    if process.returncode != 0:
        raise AssertionError(f"{process.args[:3]}: {process.stderr}")


class GitServer:
    """`git http-backend` behind the few lines of CGI that it needs; it knows one credential."""

    def __init__(self, root):
        handler = type("Handler", (_Handler,), {"root": root})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        body = self._body()
        if self.headers.get_all("Authorization") != [f"Bearer {CREDENTIAL}"]:
            return self._answer(401, [("WWW-Authenticate", "Basic")], b"")
        answer = subprocess.run(["git", "http-backend"], input=body, env=self._cgi(len(body)), capture_output=True, check=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return self._answer(status, [pair for pair in headers if pair[0] != "Status"], content)

    do_POST = do_GET

    def _cgi(self, length):
        path, _, query = self.path.partition("?")
        given = {"Content-Type": "CONTENT_TYPE", "Content-Encoding": "HTTP_CONTENT_ENCODING", "Git-Protocol": "GIT_PROTOCOL"}
        return {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "nobody",
            "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "CONTENT_LENGTH": str(length),
            **{variable: self.headers[name] for name, variable in given.items() if name in self.headers},
        }

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status, headers, content):
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
