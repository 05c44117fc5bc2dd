"""Certificates with tokens that may create, and touch nothing but what they made: `docs/spec/state.md` sections 3 and 5."""

import contextlib
import functools
import json

import debian
from dns_stage import DIGITALOCEAN_CREDENTIAL, POWERDNS_CREDENTIAL, package
from harness.cases import Cases, equal
from harness.exchange import ask
from matrix import Row
from topics import certbot as certbot_topic
from topics import lego as lego_topic

_TRIED = "certificate with a token that owns only what it makes; refused on MX, on others' records, on its own after deletion"
ROWS = [
    Row("lego, owning", lambda _: debian.version("lego"), "stub of DigitalOcean, Pebble", _TRIED),
    Row("lego, owning", lambda _: debian.version("lego"), "PowerDNS 4.7, Pebble", _TRIED),
    Row("certbot-dns-digitalocean, owning", package("certbot-dns-digitalocean"), "stub of DigitalOcean, Pebble", _TRIED),
    Row("certbot-dns-pdns, owning", package("certbot-dns-pdns"), "PowerDNS 4.7, Pebble", _TRIED),
]
LEGO_DIGITALOCEAN, LEGO_POWERDNS, CERTBOT_DIGITALOCEAN, CERTBOT_POWERDNS = ROWS
CASES = Cases()

JSON = {"Content-Type": "application/json"}

# --- DigitalOcean: what it made is known by the number that the API gave it

DOMAIN = "alpha.example"
RECORDS = f"/v2/domains/{DOMAIN}/records"
CREATING = {"method": "POST", "route": RECORDS, "grants": [f"GET|PUT|DELETE {RECORDS}/{{response.domain_record.id}}"]}
#: What certbot reads besides; lego reads nothing.
READING = ("GET /v2/domains/?", f"GET {RECORDS.replace('.', '[.]')}/?")

_MX = 7


@CASES.case("lego gets a certificate by way of DigitalOcean, with a token that owns only what it makes", row=LEGO_DIGITALOCEAN)
def lego_by_digitalocean(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING)
    dns.forget()
    variables = {"DO_API_URL": f"{dns.owning}/digitalocean", "DO_AUTH_TOKEN": token, "DO_POLLING_INTERVAL": 1}
    done = lego_topic.lego(dns, "digitalocean", f"lego.{DOMAIN}", **variables)
    equal(done.returncode, 0, f"lego's status ({done.stderr[-600:]})")
    digitalocean_is_bounded(dns, token)


@CASES.case("certbot gets a certificate by way of DigitalOcean, with a token that owns only what it makes", row=CERTBOT_DIGITALOCEAN)
def certbot_by_digitalocean(stage):
    dns = stage.dns
    prepare_digitalocean(dns)
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING, *READING)
    dns.forget()
    done = certbot_topic.certbot(dns, "digitalocean", dns.owning, token, f"certbot.{DOMAIN}")
    equal(done.returncode, 0, f"certbot's status ({done.stderr[-600:]})")
    digitalocean_is_bounded(dns, token)


def prepare_digitalocean(dns):
    """The zone in which the name servers have what the API has."""
    prepare_zones(dns)
    # What a case that failed has left behind is not the next one's fault.
    dns.digitalocean.domains[DOMAIN].clear()


def digitalocean_is_bounded(dns, token):
    """A client has made one record and deleted it; what it may do now."""
    arrived = dns.only_through_the_proxy(dns.digitalocean, token)
    changes = [each for each in arrived if not each.startswith("GET ")]
    equal([each.split()[0] for each in changes], ["POST", "DELETE"], "made and cleaned up")
    own = changes[1].split()[1]
    equal(dns.digitalocean.domains[DOMAIN], {}, "what is left")
    other = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, CREATING)
    theirs = make_record(dns.owning, other, "_acme-challenge.other")
    with mail_exchange(dns) as mail:
        before = dict(dns.digitalocean.domains[DOMAIN])
        dns.forget()
        for target in (own, mail, theirs):
            for method in ("GET", "PUT", "DELETE"):
                refused(digitalocean(dns.owning, token, method, target), "not_allowed", f"{method} {target}")
        equal(dns.only_through_the_proxy(dns.digitalocean, token), [], "what reached the API")
        equal(dns.digitalocean.domains[DOMAIN], before, "the records")
    # A refusal has taken nothing from those who may.
    equal(digitalocean(dns.owning, other, "DELETE", theirs).status, 204, "its owner's deletion")
    refused(digitalocean(dns.owning, other, "DELETE", theirs), "not_allowed", "the second deletion")


