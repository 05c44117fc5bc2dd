"""A GitLab of one project, in which GitLab's habits are: `%2F` inside a segment, absolute URLs of its own, `Link`, redirects after a move."""

import http.server
import json
import threading
import urllib.parse

from harness.patience import HANGS
from harness.upstream import Arrived

#: The project, as a segment of a path.
PROJECT = "/api/v4/projects/acme%2Ftool"

#: Where it was before it moved.
FORMER = "/api/v4/projects/acme%2Fformer"

#: Its issues: at two on a page, four pages.
ISSUES = list(range(1, 8))


class GitLab:
    """Knows one credential, in `PRIVATE-TOKEN`, and records what reaches it."""

    def __init__(self, credential):
        self.credential = credential
        #: What was written last, by where.
        self.written = {}
        self._lock = threading.Lock()
        self._arrived = []
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.gitlab = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self):
        """What has arrived since the last call."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived

    def respond(self, arrived):
        """Status, headers and value of the answer."""
        with self._lock:
            self._arrived.append(arrived)
        if arrived.values("PRIVATE-TOKEN") != [self.credential] or arrived.values("Authorization") or arrived.values("JOB-TOKEN"):
            return 401, {}, {"message": "401 Unauthorized"}
        # The path as it was sent: GitLab takes `acme/tool` for something else than `acme%2Ftool`.
        target = urllib.parse.urlsplit(arrived.target)
        if target.path == f"{PROJECT}/issues":
            return self._issues(arrived.method, dict(urllib.parse.parse_qsl(target.query)), arrived.body)
        if target.path.startswith((f"{PROJECT}/hooks", f"{PROJECT}/badges")):
            return self._keep(arrived.method, target.path.removesuffix("/1"), arrived.body)
        if arrived.method == "GET" and target.path in (PROJECT, "/api/v4/projects/7"):
            return 200, {}, self._project()
        if arrived.method == "GET" and target.path == "/api/v4/user":
            return 200, {}, {"id": 3, "username": "someone", "web_url": f"{self.url}/someone"}
        if arrived.method == "GET" and target.path == FORMER:
            return 301, {"Location": f"{self.url}/api/v4/projects/7"}, {"message": "Moved"}
        return 404, {}, {"message": "404 Not Found"}

    def _keep(self, method, path, body):
        """Whatever was written there last."""
        if method in ("POST", "PUT"):
            self.written[path] = {"id": 1} | json.loads(body)
        return 201 if method == "POST" else 200, {}, self.written[path]

    def _project(self):
        own = f"{self.url}/api/v4/projects/7"
        return {
            "id": 7, "name": "tool", "path_with_namespace": "acme/tool", "web_url": f"{self.url}/acme/tool",
            # Free text, in which a URL is what somebody wrote.
            "description": f"see {self.url}/acme/tool",
            "_links": {"self": own, "issues": f"{own}/issues", "members": f"{own}/members"},
        }

    def _issues(self, method, query, body):
        if method == "POST":
            return 201, {}, self._issue(len(ISSUES) + 1) | {"title": json.loads(body)["title"]}
        page, size = int(query.get("page", 1)), int(query.get("per_page", 20))
        pages = -(-len(ISSUES) // size)
        shown = [self._issue(number) for number in ISSUES[(page - 1) * size:page * size]]
        return 200, self._paging(page, pages, size), shown

    def _paging(self, page, pages, size):
        def link(relation, number):
            return f'<{self.url}{PROJECT}/issues?id=acme%2Ftool&page={number}&per_page={size}&with_labels_details=false>; rel="{relation}"'

        near = [link("prev", page - 1)] * (page > 1) + [link("next", page + 1)] * (page < pages)
        return {
            "Link": ", ".join([*near, link("first", 1), link("last", pages)]),
            "X-Page": page, "X-Per-Page": size, "X-Total": len(ISSUES), "X-Total-Pages": pages,
            "X-Prev-Page": page - 1 or "", "X-Next-Page": page + 1 if page < pages else "",
        }

    def _issue(self, number):
        own = f"{self.url}/api/v4/projects/7"
        return {
            "id": 100 + number, "iid": number, "project_id": 7, "title": f"Issue {number}",
            "web_url": f"{self.url}/acme/tool/-/issues/{number}",
            "_links": {"self": f"{own}/issues/{number}", "project": own},
        }


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def _exchange(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        arrived = Arrived(self.command, self.path, tuple(self.headers.items()), body)
        status, headers, value = self.server.gitlab.respond(arrived)
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": len(content), **headers}.items():
            self.send_header(name, str(text))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _exchange

    def log_message(self, *_):
        pass
