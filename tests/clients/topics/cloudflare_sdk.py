"""Cloudflare's own SDKs, in Python and JavaScript, which count pages until one is empty."""

import functools

import recipes
from dns_stage import CLOUDFLARE_CREDENTIAL, NAMES, NO_WAY_OUT, package
from harness.cases import Cases, equal, holds
from matrix import Row, npm

ROWS = [
    Row("cloudflare (Python)", package("cloudflare"), "stub of Cloudflare", "pages until an empty one, add and remove, refusal"),
    Row("cloudflare (JavaScript)", npm("cloudflare"), "stub of Cloudflare", "pages until an empty one, add and remove, refusal"),
]
CASES = Cases()
LANGUAGES = {"Python": ROWS[0], "JavaScript": ROWS[1]}


def in_each(name):
    """A case for each SDK."""

    def register(check):
        for language, row in LANGUAGES.items():
            CASES.case(f"cloudflare for {language} {name}", row=row)(functools.partial(check, language=language))
        return check

    return register


@in_each("lists five zones, page by page until an empty one")
def pages(stage, language):
    (zones,), arrived = done(stage, language, ["zones"])
    equal(zones, {"value": list(NAMES)}, "the zones")
    equal(len(arrived), 4, f"the requests: {arrived}")


@in_each("adds a record, finds it and removes it")
def records(stage, language):
    (added, found, removed, left), _ = done(stage, language, ["add", "records", "remove", "records"])
    equal((added, found, left), ({"value": "new.example.org"}, {"value": ["new.example.org"]}, {"value": []}), f"what came of it ({removed})")


@in_each("says that the proxy refused a request, and why, and does not try again")
def refusal(stage, language):
    (refused,), arrived = done(stage, language, ["accounts"])
    equal(refused.get("status"), 403, f"the exception: {refused}")
    holds("magicproxy: the token does not allow this request" in refused["text"], f"its text is `{refused['text']}`")
    equal(refused["messages"], ["magicproxy: the token does not allow this request"], "the errors that the SDK found in the answer")
    equal(arrived, [], "what reached the API")
    stage.dns.refused_only("GET /client/v4/accounts")


@CASES.case("cloudflare.md, with both SDKs", row=ROWS[0])
def page(stage):
    dns = stage.dns
    token_file = dns.folder / "cloudflare.token"
    stage.node_packages_for_recipes()
    dns.forget()
    recipes.follow(
        stage, "cloudflare", PROXY=f"{dns.proxy}/cloudflare", TOKEN_FILE=token_file, CLOUDFLARE_API_TOKEN=CLOUDFLARE_CREDENTIAL,
        CLOUDFLARE_ZONE_ID=dns.cloudflare.zone_id("example.org"), PATH=dns.path(), **NO_WAY_OUT,
    )
    arrived = dns.only_through_the_proxy(dns.cloudflare, token_file.read_text())
    equal(len(arrived), 8, f"the requests: {arrived}")
    zone = dns.cloudflare.zone_id("example.org")
    dns.refused_only(*[f"DELETE /client/v4/zones/{zone}/dns_records/{'0' * 32}"] * 2)


def done(stage, language, calls):
    dns = stage.dns
    zone = dns.cloudflare.zone_id("example.org")
    records = f"/client/v4/zones/{zone}/dns_records"
    rules = ("GET /client/v4/zones", f"GET {records}", f"POST {records}", f"DELETE {records}/[0-9a-f]+")
    token = dns.token("cloudflare", CLOUDFLARE_CREDENTIAL, *rules)
    dns.forget()
    job = {"token": token, "zone": zone, "calls": calls}
    base = {"CLOUDFLARE_BASE_URL": f"{dns.proxy}/cloudflare/client/v4"}
    outcomes = dns.python("cloudflare_client.py", job, **base) if language == "Python" else dns.node("cloudflare.mjs", job, **base)
    return outcomes, dns.only_through_the_proxy(dns.cloudflare, token)
