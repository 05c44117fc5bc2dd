"""PowerDNS by way of curl, as its page has it."""

import recipes
from dns_stage import NO_WAY_OUT, POWERDNS_CREDENTIAL
from harness.cases import Cases, equal
from matrix import Row, says

ROWS = [Row("curl", says("curl", "--version"), "PowerDNS 4.7", "change in one zone, refusal of another")]
CASES = Cases(ROWS[0])


@CASES.case("powerdns.md: a change in one zone, and none in another")
def page(stage):
    dns = stage.dns
    dns.powerdns.add_zone("example.com.")
    token_file = dns.folder / "powerdns.token"
    dns.forget()
    recipes.follow(stage, "powerdns", PROXY=f"{dns.proxy}/powerdns", TOKEN_FILE=token_file, POWERDNS_API_KEY=POWERDNS_CREDENTIAL, **NO_WAY_OUT)
    arrived, _ = dns.only_through_the_proxy_to_powerdns(token_file.read_text())
    equal(arrived, ["PATCH /api/v1/servers/localhost/zones/example.com."], "what reached PowerDNS")
    equal(dns.powerdns.records("example.com.", "A"), {"new.example.com.": ["192.0.2.3"]}, "the records")
    dns.refused_only("DELETE /api/v1/servers/localhost/zones/example.net.")
