"""certbot and lego with tokens that can make TXT records of one name and nothing else, by rules with conditions.

Each client gets its certificate. Then come its neighbours: the client itself with another name, and curl with the client's token and
a request beside the client's own. Each is refused, and no change reaches the API.
"""

import dataclasses
import functools
import json
import typing

import debian
from dns_stage import CLOUDFLARE_CREDENTIAL, DIGITALOCEAN_CREDENTIAL, POWERDNS_CREDENTIAL, package
from harness.cases import Cases, equal, holds
from matrix import Row
from topics import certbot as certbot_topic
from topics import lego as lego_topic

_TRIED = "certificate with a token for TXT records of one name; refused on ten neighbours"


def _row(client, version, upstream):
    return Row(f"{client}, one name", version, f"{upstream}, Pebble", _TRIED)


ROWS = [
    _row("certbot-dns-pdns", package("certbot-dns-pdns"), "PowerDNS 4.7"),
    _row("certbot-dns-digitalocean", package("certbot-dns-digitalocean"), "stub of DigitalOcean"),
    _row("certbot-dns-cloudflare", package("certbot-dns-cloudflare"), "stub of Cloudflare"),
    _row("lego", lambda _: debian.version("lego"), "PowerDNS 4.7"),
    _row("lego", lambda _: debian.version("lego"), "stub of DigitalOcean"),
]
CERTBOT_POWERDNS, CERTBOT_DIGITALOCEAN, CERTBOT_CLOUDFLARE, LEGO_POWERDNS, LEGO_DIGITALOCEAN = ROWS
CASES = Cases()

ZONE, OTHER_ZONE = "example.org", "example.net"
HOST = f"one.{ZONE}"
NAME = f"_acme-challenge.{HOST}"

#: What the clients are asked for beside `HOST`: a sibling, the zone itself, a name below, another zone.
OTHER_HOSTS = (f"two.{ZONE}", ZONE, f"deep.{HOST}", f"one.{OTHER_ZONE}")


@dataclasses.dataclass(frozen=True)
class Client:
    """A client at one API, with its token."""

    row: Row
    #: The mount of the API, and its credential.
    api: str
    credential: str
    #: Given the DNS stage: the rules of the token.
    rules: typing.Callable
    #: Given the DNS stage, the token and a host: runs the client, and gives its status and text.
    run: typing.Callable
    #: What the client says of a refusal.
    says: str
    #: Given the DNS stage: the target at which it makes records, and the body.
    creation: typing.Callable
    #: The methods with which it makes its record and deletes it.
    changes: tuple[str, str]
    #: The requests that the proxy refuses it in another zone.
    refused_elsewhere: tuple[str, ...]
    #: The methods of those that it refuses it where the client makes its records.
    refused_here: tuple[str, ...] = ("POST",)
    method: str = "POST"
    header: str = "Authorization: Bearer"

    def token(self, dns):
        return dns.token(self.api, self.credential, *self.rules(dns))

    def arrived(self, dns, token):
        """What has reached the API since the last call, all of it from the proxy."""
        if self.api == "powerdns":
            return dns.only_through_the_proxy_to_powerdns(token)[0]
        return dns.only_through_the_proxy(getattr(dns, self.api), token)

    def __str__(self):
        return f"{self.row.client.split(',')[0]} at {self.api}"


# --- PowerDNS

_SERVER = "/api/v1/servers/localhost"


def _rrset(**members):
    return {"rrsets": {"count": 1, "each": {"object": {"name": f"{NAME}.", "type": "TXT", "changetype": ["REPLACE", "DELETE"], **members}}}}


def certbot_at_powerdns(_):
    return [
        # Its look-ups have a body, `{}`.
        {"method": "GET", "path": f"{_SERVER}/zones/([a-z]+[.])*example[.]org[.]", "query": {}, "body": "any"},
        {"method": "PATCH", "route": f"{_SERVER}/zones/{ZONE}.", "json": _rrset(**{"ttl?": {}, "records?": {}})},
    ]


def lego_at_powerdns(_):
    return [
        {"method": "GET", "route": "/api", "query": {}},
        {"method": "GET", "route": f"{_SERVER}/zones/{ZONE}.", "query": {}},
        {"method": "PATCH", "route": f"{_SERVER}/zones/{ZONE}.", "json": _rrset(**{"kind?": {}, "ttl?": {}, "records?": {}})},
        {"method": "PUT", "route": f"{_SERVER}/zones/{ZONE}./notify", "body": "none"},
    ]


def record_at_powerdns(_):
    record = {"content": '"x"', "disabled": False}
    rrset = {"name": f"{NAME}.", "type": "TXT", "ttl": 60, "changetype": "REPLACE", "records": [record]}
    return f"{_SERVER}/zones/{ZONE}.", {"rrsets": [rrset]}


# --- DigitalOcean

_RECORDS = f"/v2/domains/{ZONE}/records"


def _making(name):
    return {
        "method": "POST", "route": _RECORDS, "json": {"type": "TXT", "name": name, "data": {}, "ttl?": {}},
        "grants": [f"DELETE {_RECORDS}/{{response.domain_record.id}}"],
    }


