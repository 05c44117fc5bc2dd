"""PowerDNS by way of curl, as its page has it; and what a token for one zone is worth there."""

import json

import recipes
from dns_stage import NO_WAY_OUT, POWERDNS_CREDENTIAL
from harness.cases import Cases, equal, holds
from matrix import Row, says

ROWS = [Row("curl", says("curl", "--version"), "PowerDNS 4.7", "changes of one name in one zone, refusal of others")]
CASES = Cases(ROWS[0])


@CASES.case("powerdns.md: a change of one name, and none of another or in another zone")
def page(stage):
    dns = stage.dns
    dns.powerdns.add_zone("example.com.")
    token_file = dns.folder / "powerdns.token"
    dns.forget()
    recipes.follow(stage, "powerdns", PROXY=f"{dns.proxy}/powerdns", TOKEN_FILE=token_file, POWERDNS_API_KEY=POWERDNS_CREDENTIAL, **NO_WAY_OUT)
    arrived, _ = dns.only_through_the_proxy_to_powerdns(token_file.read_text())
    equal(arrived, ["PATCH /api/v1/servers/localhost/zones/example.com."], "what reached PowerDNS")
    equal(dns.powerdns.records("example.com.", "A"), {"new.example.com.": ["192.0.2.3"]}, "the records")
    zones = "/api/v1/servers/localhost/zones"
    dns.refused_only(f"PATCH {zones}/example.com.", f"DELETE {zones}/example.net.")


@CASES.case("PowerDNS takes no record of another zone in a change of the zone that a token allows")
def other_names(stage):
    dns = stage.dns
    target = "/api/v1/servers/localhost/zones/example.net."
    token = dns.token("powerdns", POWERDNS_CREDENTIAL, f"PATCH {target.replace('.', '[.]')}")
    before = dns.powerdns.records("example.org.", "A")
    record = {"content": "192.0.2.66", "disabled": False}
    change = {"name": "www.example.org.", "type": "A", "ttl": 60, "changetype": "REPLACE", "records": [record]}
    url = f"{dns.proxy}/powerdns{target}"
    done = dns.run(["curl", "-sS", "-X", "PATCH", url, "-H", f"X-API-Key: {token}", "-d", "@-"], stdin=json.dumps({"rrsets": [change]}))
    holds("Name is out of zone" in done.stdout, f"PowerDNS says `{done.stdout}`")
    equal(dns.powerdns.records("example.org.", "A"), before, "the records of the other zone")
