"""Tokens: minted by one program, used with the other. The heart of the matter."""

import json

import jwt

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from house import CREDENTIAL, MAKERS

from .asked import PAIRS, PEER_REFUSAL, allowed, pair, refused

CASES = Cases()

RULES = ["GET /repos/acme/[^/]+", "POST /repos/acme/[^/]+/issues", "* /gists/\\d+"]
ALLOWED = ("GET /repos/acme/tool?per_page=100&page=2", "POST /repos/acme/tool/issues", "PATCH /gists/42", "DELETE /gists/42")
REFUSED = ("DELETE /repos/acme/tool", "GET /repos/other/tool", "GET /user", "POST /gists/x", "GET /")

#: An object rule, which only our orders know, and what it means.
OBJECT_RULE = {"method": ["GET", "PUT"], "route": "/repos/acme/{repo}/issues"}
OBJECT_ALLOWED = ("GET /repos/acme/tool/issues", "PUT /repos/acme/other/issues")
OBJECT_REFUSED = ("POST /repos/acme/tool/issues", "GET /repos/other/tool/issues", "GET /repos/acme/a/b/issues", "GET /repos/acme/issues")


@CASES.case("a token minted there is accepted here and decides right", over=PAIRS)
def theirs_here(house, of):
    there, here = pair(house, of)
    token = mint(there, token=CREDENTIAL, allowed=RULES)
    for request in ALLOWED:
        answer = allowed(house, here, request, token, body=body_of(request))
        equal(answer.json()["target"], request.split(" ")[1], "the answer")
    for request in REFUSED:
        refused(house, here, request, token, 403)


@CASES.case("a token minted here over HTTP is accepted there and decides right", over=PAIRS)
def ours_there(house, of):
    there, here = pair(house, of)
    decides_there(house, there, of[0], mint(here, token=CREDENTIAL, allowed=RULES))


@CASES.case("a token minted by `mint`, offline, is accepted there and decides right", over=PAIRS)
def offline_there(house, of):
    there, _ = pair(house, of)
    decides_there(house, there, of[0], house.mint_offline(maker_of(of), *RULES))


@CASES.case("a token that says whom it is for is accepted there and decides right", over=PAIRS)
def named_there(house, of):
    there, here = pair(house, of)
    token = mint(here, token=CREDENTIAL, allowed=RULES, sub="ci/agent-7")
    equal(told(token)["sub"], "ci/agent-7", "whom it is for")
    decides_there(house, there, of[0], token)


@CASES.case("a token with an object rule, minted here over HTTP, is understood there", over=PAIRS)
def object_rule(house, of):
    there, here = pair(house, of)
    object_rule_there(house, there, of[0], mint(here, token=CREDENTIAL, allowed=[OBJECT_RULE]))


@CASES.case("a token with an object rule, minted by `mint`, is understood there", over=PAIRS)
def object_rule_offline(house, of):
    there, _ = pair(house, of)
    object_rule_there(house, there, of[0], house.mint_offline(maker_of(of), json.dumps(OBJECT_RULE)))


@CASES.case("`inspect` and `explain` read a token of the Python program", over=PAIRS)
def explained(house, of):
    there, _ = pair(house, of)
    (token_file := house.folder / "explained.token").write_text(mint(there, token=CREDENTIAL, allowed=RULES))
    settings = ("--keys", house.keys(maker_of(of)), "--api-root", house.upstream.url)
    shown = json.loads(house.ok("inspect", "--json", "--token-file", token_file, *settings))
    equal((shown["accepted"], shown["signature"], shown["allowed"]), (True, "valid", RULES), "what `inspect` shows")
    statuses = [house.ours("explain", *settings, f"@{token_file}", *request.split(" ")).returncode for request in (*ALLOWED, *REFUSED)]
    equal(statuses, [0] * len(ALLOWED) + [3] * len(REFUSED), "what `explain` says")


@CASES.case("our tokens hold what theirs hold, and rules as strings", over=MAKERS)
def claims(house, maker):
    here, there = house.proxy(maker), house.peer("sync", maker)
    ours = told(mint(here, token=CREDENTIAL, allowed=[OBJECT_RULE, "GET /user"]))
    theirs = told(mint(there, token=CREDENTIAL, allowed=["GET /user"]))
    missing = [name for name in theirs if name not in ours]
    equal(missing, [], "claims of theirs that ours lack")
    equal({type(ours[name]) for name in ("iat", "exp")}, {int}, "the types of the times")
    holds(all(isinstance(rule, str) for rule in ours["allowed"]), f"rules are strings: {ours['allowed']}")
    equal(ours["scopes"], theirs["scopes"], "scopes of a token without them")


def decides_there(house, there, kind, token):
    for request in ALLOWED:
        allowed(house, there, request, token, body=body_of(request))
    for request in REFUSED:
        refused(house, there, request, token, PEER_REFUSAL[kind])


def object_rule_there(house, there, kind, token):
    holds(all(isinstance(rule, str) for rule in told(token)["allowed"]), "a token holds strings")
    for request in OBJECT_ALLOWED:
        allowed(house, there, request, token, body=body_of(request))
    for request in OBJECT_REFUSED:
        refused(house, there, request, token, PEER_REFUSAL[kind])


def body_of(request):
    return None if request.startswith(("GET", "DELETE")) else '{"title": "caf\\u00e9"}'


def maker_of(of):
    return of[1].removeprefix("keys ")


def told(token):
    """What a token says, unverified."""
    return jwt.decode(token, options={"verify_signature": False})