def certbot_at_digitalocean(_):
    paging = {"per_page?": {}, "page?": {}}
    lists = [{"method": "GET", "path": path, "query": paging} for path in ("/v2/domains/?", f"{_RECORDS}/?".replace(".", "[.]"))]
    return [*lists, _making("_acme-challenge.one")]


def lego_at_digitalocean(_):
    return [_making(f"{NAME}.")]


def record_at_digitalocean(name, _):
    return _RECORDS, {"type": "TXT", "name": name, "data": "x", "ttl": 30}


# --- Cloudflare


def _records_at_cloudflare(dns):
    return f"/client/v4/zones/{dns.cloudflare.zone_id(ZONE)}/dns_records"


def certbot_at_cloudflare(dns):
    records = _records_at_cloudflare(dns)
    return [
        {"method": "GET", "route": "/client/v4/zones", "query": {"name": {"glob": [f"*.{ZONE}", ZONE]}, "per_page?": {}, "page?": {}}},
        {"method": "GET", "route": records, "query": {"type": "TXT", "name.exact": NAME, "content.exact?": {}, "per_page?": {}, "page?": {}}},
        {
            "method": "POST", "route": records, "json": {"type": "TXT", "name": NAME, "content": {}, "ttl?": {}},
            "grants": [f"DELETE {records}/{{response.result.id}}"],
        },
    ]


def record_at_cloudflare(dns):
    return _records_at_cloudflare(dns), {"type": "TXT", "name": NAME, "content": "x", "ttl": 120}


# --- the clients


def _certbot(api):
    def run(dns, token, host):
        # It may have a certificate of that name, from another API.
        done = certbot_topic.certbot(dns, api, dns.proxy, token, host, "--force-renewal")
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def _lego(provider, variables):
    def run(dns, token, host):
        done = lego_topic.lego(dns, provider, host, **variables(dns, token))
        return done.returncode, done.stderr

    return run


def _lego_at_powerdns(dns, token):
    return {"PDNS_API_URL": f"{dns.proxy}/powerdns", "PDNS_API_KEY": token}


def _lego_at_digitalocean(dns, token):
    return {"DO_API_URL": f"{dns.proxy}/digitalocean", "DO_AUTH_TOKEN": token, "DO_POLLING_INTERVAL": 1}


_PATCHES = {"method": "PATCH", "header": "X-API-Key:", "changes": ("PATCH", "PATCH"), "refused_here": ("PATCH",)}
_POSTS = {"changes": ("POST", "DELETE")}

CLIENTS = [
    Client(
        CERTBOT_POWERDNS, "powerdns", POWERDNS_CREDENTIAL, certbot_at_powerdns, _certbot("powerdns"), "403 Client Error: Forbidden",
        record_at_powerdns, refused_elsewhere=(f"GET {_SERVER}/zones/one.{OTHER_ZONE}.",) * 2, **_PATCHES,
    ),
    Client(
        CERTBOT_DIGITALOCEAN, "digitalocean", DIGITALOCEAN_CREDENTIAL, certbot_at_digitalocean, _certbot("digitalocean"),
        certbot_topic.REASON, functools.partial(record_at_digitalocean, "_acme-challenge.one"),
        refused_elsewhere=(f"POST /v2/domains/{OTHER_ZONE}/records", f"GET /v2/domains/{OTHER_ZONE}/records/"), **_POSTS,
    ),
    Client(
        CERTBOT_CLOUDFLARE, "cloudflare", CLOUDFLARE_CREDENTIAL, certbot_at_cloudflare, _certbot("cloudflare"), certbot_topic.REASON,
        record_at_cloudflare, refused_elsewhere=("GET /client/v4/zones",) * 2, refused_here=("POST", "GET"), **_POSTS,
    ),
    Client(
        LEGO_POWERDNS, "powerdns", POWERDNS_CREDENTIAL, lego_at_powerdns, _lego("pdns", _lego_at_powerdns), "unexpected HTTP status code 403",
        record_at_powerdns, refused_elsewhere=(f"GET {_SERVER}/zones/{OTHER_ZONE}.",) * 2, **_PATCHES,
    ),
    Client(
        LEGO_DIGITALOCEAN, "digitalocean", DIGITALOCEAN_CREDENTIAL, lego_at_digitalocean, _lego("digitalocean", _lego_at_digitalocean),
        certbot_topic.REASON, functools.partial(record_at_digitalocean, f"{NAME}."),
        refused_elsewhere=(f"POST /v2/domains/{OTHER_ZONE}/records",), **_POSTS,
    ),
]


def case(name):
    """Registers a check once for each client, which it takes as its second argument."""

    def register(check):
        for client in CLIENTS:
            CASES.case(f"{client}, TXT records of one name: {name}", row=client.row)(functools.partial(check, client=client))
        return check

    return register


