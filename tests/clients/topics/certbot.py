"""certbot with three DNS plugins: certificates from an ACME server that asks PowerDNS, where the stubs publish their records too."""

import dataclasses

import recipes
from dns_stage import CLOUDFLARE_CREDENTIAL, DIGITALOCEAN_CREDENTIAL, NO_WAY_OUT, POWERDNS_CREDENTIAL, environment_folder, package
from harness.cases import Cases, equal, holds
from matrix import Row

_TRIED = "certificate by DNS-01, record cleaned up, refusal"
ROWS = [
    Row("certbot-dns-pdns", package("certbot-dns-pdns"), "PowerDNS 4.7, Pebble", f"{_TRIED} (shown without the reason)"),
    Row("certbot-dns-digitalocean", package("certbot-dns-digitalocean"), "stub of DigitalOcean, Pebble", _TRIED),
    Row("certbot-dns-cloudflare", package("certbot-dns-cloudflare"), "stub of Cloudflare, Pebble", _TRIED),
]
POWERDNS, DIGITALOCEAN, CLOUDFLARE = ROWS
CASES = Cases()

REASON = "magicproxy: the token does not allow this request"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """How a plugin is told where its API is and what to say there, outside of the page."""

    name: str
    credential: str
    #: The credentials file; `{url}` is the API at the proxy.
    ini: str
    #: A variable for the URL, and the path of the API.
    variable: str = ""
    base: str = ""


PLUGINS = {
    "powerdns": Plugin("dns-pdns", POWERDNS_CREDENTIAL, "\n".join([
        "dns_pdns_endpoint = {url}", "dns_pdns_api_key = {token}", "dns_pdns_server_id = localhost", "dns_pdns_disable_notify = true",
    ])),
    "digitalocean": Plugin("dns-digitalocean", DIGITALOCEAN_CREDENTIAL, "dns_digitalocean_token = {token}", "DIGITALOCEAN_END_POINT", "/v2/"),
    "cloudflare": Plugin("dns-cloudflare", CLOUDFLARE_CREDENTIAL, "dns_cloudflare_api_token = {token}", "CLOUDFLARE_BASE_URL", "/client/v4"),
}


@CASES.case("certbot.md: a certificate by way of PowerDNS", row=POWERDNS)
def by_powerdns(stage):
    page = followed(stage)
    changes = [each for each in page.arrived["powerdns"] if not each.startswith("GET ")]
    equal(changes, ["PATCH /api/v1/servers/localhost/zones/example.net."] * 2, "made and cleaned up")
    holds(("_acme-challenge.www.example.net", "TXT") in page.questions, f"the ACME server asked PowerDNS: {page.questions}")
    equal(stage.dns.powerdns.records("example.net.", "TXT"), {}, "what is left")


@CASES.case("certbot.md: a certificate by way of DigitalOcean", row=DIGITALOCEAN)
def by_digitalocean(stage):
    page = followed(stage)
    changes = [each.split()[0] for each in page.arrived["digitalocean"] if not each.startswith("GET ")]
    equal(changes, ["POST", "DELETE"], "made and cleaned up")
    holds(("_acme-challenge.mail.example.org", "TXT") in page.questions, f"the ACME server asked: {page.questions}")
    equal(stage.dns.digitalocean.domains["example.org"], {}, "what is left")


@CASES.case("certbot.md: a certificate by way of Cloudflare", row=CLOUDFLARE)
def by_cloudflare(stage):
    page = followed(stage)
    changes = [each.split()[0] for each in page.arrived["cloudflare"] if not each.startswith("GET ")]
    equal(changes, ["POST", "DELETE"], "made and cleaned up")
    holds(("_acme-challenge.shop.example.org", "TXT") in page.questions, f"the ACME server asked: {page.questions}")
    equal(stage.dns.cloudflare.records[stage.dns.cloudflare.zone_id("example.org")], {}, "what is left")


@CASES.case("certbot-dns-pdns fails when the proxy refuses a request, and tells its status", row=POWERDNS)
def refused_by_powerdns(stage):
    zones = "GET /api/v1/servers/localhost/zones"
    said, arrived = refused(stage, "powerdns", f"{zones}/other[.]example[.]org[.]", f"{zones}/example[.]org[.]")
    # The plugin prints what its HTTP library makes of a status, and nothing of the body.
    holds("403 Client Error: Forbidden" in said, f"certbot's text is `{said}`")
    equal({each.split()[0] for each in arrived}, {"GET"}, "what reached PowerDNS")
    stage.dns.refused_only("PATCH /api/v1/servers/localhost/zones/example.org.")


