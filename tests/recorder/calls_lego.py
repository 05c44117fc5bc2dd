"""Calls of lego, unmodified: `python calls_lego.py NAME URL`, with Debian's `lego` on the path.

lego writes to a DNS API when an ACME server asks it to. So there is one here, which says no once the record is there, and a name
server that knows the zone. Then lego removes the record.
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

ZONE, HOST = "example.org", "www.example.org"


def lego_pdns(url):
    _run("pdns", PDNS_API_URL=url, PDNS_API_KEY="not-the-key")


def lego_digitalocean(url):
    _run("digitalocean", DO_API_URL=url, DO_AUTH_TOKEN="not-the-token")


def _run(provider, **variables):
    acme = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Acme)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    for served in (acme.serve_forever, lambda: _serve_names(names)):
        threading.Thread(target=served, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        command = ["lego", "--accept-tos", "--email", "you@example.org", "--dns", provider, "--domains", HOST, "--path", folder]
        command += ["--server", f"http://127.0.0.1:{acme.server_port}/directory", "--dns.disable-cp"]
        command += ["--dns.resolvers", f"127.0.0.1:{names.getsockname()[1]}", "run"]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if "the record was seen" not in done.stderr:
        raise SystemExit(done.stderr)


class _Acme(http.server.BaseHTTPRequestHandler):
    """RFC 8555 up to the challenge, which fails."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        url = f"http://{self.headers['Host']}"
        seen = self.server.__dict__.setdefault("seen", [])
        seen.append(self.path)
        challenge = {"type": "dns-01", "url": f"{url}/challenge", "token": "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "status": "pending"}
        if "/challenge" in seen:
            error = {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "the record was seen"}
            challenge |= {"status": "invalid", "error": error}
        identifier = {"type": "dns", "value": HOST}
        status, made = {
            "/directory": (200, {name: f"{url}/{name}" for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")}),
            "/newNonce": (200, {}),
            "/newAccount": (201, {"status": "valid"}),
            "/newOrder": (201, {"status": "pending", "identifiers": [identifier], "authorizations": [f"{url}/authz"], "finalize": f"{url}/finalize"}),
            "/authz": (200, {"status": challenge["status"], "identifier": identifier, "challenges": [challenge]}),
            "/challenge": (200, challenge),
        }[self.path]
        text = json.dumps(made).encode()
        self.send_response(status)
        fields = {"Content-Type": "application/json", "Content-Length": str(len(text)), "Replay-Nonce": f"nonce{len(seen)}", "Location": f"{url}{self.path}"}
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def _serve_names(names):
    """Answers questions for the SOA record of the zone, and knows nothing else."""
    while True:
        question, client = names.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        name, kind = question[12:end - 4], question[end - 4:end - 2]
        zone = b"".join(bytes([len(label)]) + label.encode() for label in ZONE.split(".")) + b"\0"
        is_zone = name.lower() == zone and kind == b"\0\x06"
        data = b"\xc0\x0c\xc0\x0c" + bytes(20)
        record = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c" + len(data).to_bytes(2, "big") + data
        head = question[:2] + b"\x84\0\0\x01\0" + bytes([is_zone]) + b"\0\0\0\0"
        names.sendto(head + question[12:end] + (record if is_zone else b""), client)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
