"""pydo, DigitalOcean's own library, which sends no token without TLS and counts pages itself."""

import recipes
from dns_stage import DIGITALOCEAN_CREDENTIAL, NAMES, NO_WAY_OUT, package
from harness.cases import Cases, equal, holds
from matrix import Row

ROWS = [Row("pydo", package("pydo"), "stub of DigitalOcean", "3 pages by number, add and remove, refusal; over TLS")]
CASES = Cases(ROWS[0])

RULES = (
    "GET /v2/domains",
    "GET /v2/domains/example[.]org/records",
    "POST /v2/domains/example[.]org/records",
    "DELETE /v2/domains/example[.]org/records/[0-9]+",
)


@CASES.case("pydo lists five domains on three pages, whose links lead to the proxy")
def pages(stage):
    (domains, following), arrived = done(stage, ["domains", "next"])
    equal(domains, {"value": list(NAMES)}, "the domains")
    equal(len(arrived), 4, f"the requests: {arrived}")
    url, _ = stage.dns.tls
    equal(following, {"value": f"{url}/digitalocean/v2/domains?page=2&per_page=2"}, "the link")


@CASES.case("pydo adds a record and removes it")
def records(stage):
    (added, removed), arrived = done(stage, ["add", "remove"])
    equal((added, removed), ({"value": "new"}, {"value": [None]}), "what came of it")
    equal([each.split()[0] for each in arrived], ["POST", "GET", "DELETE"], "the requests")
    equal(stage.dns.digitalocean.domains["example.org"], {}, "what is left")


@CASES.case("pydo's exception says that the proxy refused a request, and why")
def refusal(stage):
    (refused,), arrived = done(stage, ["droplets"])
    equal((refused.get("error"), refused.get("status")), ("HttpResponseError", 403), f"the exception: {refused}")
    holds("magicproxy: the token does not allow this request" in refused["text"], f"its text is `{refused['text']}`")
    equal(arrived, [], "what reached the API")
    stage.dns.refused_only("GET /v2/droplets")


@CASES.case("pydo sends nothing without TLS")
def without_tls(stage):
    job = {"endpoint": f"{stage.dns.proxy}/digitalocean", "token": "none", "domain": "example.org", "calls": ["droplets"]}
    (refused,) = stage.dns.python("pydo_client.py", job)
    equal(refused.get("error"), "ServiceRequestError", f"the exception: {refused}")
    holds("non-TLS protected (non-https) URLs" in refused["text"], f"its text is `{refused['text']}`")


@CASES.case("pydo.md")
def page(stage):
    dns = stage.dns
    url, ca_file = dns.tls
    token_file = dns.folder / "pydo.token"
    dns.forget()
    recipes.follow(
        stage, "pydo", PROXY=f"{url}/digitalocean", CA_FILE=ca_file, TOKEN_FILE=token_file, DIGITALOCEAN_TOKEN=DIGITALOCEAN_CREDENTIAL,
        PATH=dns.path(), **NO_WAY_OUT,
    )
    equal(len(dns.only_through_the_proxy(dns.digitalocean, token_file.read_text())), 3, "the requests")
    dns.refused_only("GET /v2/droplets")


def done(stage, calls):
    dns = stage.dns
    url, ca_file = dns.tls
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, *RULES)
    dns.forget()
    job = {"endpoint": f"{url}/digitalocean", "token": token, "domain": "example.org", "calls": calls}
    outcomes = dns.python("pydo_client.py", job, REQUESTS_CA_BUNDLE=ca_file)
    return outcomes, dns.only_through_the_proxy(dns.digitalocean, token)