@case("a certificate, and the record is cleaned up")
def certificate(stage, client):
    dns = stage.dns
    token = client.token(dns)
    dns.forget()
    status, said = client.run(dns, token, HOST)
    equal(status, 0, f"the client's status ({said[-600:]})")
    changes = [each.split()[0] for each in client.arrived(dns, token) if each.split()[0] in client.changes]
    equal(tuple(changes), client.changes, "made and cleaned up")
    dns.refused_nothing()
    equal(left(dns, client), {}, "what is left")


@case("the client itself is refused other names, and says so")
def other_hosts(stage, client):
    dns = stage.dns
    token = client.token(dns)
    for host in OTHER_HOSTS:
        dns.forget()
        status, said = client.run(dns, token, host)
        holds(status != 0, f"the client failed for {host}")
        holds(client.says in said, f"for {host} it says `{said[-600:]}`")
        here = [f"{method} {client.creation(dns)[0]}" for method in client.refused_here]
        dns.refused_only(*client.refused_elsewhere if OTHER_ZONE in host else here)
        equal([each for each in client.arrived(dns, token) if not each.startswith("GET ")], [], f"changes that reached the API for {host}")


@case("curl with its token makes that record, and is refused whatever lies beside it")
def neighbours(stage, client):
    dns = stage.dns
    token = client.token(dns)
    dns.forget()
    target, body = client.creation(dns)
    equal(curl(dns, client, token, Neighbour(target, json.dumps(body))), (0, None), "the client's own request")
    equal(client.arrived(dns, token), [f"{client.method} {target}"], "what reached the API")
    clear(dns, client)
    beside = neighbours_of(target, body)
    holds(len(beside) >= 10, f"{len(beside)} neighbours")
    for what, neighbour in beside.items():
        equal(curl(dns, client, token, neighbour), (22, neighbour.code), f"what curl says of {what}")
        equal(client.arrived(dns, token), [], f"what reached the API of {what}")
    equal(left(dns, client), {}, "what is left")
    by_rules = [neighbour for neighbour in beside.values() if neighbour.code == "not_allowed"]
    dns.refused_only(*(f"{each.method or client.method} {each.target.split('?')[0]}" for each in by_rules))


# --- requests beside the client's own


@dataclasses.dataclass(frozen=True)
class Neighbour:
    target: str
    body: str
    code: str = "not_allowed"
    content_type: str = "application/json"
    method: str = ""


def neighbours_of(target, body):
    """By what they are, requests that differ from the client's own in one thing."""
    rrset = body["rrsets"][0] if "rrsets" in body else None
    record = rrset or body

    def changed(**members):
        return json.dumps({"rrsets": [record | members]} if rrset else record | members)

    own, name = json.dumps(body), record["name"]
    apex = f"{ZONE}." if rrset else "@"
    more = {"rrsets": [record, record | {"name": apex, "type": "MX"}]} if rrset else body | {"priority": 10}
    return {
        "MX @": Neighbour(target, changed(name=apex, type="MX", priority=10)),
        "TXT @": Neighbour(target, changed(name=apex)),
        "type A": Neighbour(target, changed(type="A")),
        "type NS": Neighbour(target, changed(type="NS")),
        "a sibling": Neighbour(target, changed(name=name.replace("one", "two"))),
        "a wildcard": Neighbour(target, changed(name=f"*.{name}")),
        "the name in other letters": Neighbour(target, changed(name=name.upper())),
        "more than one record": Neighbour(target, json.dumps(more)),
        "another zone": Neighbour(target.replace(ZONE, OTHER_ZONE) if ZONE in target else target.replace("0001/", "0002/"), own),
        "a query": Neighbour(f"{target}?name={name}", own),
        "another method": Neighbour(target, own, method="PUT"),
        "the name twice": Neighbour(target, own.replace('"name":', f'"name": "{apex}", "name":'), "json_twice"),
        "a twin of the name": Neighbour(target, own.replace('"name":', f'"Name": "{apex}", "name":'), "json_twin"),
        "JSON that is called a form": Neighbour(target, own, "body_type", "application/x-www-form-urlencoded"),
    }


def curl(dns, client, token, neighbour):
    """The status with which curl ends, and the code of the refusal if there is one."""
    url = f"{dns.proxy}/{client.api}{neighbour.target}"
    options = ["-sS", "--fail-with-body", "-X", neighbour.method or client.method, "-H", f"Content-Type: {neighbour.content_type}"]
    done = dns.run(["curl", *options, "-H", f"{client.header} {token}", "-d", "@-", url], stdin=neighbour.body)
    answer = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, answer.get("code")


def left(dns, client):
    """The TXT records that are at the API."""
    if client.api == "powerdns":
        return dns.powerdns.records(f"{ZONE}.", "TXT")
    if client.api == "digitalocean":
        return dns.digitalocean.domains[ZONE]
    return dns.cloudflare.records[dns.cloudflare.zone_id(ZONE)]


def clear(dns, client):
    """Removes what curl has made. The stubs publish their records at PowerDNS."""
    dns.powerdns.publish(ZONE, NAME, [])
    if client.api != "powerdns":
        left(dns, client).clear()
