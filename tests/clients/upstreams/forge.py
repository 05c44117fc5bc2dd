"""A forge with Git LFS: git's own server, where its objects are, and locks; and a store of objects at another origin.

Each kind says where an object is as its original does:

- GitLab (`app/controllers/repositories/lfs_api_controller.rb`) names its own origin, and brings a key that it made for the client.
- Gitea and Forgejo (`services/lfs/server.go`) name their own origin, repeat the `Authorization` that they got, and want an upload verified.
- GitHub names signed URLs of a store at another origin.
"""

import hashlib
import http.server
import json
import re
import threading
import urllib.parse

from harness.patience import HANGS
from upstreams.git import GitHandler, GitServer

LFS = "application/vnd.git-lfs+json"

#: What GitLab makes for its client: it is good there without the proxy.
FORGE_KEY = "Basic bGZzOnRoZS1mb3JnZXMtb3duLWtleQ=="

_PATH = re.compile(r"(?P<repository>/acme/[^/]+\.git)/(?P<what>info/lfs/(?:objects/batch|verify|locks(?:/verify|/(?P<lock>[0-9]+)/unlock)?)"
                   r"|(?:info/lfs|gitlab-lfs)/objects/(?P<oid>[0-9a-f]{64})(?:/(?P<size>[0-9]+))?)$")


class Forge(GitServer):
    """Serves the repositories below a folder, and their objects, to whoever sends the credential."""

    def __init__(self, root, expected, kind, store):
        #: `GitLab`, `Gitea` or `GitHub`.
        self.kind = kind
        self.store = store
        self.objects = {}
        self.locks = []
        super().__init__(root, expected, _ForgeHandler)

    def actions(self, operation, repository, wanted, authorization):
        """What a client is told to do for an object; nothing where there is nothing to do."""
        oid, size = wanted["oid"], wanted["size"]
        place = self.store.objects if self.kind == "GitHub" else self.objects
        if operation == "upload" and oid in place:
            return {}
        if operation == "download" and oid not in place:
            return {"error": {"code": 404, "message": "Object does not exist"}}
        return {"actions": getattr(self, f"_{self.kind.lower()}")(operation, repository, oid, size, authorization)}

    def _gitlab(self, operation, repository, oid, size, _):
        place, header = f"{self.url}{repository}/gitlab-lfs/objects/{oid}", {"Authorization": FORGE_KEY}
        if operation == "download":
            return {"download": {"href": place, "header": header}}
        sent = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        return {"upload": {"href": f"{place}/{size}", "header": header | sent}}

    def _gitea(self, operation, repository, oid, size, authorization):
        place, header = f"{self.url}{repository}/info/lfs", {"Authorization": authorization}
        if operation == "download":
            return {"download": {"href": f"{place}/objects/{oid}", "header": header}}
        upload = {"href": f"{place}/objects/{oid}/{size}", "header": header}
        return {"upload": upload, "verify": {"href": f"{place}/verify", "header": header | {"Accept": LFS}}}

    def _github(self, operation, _, oid, __, ___):
        return {operation: {"href": self.store.signed(oid), "header": {"X-Store-Key": self.store.key}, "expires_in": 3600}}


class _ForgeHandler(GitHandler):
    def answer_known(self, body):
        path = _PATH.match(self.path.partition("?")[0])
        if not path:
            return super().answer_known(body)
        if path["oid"]:
            return self._object(path["oid"], body)
        what = path["what"].removeprefix("info/lfs/").split("/")[0]
        return self._json(*getattr(self, f"_{what}")(path, json.loads(body or b"{}")))

    def _objects(self, path, asked):
        forge, operation = self.server.git, asked["operation"]
        if self.headers["Accept"].partition(";")[0] != LFS:
            return 406, {"message": "not an LFS client"}
        told = [object_ | forge.actions(operation, path["repository"], object_, self.headers["Authorization"]) for object_ in asked["objects"]]
        if forge.kind == "GitLab" and operation == "download":
            told = [object_ | {"authenticated": True} for object_ in told]
        return 200, {"transfer": "basic", "objects": told}

    def _verify(self, _, asked):
        kept = self.server.git.objects.get(asked["oid"])
        return (200, {}) if kept is not None and len(kept) == asked["size"] else (422, {"message": "it was not kept"})

    def _locks(self, path, asked):
        locks = self.server.git.locks
        if path["lock"]:
            (lock,) = [lock for lock in locks if lock["id"] == path["lock"]]
            locks.remove(lock)
            return 200, {"lock": lock}
        if path["what"].endswith("/verify"):
            return 200, {"ours": list(locks), "theirs": []}
        if self.command == "GET":
            return 200, {"locks": list(locks)}
        locks.append({"id": str(len(locks) + 1), "path": asked["path"], "locked_at": "2026-01-01T00:00:00Z", "owner": {"name": "me"}})
        return 201, {"lock": locks[-1]}

    def _object(self, oid, body):
        objects = self.server.git.objects
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != oid:
                return self.answer(422, [], b"")
            objects[oid] = body
            return self.answer(200, [], b"")
        if oid not in objects:
            return self.answer(404, [], b"")
        return self.answer(200, [("Content-Type", "application/octet-stream")], objects[oid])

    def _json(self, status, value):
        self.answer(status, [("Content-Type", f"{LFS}; charset=utf-8")], json.dumps(value).encode())


class Store:
    """Objects behind signed URLs. It takes no `Authorization`, as a store does that gets a signature."""

    key = "the-store-s-key"

    def __init__(self):
        self.objects = {}
        self.arrived = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _StoreHandler)
        self._server.store = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def signed(self, oid):
        return f"{self.url}/{oid}?" + urllib.parse.urlencode({"X-Amz-Signature": "signed"})


class _StoreHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def do_GET(self):
        store = self.server.store
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store.arrived.append((f"{self.command} {self.path}", self.headers))
        path, _, query = self.path.partition("?")
        known = "Authorization" not in self.headers and self.headers["X-Store-Key"] == store.key and query == "X-Amz-Signature=signed"
        content = store.objects.get(path[1:], b"")
        if known and self.command == "PUT":
            store.objects[path[1:]] = body
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(content) if known and self.command == "GET" else 0))
        self.end_headers()
        if known and self.command == "GET":
            self.wfile.write(content)

    do_PUT = do_GET

    def log_message(self, *_):
        pass