@CASES.case("certbot-dns-digitalocean shows that the proxy refused a request, and why", row=DIGITALOCEAN)
def refused_by_digitalocean(stage):
    said, arrived = refused(stage, "digitalocean", "GET /v2/domains/?")
    holds(f"Error adding TXT record using the DigitalOcean API: {REASON}" in said, f"certbot's text is `{said}`")
    equal({each.split()[0] for each in arrived}, {"GET"}, "what reached the API")
    # The second is from cleaning up.
    stage.dns.refused_only("POST /v2/domains/example.org/records", "GET /v2/domains/example.org/records/")


@CASES.case("certbot-dns-cloudflare shows that the proxy refused a request, and why", row=CLOUDFLARE)
def refused_by_cloudflare(stage):
    said, arrived = refused(stage, "cloudflare", "GET /client/v4/zones")
    holds(REASON in said, f"certbot's text is `{said}`")
    equal({each.split()[0] for each in arrived}, {"GET"}, "what reached the API")
    records = f"/client/v4/zones/{stage.dns.cloudflare.zone_id('example.org')}/dns_records"
    stage.dns.refused_only(f"POST {records}", f"GET {records}")


# --- the page, followed once for all three


@dataclasses.dataclass(frozen=True)
class Followed:
    #: What reached each API.
    arrived: dict[str, list[str]]
    #: What PowerDNS was asked as a name server.
    questions: list[tuple[str, str]]


_pages = {}


def followed(stage):
    """Follows the page, the first time that it is asked for."""
    if stage.folder not in _pages:
        try:
            _pages[stage.folder] = follow(stage)
        except AssertionError as error:
            _pages[stage.folder] = error
    if isinstance(_pages[stage.folder], AssertionError):
        raise _pages[stage.folder]
    return _pages[stage.folder]


def follow(stage):
    dns = stage.dns
    dns.forget()
    recipes.follow(
        stage, "certbot", PROXY=dns.proxy, PATH=dns.path(), **settings(dns), **NO_WAY_OUT,
        POWERDNS_API_KEY=POWERDNS_CREDENTIAL, DIGITALOCEAN_TOKEN=DIGITALOCEAN_CREDENTIAL, CLOUDFLARE_API_TOKEN=CLOUDFLARE_CREDENTIAL,
        CLOUDFLARE_ZONE_ID=dns.cloudflare.zone_id("example.org"),
    )
    work = max(stage.folder.glob("recipes/certbot-*/work"))
    return reached(dns, {name: (work / f"{name}.token").read_text() for name in PLUGINS})


def reached(dns, tokens):
    """What has reached the APIs since the last call, which must be the proxy's doing and hold none of the tokens."""
    to_powerdns, questions = dns.only_through_the_proxy_to_powerdns(tokens["powerdns"])
    arrived = {name: dns.only_through_the_proxy(getattr(dns, name), tokens[name]) for name in ("digitalocean", "cloudflare")}
    return Followed(arrived | {"powerdns": to_powerdns}, questions)


def refused(stage, api, *rules):
    """Runs certbot with a token for these rules, which are too few; gives what it said and what reached the API."""
    dns = stage.dns
    token = dns.token(api, PLUGINS[api].credential, *rules)
    dns.forget()
    done = certbot(dns, api, dns.proxy, token, "other.example.org")
    holds(done.returncode != 0, "certbot failed")
    return " ".join((done.stdout + done.stderr).split()), reached(dns, dict.fromkeys(PLUGINS, token)).arrived[api]


def certbot(dns, api, proxy, token, domain, *options):
    """Runs certbot for a certificate, by way of one of the APIs at a proxy."""
    plugin = PLUGINS[api]
    ini = dns.folder / f"{api}-{domain}.ini"
    ini.touch(mode=0o600)
    ini.write_text(plugin.ini.format(url=f"{proxy}/{api}", token=token))
    variables = settings(dns) | ({plugin.variable: f"{proxy}/{api}{plugin.base}"} if plugin.variable else {})
    command = [environment_folder() / "bin/certbot", "certonly", "--authenticator", plugin.name, f"--{plugin.name}-credentials", ini]
    return dns.run([*command, "--domain", domain, *options], **variables)


def settings(dns):
    """Variables that make certbot use the test's CA and folders, by the settings file that it reads anyhow."""
    home = dns.folder / "certbot"
    file = home / "letsencrypt/cli.ini"
    if not file.exists():
        file.parent.mkdir(parents=True)
        lines = [f"{name}-dir = {home / name}" for name in ("config", "work", "logs")]
        lines += ["non-interactive = true", "agree-tos = true", "register-unsafely-without-email = true", f"server = {dns.acme.directory}"]
        lines += [f"{plugin.name}-propagation-seconds = 0" for plugin in PLUGINS.values()]
        file.write_text("\n".join(lines) + "\n")
    return {"XDG_CONFIG_HOME": home, "REQUESTS_CA_BUNDLE": dns.acme.ca_file}
