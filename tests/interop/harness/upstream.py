"""An API that records what reaches it and knows one credential."""

import dataclasses
import http.server
import json
import threading
import typing

from .patience import HANGS


@dataclasses.dataclass(frozen=True)
class Arrived:
    """A request as it reached the API."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name):
        """All values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the API answers."""

    status: int
    #: Sent as JSON; bytes are sent as they are, and `None` as no body.
    content: typing.Any
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


class Upstream:
    """Answers every request with JSON: 200 for those with the right credential, else 401. A class below it answers otherwise."""

    def __init__(self, credential):
        self.expected = f"Bearer {credential}"
        self._lock = threading.Lock()
        self._arrived = []
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.upstream = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, arrived):
        """The answer to a request, which may be asked of several threads at once."""
        known = arrived.values("Authorization") == [self.expected]
        told = {"method": arrived.method, "target": arrived.target} if known else {"message": "Bad credentials"}
        return Reply(200 if known else 401, told, {"X-Upstream": "recorded"})

    def record(self, arrived):
        with self._lock:
            self._arrived.append(arrived)

    def take(self):
        """What has arrived since the last call."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A server of the Python program may open a connection for each request.
    request_queue_size = 64

    def handle_error(self, request, client_address):
        # A caller that goes away in the middle is no fault of this server, and a traceback would hide what is.
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def answer(self):
        arrived = Arrived(self.command, self.path, tuple(self.headers.items()), self._read_body())
        self.server.upstream.record(arrived)
        reply = self.server.upstream.reply(arrived)
        raw = reply.content is None or isinstance(reply.content, bytes)
        content = reply.content or b"" if raw else json.dumps(reply.content).encode()
        headers = ({} if raw else {"Content-Type": "application/json"}) | reply.headers
        if reply.status != 204:
            headers["Content-Length"] = str(len(content))
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _read_body(self):
        # The asynchronous server of the Python program sends chunked bodies, even with GET.
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _read_chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def log_message(self, *_):
        pass
