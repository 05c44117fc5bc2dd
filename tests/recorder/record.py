"""Records what unmodified clients send: `testdata/recorded/requests/`, a file for each request.

    python tests/recorder/record.py --python TESTS_CLIENTS --dns DNS_CLIENTS --services REQUIREMENTS --node NODE_MODULES --lego PROGRAM

Each option names an environment (its python, or the folder of packages), and `--lego` Debian's program. Credentials, and fields that differ from one run to
the next, are cut. To be run by hand, when a client's version changes: what is recorded is read by `cargo test`.
"""

import argparse
import base64
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import answers

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent.parent / "testdata" / "recorded" / "requests"
#: Fields that say something of a body or that conditions may name. Others are the same for each client, or hold credentials.
_KEPT = ("content-type", "content-encoding", "transfer-encoding", "anthropic-beta", "anthropic-version", "stripe-account", "stripe-version")


class Recorder:
    """A server that keeps requests."""

    def __init__(self):
        recorder = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                body = self._body()
                recorder.requests.append(_shown(self.command, self.path, self.headers, body))
                status, kind, text = answers.answer(recorder.url, self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def _body(self):
                if "chunked" not in self.headers.get("transfer-encoding", ""):
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def taken(self):
        taken, self.requests = self.requests, []
        return taken


def _once(requests):
    """Without requests that were there before."""
    return [request for number, request in enumerate(requests) if request not in requests[:number]]


def _shown(method, target, headers, body):
    fields = {name.lower(): value for name, value in headers.items() if name.lower() in _KEPT}
    try:
        text = {"body": body.decode()}
    except UnicodeDecodeError:
        text = {"body_base64": base64.b64encode(body).decode()}
    return {"method": method, "target": target, "headers": fields, **text}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("python", "dns", "services", "node", "lego", "only"):
        parser.add_argument(f"--{option}")
    given = parser.parse_args()
    recorder = Recorder()
    OUT.mkdir(exist_ok=True, parents=True)
    for client, name, command in _calls(given):
        if given.only and given.only not in name:
            continue
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        # A client that asks for one page after the other is stopped.
        done = subprocess.run(["timeout", "60", *command, recorder.url], capture_output=True, text=True, check=False, env=environment)
        requests = _once(recorder.taken())
        said = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
        print(f"{name}: {len(requests)} requests {said}")
        for number, request in enumerate(requests):
            suffix = f"_{number + 1}" if len(requests) > 1 else ""
            text = json.dumps({"client": client, **request}, indent=2, ensure_ascii=False)
            (OUT / f"{name}{suffix}.json").write_text(text.replace(recorder.url, "http://api.invalid") + "\n")


def _calls(given):
    """The client, the name of the recording, and the command without the URL."""
    for script, python in (("calls_dns.py", given.dns), ("calls_sdks.py", given.python), ("calls_services.py", given.services)):
        if not python:
            continue
        for name in _functions(HERE / script):
            package = _PACKAGES[next(known for known in _PACKAGES if name.startswith(known))]
            version = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
            said = subprocess.run([python, "-c", version, package], capture_output=True, text=True, check=False).stdout.strip()
            yield f"{package} {said} (Python)", f"{name}_python", [python, str(HERE / script), name]
    if given.lego:
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "lego"], capture_output=True, text=True, check=True).stdout
        os.environ["PATH"] = os.pathsep.join([str(pathlib.Path(given.lego).parent), os.environ["PATH"]])
        for name in _functions(HERE / "calls_lego.py"):
            yield f"lego {version.partition('-')[0]} (Go)", f"{name}_go", [sys.executable, str(HERE / "calls_lego.py"), name]
    if given.node:
        os.environ["NODE_PATH"] = given.node
        text = (HERE / "calls.cjs").read_text().partition("const CALLS = {")[2]
        for line in text.splitlines():
            name, colon, _ = line.strip().partition(": async (url) =>")
            if not colon:
                continue
            package = _NODE_PACKAGES[name.partition("_")[0]]
            version = json.loads((pathlib.Path(given.node) / package / "package.json").read_text())["version"]
            yield f"{package} {version} (Node)", f"{name}_node", ["node", str(HERE / "calls.cjs"), name]


def _functions(script):
    lines = script.read_text().splitlines()
    names = [line[4:].partition("(")[0] for line in lines if line.startswith("def ")]
    return [name for name in names if not name.startswith("_")]


_PACKAGES = {
    "certbot_cloudflare": "certbot-dns-cloudflare", "certbot_digitalocean": "certbot-dns-digitalocean", "certbot_pdns": "certbot-dns-pdns",
    "certbot_desec": "certbot-dns-desec", "openai": "openai", "anthropic": "anthropic", "pygithub": "PyGithub", "gitlab": "python-gitlab",
    "stripe": "stripe", "slack": "slack-sdk", "twilio": "twilio", "sendgrid": "sendgrid", "google": "google-api-python-client",
}
_NODE_PACKAGES = {
    "openai": "openai", "anthropic": "@anthropic-ai/sdk", "octokit": "@octokit/rest", "cloudflare": "cloudflare", "gitbeaker": "@gitbeaker/rest",
}

if __name__ == "__main__":
    main()
