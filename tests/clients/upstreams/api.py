"""What the APIs of ours have in common: they know one credential, record what reaches them, and look who sends it."""

import contextlib
import http.server
import json
import threading
import urllib.parse

from harness.patience import HANGS
from harness.process import ESTABLISHED, sockets_of
from harness.upstream import Arrived


class Api:
    """An API on a free port of 127.0.0.1. What it answers is for subclasses to say."""

    def __init__(self, credential):
        self.credential = credential
        self._lock = threading.Lock()
        self._arrived = []
        self._strangers = []
        self._expected = set()
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, method, path, query, body):
        """Status and JSON value for a request whose credential is right; `None` for no body. Called for one request at a time."""
        raise NotImplementedError

    def refuse(self):
        """Status and JSON value for a request whose credential is not right."""
        raise NotImplementedError

    def expect(self, pid):
        """This process may connect. Once that is said of one, every other is a stranger."""
        self._expected.add(pid)

    def take(self):
        """What has arrived since the last call, and the strangers that connected."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
            strangers, self._strangers = self._strangers, []
        return arrived, strangers

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- called by the handler

    def connected(self, peer):
        # Whose end of the connection it is, the system knows while the connection lasts.
        if self._expected and not any(peer in sockets_of(pid, ESTABLISHED) for pid in self._expected):
            with self._lock:
                self._strangers.append(peer)

    def respond(self, arrived):
        with self._lock:
            self._arrived.append(arrived)
            if arrived.values("Authorization") != [f"Bearer {self.credential}"]:
                return self.refuse()
            target = urllib.parse.urlsplit(arrived.target)
            query = dict(urllib.parse.parse_qsl(target.query))
            body = json.loads(arrived.body) if arrived.body else None
            return self.answer(arrived.method, target.path, query, body)


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A caller that goes away in the middle is no fault of this server.
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def setup(self):
        super().setup()
        self.server.api.connected(self.client_address)

    def _exchange(self):
        arrived = Arrived(self.command, self.path, tuple(self.headers.items()), self._body())
        status, value = self.server.api.respond(arrived)
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if value is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_):
        pass
