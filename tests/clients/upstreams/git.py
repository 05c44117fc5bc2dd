"""`git http-backend` behind the few lines of CGI that it needs; it knows one credential."""

import base64
import http.server
import os
import subprocess
import threading

from harness.patience import HANGS


class GitServer:
    """Serves the repositories below a folder, to whoever sends the credential in the way that it expects."""

    def __init__(self, root, expected, handler=None):
        #: The whole value of `Authorization` that it wants.
        self.expected = expected
        self.root = root
        #: Repositories that are called otherwise now: the old path and the new one, as a forge redirects them, whoever asks.
        self.renamed = {}
        self._lock = threading.Lock()
        self._arrived = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler or GitHandler)
        self._server.git = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def record(self, line):
        with self._lock:
            self._arrived.append(line)

    def take(self):
        """Pairs of a request line and its headers, all that have arrived since the last call."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived


def basic(user, password):
    """The value of `Authorization` for them (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class GitHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def do_GET(self):
        body = self._body()
        git = self.server.git
        git.record((f"{self.command} {self.path}", self.headers))
        for old, new in git.renamed.items():
            if self.path.startswith(f"{old}/"):
                return self.answer(301, [("Location", git.url + new + self.path.removeprefix(old))], b"")
        if self.headers.get_all("Authorization") != [git.expected]:
            return self.answer(401, [("WWW-Authenticate", 'Basic realm="GitHub"')], b"")
        return self.answer_known(body)

    def answer_known(self, body):
        """Answers a request that bears the credential."""
        answer = subprocess.run(["git", "http-backend"], input=body, env=self._cgi(len(body)), capture_output=True, check=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return self.answer(status, [pair for pair in headers if pair[0] != "Status"], content)

    do_POST = do_PUT = do_GET

    def _cgi(self, length):
        path, _, query = self.path.partition("?")
        given = {"Content-Type": "CONTENT_TYPE", "Content-Encoding": "HTTP_CONTENT_ENCODING", "Git-Protocol": "GIT_PROTOCOL"}
        return {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.server.git.root), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "nobody",
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

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
