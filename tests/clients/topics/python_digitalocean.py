"""python-digitalocean, which follows the whole URLs of further pages that DigitalOcean gives, and sends its token along."""

import recipes
from dns_stage import DIGITALOCEAN_CREDENTIAL, NAMES, NO_WAY_OUT, package
from harness.cases import Cases, equal, holds
from matrix import Row

ROWS = [Row("python-digitalocean", package("python-digitalocean"), "stub of DigitalOcean", "3 pages by absolute URL, add and remove, refusal")]
CASES = Cases(ROWS[0])

# It asks for `/v2/domains/`; the URLs of further pages have no slash at the end.
RULES = (
    "GET /v2/domains/?",
    "GET /v2/domains/example[.]org/records/?",
    "POST /v2/domains/example[.]org/records/?",
    "DELETE /v2/domains/example[.]org/records/[0-9]+/?",
)


@CASES.case("python-digitalocean lists five domains on three pages, all of them through the proxy")
def pages(stage):
    (domains,), arrived = done(stage, ["domains"])
    equal(domains, {"value": list(NAMES)}, "the domains")
    equal(len(arrived), 3, f"the requests: {arrived}")
    holds(arrived[0].startswith("GET /v2/domains/?"), f"a slash before the query: {arrived[0]}")


@CASES.case("python-digitalocean adds a record, finds it and removes it")
def records(stage):
    (added, found, removed, left), _ = done(stage, ["add", "records", "remove", "records"])
    equal((added, found, removed, left), ({"value": "new"}, {"value": ["new"]}, {"value": [True]}, {"value": []}), "what came of it")


@CASES.case("python-digitalocean's exception says that the proxy refused a request, and why")
def refusal(stage):
    (refused,), arrived = done(stage, ["droplets"])
    equal(refused.get("error"), "DataReadError", f"the exception: {refused}")
    holds("magicproxy: the token does not allow this request" in refused["text"], f"its text is `{refused['text']}`")
    equal(arrived, [], "what reached the API")
    stage.dns.refused_only("GET /v2/droplets/")


@CASES.case("python-digitalocean.md")
def page(stage):
    dns = stage.dns
    token_file = dns.folder / "python-digitalocean.token"
    dns.forget()
    recipes.follow(
        stage, "python-digitalocean", PROXY=f"{dns.proxy}/digitalocean", TOKEN_FILE=token_file, DIGITALOCEAN_TOKEN=DIGITALOCEAN_CREDENTIAL,
        PATH=dns.path(), **NO_WAY_OUT,
    )
    equal(len(dns.only_through_the_proxy(dns.digitalocean, token_file.read_text())), 3, "the requests")
    dns.refused_only("GET /v2/droplets/")


def done(stage, calls):
    dns = stage.dns
    token = dns.token("digitalocean", DIGITALOCEAN_CREDENTIAL, *RULES)
    dns.forget()
    job = {"token": token, "domain": "example.org", "calls": calls}
    # By the environment, not by `end_point`: the objects that a list gives would not inherit that.
    outcomes = dns.python("python_digitalocean.py", job, DIGITALOCEAN_END_POINT=f"{dns.proxy}/digitalocean/v2/")
    return outcomes, dns.only_through_the_proxy(dns.digitalocean, token)
