"""A real PowerDNS with its API, from Debian's packages. Its log tells which requests and which questions reached it."""

import itertools
import json
import re
import sqlite3
import time
import urllib.request

import debian
from harness.patience import HANGS
from harness.process import Server, environment
from harness.upstream import Arrived
from upstreams import loopback

_API, _DNS = 8081, 5353

#: By what our own requests are known.
_AGENT = "the-tests"

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

# `[webserver] ID TEXT`, where ID is one for each request. What precedes it is the date.
_LINE = re.compile(r"\[webserver\] ([0-9a-f-]{36}) (.*)$", re.M)
_HEADER = re.compile(r"^  (\S+): (.*)$")
_END = re.compile(r'^(127\.[\d.]+):(\d+) "(\S+) (\S+) HTTP/[\d.]+" (\d+) \d+$')
_QUESTION = re.compile(r"wants '([^'|]+)\|([A-Z]+)'")


class PowerDns:
    def __init__(self, folder, key):
        self.key = key
        self.host = loopback.address(_API, _DNS)
        modules = debian.plugins("pdns")
        settings = _SETTINGS.format(folder=folder, modules=modules, host=self.host, api=_API, dns=_DNS, key=key)
        (folder / "pdns.conf").write_text(settings)
        with sqlite3.connect(folder / "zones.sqlite3") as database:
            database.executescript(debian.shared_file("pdns-backend-sqlite3/schema/schema.sqlite3.sql").read_text())
        database.close()
        self._server = Server(
            "pdns_server", [debian.program("pdns_server"), f"--config-dir={folder}"],
            log=folder / "log", env=environment(folder, **debian.libraries()), cwd=folder, address=(self.host, _API),
        )
        self.url = self._server.url
        # Threads that start write into each other's lines.
        self._wait(lambda log: "Done launching threads" in log)
        self.resolver = f"{self.host}:{_DNS}"
        self._read = 0
        self._marks = itertools.count(1)

    def stop(self):
        self._server.stop()

    def add_zone(self, name, *records):
        """Makes a zone; a record is a triple of name, type and content."""
        rrsets = [{"name": each, "type": kind, "ttl": 60, "records": [{"content": content, "disabled": False}]} for each, kind, content in records]
        self._ask("POST", "/zones", {"name": name, "kind": "Native", "nameservers": ["ns1.example.org."], "rrsets": rrsets})

    def publish(self, zone, name, texts):
        """Makes these the TXT records of a name; names without a dot at the end, texts without quotes."""
        records = [{"content": json.dumps(text.strip('"')), "disabled": False} for text in texts]
        change = {"name": f"{name}.", "type": "TXT", "ttl": 60, "changetype": "REPLACE", "records": records}
        self._ask("PATCH", f"/zones/{zone}.", {"rrsets": [change]})

    def records(self, zone, kind):
        """The contents of a zone's records of one type, by their names."""
        rrsets = self._ask("GET", f"/zones/{zone}")["rrsets"]
        return {each["name"]: [record["content"] for record in each["records"]] for each in rrsets if each["type"] == kind}

    def take(self):
        """The requests and the DNS questions that have arrived since the last call, our own requests apart."""
        text = self._settled()[self._read:]
        self._read += len(text)
        others = [arrived for arrived in _requests(text) if not "".join(arrived.values("User-Agent")).startswith(_AGENT)]
        return others, _QUESTION.findall(text)

    def _settled(self):
        """The whole log, once the end of a request of our own is in it: then that of the earlier ones is too."""
        agent = f"{_AGENT}/{next(self._marks)}"
        self._ask("GET", "/statistics?statistic=uptime", agent=agent)
        return self._wait(lambda log: any(("user-agent", agent) in arrived.headers for arrived in _requests(log)))

    def _wait(self, condition):
        """The log, once it is so."""
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline:
            log = self._server.log.read_text("utf-8", "replace")
            if log.endswith("\n") and condition(log):
                return log
            time.sleep(0.02)
        raise AssertionError(f"PowerDNS does not write what it should into its log: {log[-600:]}")

    def _ask(self, method, path, value=None, agent=_AGENT):
        body = None if value is None else json.dumps(value).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json", "User-Agent": agent}
        request = urllib.request.Request(f"{self.url}/api/v1/servers/localhost{path}", data=body, method=method, headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=HANGS) as answer:
            return json.loads(answer.read() or b"null")


def _requests(log):
    """The requests whose end the log tells, each with what was written of it under its id."""
    told = {}
    for line in _LINE.finditer(log):
        told.setdefault(line[1], []).append(line[2])
    for lines in told.values():
        end = next((found for found in map(_END.match, lines) if found), None)
        if end is None:
            continue
        text = lines[:lines.index("Response details:")] if "Response details:" in lines else lines
        # Behind the headers there is ` Full body: ` and a line with it, or ` No body`.
        split = next((number for number, line in enumerate(text) if line in (" Full body: ", " No body")), len(text))
        headers = tuple(found.groups() for found in map(_HEADER.match, text[:split]) if found)
        yield Arrived(end[3], end[4], headers, "".join(text[split + 1:]).strip().encode())