def make_record(proxy, token, name):
    """Makes a TXT record, and gives the path of it."""
    made = digitalocean(proxy, token, "POST", RECORDS, {"type": "TXT", "name": name, "data": name})
    equal(made.status, 201, f"the answer to a creation ({made.text})")
    return f"{RECORDS}/{made.json()['domain_record']['id']}"


def digitalocean(proxy, token, method, target, value=None):
    content = {"data": "y"} if method == "PUT" else value
    body = None if content is None else json.dumps(content)
    return ask(proxy, method, f"/digitalocean{target}", token=token, headers=JSON, body=body)


@contextlib.contextmanager
def mail_exchange(dns):
    """The path of a record that the operator made."""
    record = {"id": _MX, "type": "MX", "name": "@", "data": "mail", "priority": 10, "port": None, "weight": None, "ttl": 1800}
    dns.digitalocean.domains[DOMAIN][_MX] = record
    yield f"{RECORDS}/{_MX}"
    del dns.digitalocean.domains[DOMAIN][_MX]


# --- PowerDNS: what it made is known by name and type

ZONE = "example.info."
ZONES = "/api/v1/servers/localhost/zones"
ELEMENTS = {
    "list": "rrsets", "key": ["name", "type"], "creates": {"changetype": "REPLACE"}, "deletes": {"changetype": "DELETE"}, "deletes_if_empty": "records",
    "lookup": "?rrset_name={name}&rrset_type={type}",
}
CHALLENGES = {"rrsets": {"each": {"object": {"type": "TXT", "name": {"glob": "_acme-challenge.*"}, "*": {}}}}}
CHANGING = {"method": "PATCH", "route": f"{ZONES}/{ZONE}", "json": CHALLENGES, "list_items": ELEMENTS}
LEGO_READING = ({"method": "GET", "route": "/api"}, {"method": "GET", "route": f"{ZONES}/{ZONE}"})
NOTIFYING = {"method": "PUT", "route": f"{ZONES}/{ZONE}/notify"}

FOREIGN = f"_acme-challenge.foreign.{ZONE}"
OTHER = f"_acme-challenge.other.{ZONE}"
REPLACED, EMPTIED, DELETED = "REPLACE", "REPLACE by nothing", "DELETE"


@CASES.case("lego gets a certificate by way of PowerDNS, with a token that owns only what it makes", row=LEGO_POWERDNS)
def lego_by_powerdns(stage):
    dns = stage.dns
    prepare_zones(dns)
    token = dns.token("powerdns", POWERDNS_CREDENTIAL, *LEGO_READING, CHANGING, NOTIFYING)
    dns.forget()
    # Two challenges at one name: the second adds to what the first made.
    domain = f"lego.{ZONE}".rstrip(".")
    done = lego_topic.lego(dns, "pdns", domain, f"*.{domain}", PDNS_API_URL=f"{dns.owning}/powerdns", PDNS_API_KEY=token)
    equal(done.returncode, 0, f"lego's status ({done.stderr[-600:]})")
    powerdns_is_bounded(dns, token, f"_acme-challenge.lego.{ZONE}", changes=3)


@CASES.case("certbot gets a certificate by way of PowerDNS, with a token that owns only what it makes", row=CERTBOT_POWERDNS)
def certbot_by_powerdns(stage):
    dns = stage.dns
    prepare_zones(dns)
    asking = [{"method": "GET", "route": f"{ZONES}/{name}"} for name in (f"certbot.{ZONE}", ZONE)]
    token = dns.token("powerdns", POWERDNS_CREDENTIAL, *asking, CHANGING)
    dns.forget()
    done = certbot_topic.certbot(dns, "powerdns", dns.owning, token, f"certbot.{ZONE}".rstrip("."))
    equal(done.returncode, 0, f"certbot's status ({done.stderr[-600:]})")
    powerdns_is_bounded(dns, token, f"_acme-challenge.certbot.{ZONE}")


