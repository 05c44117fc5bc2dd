"""An API whose answers can be held back: what it did has been done, and nobody is told."""

import http.client
import http.server
import threading
import urllib.parse

from harness.patience import HANGS

#: Of one connection only.
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Held:
    """Passes requests on to the API at `url`, one connection for each."""

    def __init__(self, url):
        self.api = urllib.parse.urlsplit(url).netloc
        #: The method of the requests whose answers are held back.
        self.method = None
        #: Set when one has been.
        self.holding = threading.Event()
        self._released = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.held = self
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def release(self):
        """Holds nothing any longer."""
        self.method = None
        self._released.set()

    def wait(self, method):
        """Called by the handler, when the API has answered."""
        if method == self.method:
            self.holding.set()
            self._released.wait(HANGS)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def _exchange(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.server.held.api, timeout=HANGS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        upstream.request(self.command, self.path, body=body, headers=headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        self.server.held.wait(self.command)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange

    def log_message(self, *_):
        pass
