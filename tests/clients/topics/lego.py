"""lego: a certificate by way of the proxy, PowerDNS and an ACME server that asks PowerDNS."""

import debian
import recipes
from dns_stage import DIGITALOCEAN_CREDENTIAL, NO_WAY_OUT, POWERDNS_CREDENTIAL
from harness.cases import Cases, equal, holds
from matrix import Row

_TRIED = "certificate by DNS-01, record cleaned up, refusal"
ROWS = [
    Row("lego", lambda _: debian.version("lego"), "PowerDNS 4.7, Pebble", f"{_TRIED} (shown without the reason)"),
    Row("lego", lambda _: debian.version("lego"), "stub of DigitalOcean, Pebble", _TRIED),
]
CASES = Cases(ROWS[0])

ZONE = "_acme-challenge.www.example.org."


@CASES.case("lego.md: a certificate, with a token that can change one name")
def certificate(stage):
    dns = stage.dns
    dns.powerdns.add_zone(ZONE)
    token_file = dns.folder / "lego.token"
    dns.forget()
    recipes.follow(
        stage, "lego", PROXY=f"{dns.proxy}/powerdns", TOKEN_FILE=token_file, POWERDNS_API_KEY=POWERDNS_CREDENTIAL,
        PATH=debian.path(), LEGO_OPTIONS=options(dns), LEGO_CA_CERTIFICATES=dns.acme.ca_file, **NO_WAY_OUT,
    )
    arrived, questions = dns.only_through_the_proxy_to_powerdns(token_file.read_text())
    changes = [each for each in arrived if each.startswith("PATCH ")]
    zones = ("=5Facme-challenge.www.example.org.", "example.org.")
    equal(changes, [f"PATCH /api/v1/servers/localhost/zones/{zone}" for zone in zones for _ in range(2)], "made and cleaned up")
    holds((ZONE.rstrip("."), "TXT") in questions, f"the ACME server asked PowerDNS: {questions}")
    equal([dns.powerdns.records(zone, "TXT") for zone in (ZONE, "example.org.")], [{}, {}], "what is left")
    dns.refused_only("PATCH /api/v1/servers/localhost/zones/example.org.")


@CASES.case("lego fails when the proxy refuses a request, and tells its status")
def refusal(stage):
    dns = stage.dns
    zone = "/api/v1/servers/localhost/zones/example[.]org[.]"
    token = dns.token("powerdns", POWERDNS_CREDENTIAL, "GET /api", f"GET {zone}")
    dns.forget()
    done = lego(dns, "pdns", "other.example.org", PDNS_API_URL=f"{dns.proxy}/powerdns", PDNS_API_KEY=token)
    holds(done.returncode != 0, "lego failed")
    # It tells the status and nothing of the body.
    holds("unexpected HTTP status code 403 when PATCHing" in done.stderr, f"lego's text is `{done.stderr[-600:]}`")
    arrived, _ = dns.only_through_the_proxy_to_powerdns(token)
    equal([each for each in arrived if not each.startswith("GET ")], [], "changes that reached PowerDNS")
    dns.refused_only("PATCH /api/v1/servers/localhost/zones/example.org.")


@CASES.case("lego gets a certificate by way of DigitalOcean", row=ROWS[1])
def by_digitalocean(stage):
    dns = stage.dns
    records = "/v2/domains/example[.]org/records"
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, f"POST {records}", f"DELETE {records}/[0-9]+")
    dns.forget()
    # It sleeps for that long before it looks whether its record is there.
    variables = {"DO_API_URL": f"{dns.proxy}/digitalocean", "DO_AUTH_TOKEN": token, "DO_POLLING_INTERVAL": 1}
    done = lego(dns, "digitalocean", "lego.example.org", **variables)
    equal(done.returncode, 0, f"lego's status ({done.stderr[-600:]})")
    arrived = dns.only_through_the_proxy(dns.digitalocean, token)
    equal([each.split()[0] for each in arrived], ["POST", "DELETE"], "the requests")
    equal(dns.digitalocean.domains["example.org"], {}, "what is left")


@CASES.case("lego shows that the proxy refused a request to DigitalOcean, and why", row=ROWS[1])
def refused_digitalocean(stage):
    dns = stage.dns
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, "GET /v2/domains")
    dns.forget()
    done = lego(dns, "digitalocean", "other.example.org", DO_API_URL=f"{dns.proxy}/digitalocean", DO_AUTH_TOKEN=token)
    holds(done.returncode != 0, "lego failed")
    holds("magicproxy: the token does not allow this request" in done.stderr, f"lego's text is `{done.stderr[-600:]}`")
    equal(dns.only_through_the_proxy(dns.digitalocean, token), [], "what reached the API")
    dns.refused_only("POST /v2/domains/example.org/records")


def lego(dns, provider, *domains, **variables):
    return dns.run(command(dns, provider, *domains), LEGO_CA_CERTIFICATES=dns.acme.ca_file, **variables)


def command(dns, provider, *domains):
    """What runs lego for a certificate."""
    start = [debian.program("lego"), "--accept-tos", "--email", "you@example.org", "--dns", provider]
    names = [f"--domains={domain}" for domain in domains]
    return [*start, *names, *options(dns).split(), "--path", dns.folder / "lego", "run"]


def options(dns):
    """The test's own CA and name server. lego would look for the zone's name servers at port 53, so it is told not to."""
    return f"--server {dns.acme.directory} --dns.resolvers {dns.powerdns.resolver} --dns.disable-cp"
