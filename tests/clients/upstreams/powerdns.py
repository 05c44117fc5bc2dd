"""A real PowerDNS with its API, from Debian's packages. Its log tells which requests and which questions reached it."""

import json
import re
import sqlite3
import time
import urllib.request

import debian
from harness.process import Server, environment
from harness.upstream import Arrived
from upstreams import loopback

_API, _DNS = 8081, 5353
_PATIENCE = 10

_SETTINGS = """\
launch=gsqlite3
gsqlite3-database={folder}/zones.sqlite3
module-dir={modules}
socket-dir={folder}
daemon=no
guardian=no
disable-syslog=yes
security-poll-suffix=
local-address={host}
local-port={dns}
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
api=yes
api-key={key}
webserver-address={host}
webserver-port={api}
webserver-allow-from=127.0.0.0/8
webserver-loglevel=detailed
loglevel=6
log-dns-queries=yes
"""

# `[webserver] ID TEXT`, where ID is one for each request.
_LINE = re.compile(r"^\w{3} +\d+ [\d:]{8} \[webserver\] ([0-9a-f-]{36}) (.*)$", re.M)
_HEADER = re.compile(r"^  (\S+): (.*)$")
_END = re.compile(r'^(127\.[\d.]+):(\d+) "(\S+) (\S+) HTTP/[\d.]+" (\d+) \d+$')
_QUESTION = re.compile(r"wants '([^'|]+)\|([A-Z]+)'")


class PowerDns:
    def __init__(self, folder, key):
        self.key = key
        folder.mkdir()
        self.host = loopback.address(_API, _DNS)
        modules = debian.library_folder("pdns/libgsqlite3backend.so")
        settings = _SETTINGS.format(folder=folder, modules=modules / "pdns", host=self.host, api=_API, dns=_DNS, key=key)
        (folder / "pdns.conf").write_text(settings)
        with sqlite3.connect(folder / "zones.sqlite3") as database:
            database.executescript(debian.shared_file("pdns-backend-sqlite3/schema/schema.sqlite3.sql").read_text())
        database.close()
        self._server = Server(
            "pdns_server", [debian.program("pdns_server"), f"--config-dir={folder}"],
            log=folder / "log", env=environment(folder, **debian.libraries()), cwd=folder, address=(self.host, _API),
        )
        self.url = self._server.url
        self.resolver = f"{self.host}:{_DNS}"
        self._read = 0

    def stop(self):
        self._server.stop()

    def add_zone(self, name, *records):
        """Makes a zone; a record is a triple of name, type and content."""
        rrsets = [{"name": each, "type": kind, "ttl": 60, "records": [{"content": content, "disabled": False}]} for each, kind, content in records]
        self._ask("POST", "/zones", {"name": name, "kind": "Native", "nameservers": ["ns1.example.org."], "rrsets": rrsets})

    def records(self, zone, kind):
        """The contents of a zone's records of one type, by their names."""
        rrsets = self._ask("GET", f"/zones/{zone}")["rrsets"]
        return {each["name"]: [record["content"] for record in each["records"]] for each in rrsets if each["type"] == kind}

    def take(self):
        """The requests and the DNS questions that have arrived since the last call, our own requests apart."""
        text = self._settled()[self._read:]
        self._read += len(text)
        own = [arrived for arrived in _requests(text) if ("user-agent", _AGENT) not in arrived.headers]
        return own, _QUESTION.findall(text)

    def _settled(self):
        """The whole log, once the line that ends our own next request is in it: then the earlier ones' are too."""
        before = self._log().count("/statistics?")
        self._ask("GET", "/statistics?statistic=uptime")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            log = self._log()
            if sum(1 for line in _LINE.finditer(log) if (end := _END.match(line[2])) and "/statistics?" in end[4]) > before // 1:
                return log
            time.sleep(0.02)
        raise AssertionError("PowerDNS does not write its log")

    def _log(self):
        return self._server.log.read_text("utf-8", "replace")

    def _ask(self, method, path, value=None):
        body = None if value is None else json.dumps(value).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json", "User-Agent": _AGENT}
        request = urllib.request.Request(f"{self.url}/api/v1/servers/localhost{path}", data=body, method=method, headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
            return json.loads(answer.read() or b"null")


_AGENT = "the-tests"


def _requests(log):
    """The requests whose end the log tells, each with what was written of it under its id."""
    told = {}
    for line in _LINE.finditer(log):
        told.setdefault(line[1], []).append(line[2])
    for lines in told.values():
        end = next((found for found in map(_END.match, lines) if found), None)
        if end is None:
            continue
        answer = lines.index("Response details:")
        headers = tuple(found.groups() for found in map(_HEADER.match, lines[:answer]) if found)
        body = lines[lines.index(" Full body: ", 0, answer) + 1].strip() if " Full body: " in lines[:answer] else ""
        yield Arrived(end[3], end[4], headers, body.encode())