@CASES.case("PowerDNS: one element that is somebody else's, and nothing of a request is done", row=LEGO_POWERDNS)
def all_or_nothing(stage):
    dns = stage.dns
    prepare_zones(dns)
    token = dns.token("powerdns", POWERDNS_CREDENTIAL, CHANGING)
    before = dns.powerdns.records(ZONE, "TXT")
    mine = change(REPLACED, f"_acme-challenge.mine.{ZONE}", "TXT")
    refused(powerdns(dns.owning, token, mine, change(REPLACED, ZONE, "MX")), "not_allowed", "with the MX record")
    refused(powerdns(dns.owning, token, mine, change(DELETED, FOREIGN, "TXT")), "not_owned", "with a foreign record")
    # The name of the first was not kept for anybody.
    other = dns.token("powerdns", POWERDNS_CREDENTIAL, CHANGING)
    equal(powerdns(dns.owning, other, mine).status, 204, "the same name, for another token")
    equal(powerdns(dns.owning, other, change(EMPTIED, mine["name"], "TXT")).status, 204, "a deletion by an empty list")
    equal(dns.powerdns.records(ZONE, "TXT"), before, "the records")


def powerdns_is_bounded(dns, token, own, changes=2):
    """A client has made this name's record and deleted it, by so many requests; what it may do now."""
    arrived, _ = dns.only_through_the_proxy_to_powerdns(token)
    equal([each for each in arrived if each.startswith("PATCH ")], [f"PATCH {ZONES}/{ZONE}"] * changes, "made and cleaned up")
    other = dns.token("powerdns", POWERDNS_CREDENTIAL, CHANGING)
    equal(powerdns(dns.owning, other, change(REPLACED, OTHER, "TXT")).status, 204, "another token's creation")
    before = [dns.powerdns.records(ZONE, kind) for kind in ("TXT", "MX")]
    equal(sorted(before[0]), [FOREIGN, OTHER], "what is left")
    dns.forget()
    for how in (REPLACED, EMPTIED, DELETED):
        refused(powerdns(dns.owning, token, change(how, ZONE, "MX")), "not_allowed", f"{how} of MX")
        refused(powerdns(dns.owning, token, change(how, FOREIGN.upper(), "TXT")), "not_allowed", f"{how} of a name in capitals")
        for name in (FOREIGN, FOREIGN.rstrip("."), OTHER):
            refused(powerdns(dns.owning, token, change(how, name, "TXT")), "not_owned", f"{how} of {name}")
    for how in (EMPTIED, DELETED):
        refused(powerdns(dns.owning, token, change(how, own, "TXT")), "not_owned", f"{how} of its own, once more")
    arrived, _ = dns.only_through_the_proxy_to_powerdns(token)
    equal([each for each in arrived if not each.startswith("GET ")], [], "changes that reached PowerDNS")
    equal([dns.powerdns.records(ZONE, kind) for kind in ("TXT", "MX")], before, "the records")
    equal(powerdns(dns.owning, other, change(DELETED, OTHER, "TXT")).status, 204, "its owner's deletion")


def change(how, name, kind):
    """One element of a request."""
    content = "10 mail.example.org." if kind == "MX" else '"x"'
    records = [{"content": content, "disabled": False}]
    if how == DELETED:
        return {"name": name, "type": kind, "changetype": "DELETE"}
    return {"name": name, "type": kind, "ttl": 60, "changetype": "REPLACE", "records": records if how == REPLACED else []}


def powerdns(proxy, token, *changes):
    return ask(proxy, "PATCH", f"/powerdns{ZONES}/{ZONE}", token=token, headers=JSON, body=json.dumps({"rrsets": changes}))


# --- both


@functools.cache
def prepare_zones(dns):
    """The zones that these cases have for themselves."""
    dns.powerdns.add_zone(f"{DOMAIN}.")
    dns.powerdns.add_zone(ZONE, (ZONE, "MX", "10 mail.example.org."), (FOREIGN, "TXT", '"of the operator"'))


def refused(answer, code, what):
    equal((answer.status, answer.json()["code"]), (403, code), f"the answer to {what}")
