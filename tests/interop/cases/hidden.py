"""What the Python program would pass over: `docs/spec/token-v1.md` section 5.2. Each such token works here and fails there."""

import json
import shutil
import time

import jwt

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint
from harness.upstream import Upstream
from house import CREDENTIAL, KINDS

from .asked import allowed
from .jose import private_key, signed
from .tokens import told

CASES = Cases()

#: A caveat of each kind, all of which `GET /user` satisfies.
CAVEATS = {
    "rules": {"allowed": ["GET /user"]},
    "an end": {"exp": 253402300799},
    "a beginning": {"nbf": 1},
    "an upstream": {"aud": "UPSTREAM"},
    "a label": {"sub": "agent"},
    "a sender": {"sender": {"cidr": ["127.0.0.0/8", "::1/128"]}},
    "a limit": {"limit": {"total": 1000}},
}

#: A rule with a limit, which the Python program reaches only where no text before it matches.
STATEFUL = [{"method": "GET", "path": "/a", "limit": {"total": 1}}, {"method": "GET", "path": "/user", "limit": {"total": 1000}}]


def narrowed(house, base, token, caveat):
    text = json.dumps({"caveat": caveat}).replace("UPSTREAM", name(house))
    answer = ask(base, "POST", "/__magictoken/narrow", token=token, headers={"Content-Type": "application/json"}, body=text)
    equal(answer.status, 200, f"status of {caveat}: {answer.text}")
    return answer.text


def name(house):
    return house.upstream.url.removeprefix("http://")


def fails_there(house, there, token, request="GET /user"):
    """Nothing is sent; and it is the member's name that does it: with the other one everything passes."""
    method, target = request.split(" ")
    house.upstream.take()
    answer = ask(there, method, target, token=token)
    equal((answer.status >= 400, house.upstream.take()), (True, []), f"{answer.status} there, and what reached the API")
    claims = told(token)
    holds("token" not in claims and "sealed" in claims, f"the members: {sorted(claims)}")
    as_before = jwt.encode(claims | {"token": claims["sealed"]}, private_key(house, "ours"), "RS256")
    ask(there, method, target, token=as_before)
    equal(len(house.upstream.take()), 1, "requests that reach the API by a token with the claim `token`")


@CASES.case("a narrowed token works here and fails there, whatever the caveat", over=KINDS)
def caveats(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    for maker in (there, here):
        parent = mint(maker, token=CREDENTIAL, allowed=["GET /user.*"])
        for caveat in CAVEATS.values():
            child = narrowed(house, here, parent, caveat)
            allowed(house, here, "GET /user", child)
            fails_there(house, there, child)
            fails_there(house, there, narrowed(house, here, child, {"sub": "again"}))
        allowed(house, there, "GET /user", parent)


@CASES.case("a token with a limit of its own, or in a rule, works here and fails there", over=KINDS)
def limits(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    for members in ({"allowed": ["GET /user"], "limit": {"total": 9}}, {"allowed": STATEFUL[1:]}):
        token = mint(here, token=CREDENTIAL, **members)
        allowed(house, here, "GET /user", token)
        holds(ask(there, "GET", "/user", token=token).status >= 400, "status there")
    fails_there(house, there, mint(here, token=CREDENTIAL, allowed=["GET /user"], limit={"total": 9}))
    # A text before it, which is the beginning of more paths there than here.
    token = mint(here, token=CREDENTIAL, allowed=["GET /user", {"method": "GET", "path": "/user/keys", "limit": {"total": 1}}])
    fails_there(house, there, token, "GET /user/keys")


@CASES.case("a token for another API works here and fails there, so that its credential goes nowhere else", over=KINDS)
def other_api(house, kind):
    there, secret = house.peer(kind, "ours"), "glpat-ofAnotherApi0123456789"
    with Upstream(secret) as other:
        tables = f'[upstream]\napi_root = "{house.upstream.url}"\n[upstreams.other]\napi_root = "{other.url}"\n'
        file = house.file(f"two-{kind}.toml", tables)
        here = house.proxy_with(f"two-{kind}", dict, ["--config", file], "ours")
        offline = ["--config", file, "--keys", house.our_keys, "--allow", "GET /user", "--credential-file", "-"]
        for token in (
            mint(f"{here}/other", token=secret, allowed=["GET /user"]),
            house.ok("mint", "--aud", "other", *offline, stdin=secret),
        ):
            other.take()
            equal(ask(here, "GET", "/other/user", token=token).status, 200, "status here")
            equal([each.values("Authorization") for each in other.take()], [[f"Bearer {secret}"]], "what reached its API")
            fails_there(house, there, token)
        for token in (mint(here, token=CREDENTIAL, allowed=["GET /user"]), house.ok("mint", *offline, stdin=CREDENTIAL)):
            equal(("token" in told(token), told(token)["aud"]), (True, name(house)), "the default upstream's")
            allowed(house, there, "GET /user", token)


@CASES.case("where no upstream is the default one, all tokens fail there", over=KINDS)
def no_default(house, kind):
    tables = f'[upstreams.one]\napi_root = "{house.upstream.url}"\n[upstreams.two]\napi_root = "https://api.example.com"\n'
    here = house.proxy_with("no-default", dict, ["--config", house.file("no-default.toml", tables)], "ours")
    token = mint(f"{here}/one", token=CREDENTIAL, allowed=["GET /user"])
    equal(ask(here, "GET", "/one/user", token=token).status, 200, "status here")
    fails_there(house, house.peer(kind, "ours"), token)


@CASES.case("a receipt works here and fails there", over=KINDS)
def receipts(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    rule = {"method": "POST", "path": "/user", "grants": ["GET /user/{response.method}"], "receipt": True}
    receipt = ask(here, "POST", "/user", token=mint(here, token=CREDENTIAL, allowed=[rule])).headers["Magic-Receipt"]
    allowed(house, here, "GET /user/POST", receipt)
    fails_there(house, there, receipt, "GET /user/POST")


@CASES.case("a token that was sealed anew works here and fails there, narrowed or not", over=KINDS)
def sealed_anew(house, kind):
    folder = house.folder / f"keys-rotated-{kind}"
    shutil.copytree(house.our_keys, folder)
    plain = mint(house.proxy("ours"), token=CREDENTIAL, allowed=["GET /user.*"])
    child = narrowed(house, house.proxy("ours"), plain, {"allowed": ["GET /user"]})
    house.ok("keys", "rotate", "--keys", folder)
    here = house.proxy_with(f"rotated-{kind}", dict, ["--api-root", house.upstream.url, "--keys", folder])
    there = house.peer_with(f"rotated-peer-{kind}", kind, lambda: {"KEYS_LOCATION": folder, "API_ROOT": house.upstream.url})
    allowed(house, there, "GET /user", mint(here, token=CREDENTIAL, allowed=["GET /user"]))
    for old in (plain, child):
        answer = ask(here, "POST", "/__magictoken/reseal", token=old)
        equal(answer.status, 200, f"status of the new seal: {answer.text}")
        holds(jwt.get_unverified_header(answer.text)["kid"] != jwt.get_unverified_header(old)["kid"], "it is by another key")
        allowed(house, here, "GET /user", answer.text)
        house.upstream.take()
        holds(ask(there, "GET", "/user", token=answer.text).status >= 400, "status there")
        equal(house.upstream.take(), [], "what reached the API from there")


@CASES.case("a token that begins later, by another maker who follows the specification, works here and fails there", over=KINDS)
def begins_later(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    ciphertext = told(mint(there, token=CREDENTIAL, allowed=["GET /user"]))["token"]
    allowed(house, here, "GET /user", signed(house, "ours", {"sealed": ciphertext, "nbf": int(time.time()) - 60}))
    for nbf in (-60, 3600):
        fails_there(house, there, signed(house, "ours", {"sealed": ciphertext, "nbf": int(time.time()) + nbf}))


@CASES.case("both claims are read here, and exactly one of them is wanted")
def both_read(house):
    here = house.proxy("ours")
    ciphertext = told(mint(here, token=CREDENTIAL, allowed=["GET /user"]))["token"]
    for claims in ({"token": ciphertext}, {"sealed": ciphertext}):
        allowed(house, here, "GET /user", signed(house, "ours", claims))
    for claims in ({"token": ciphertext, "sealed": ciphertext}, {}):
        house.upstream.take()
        equal(ask(here, "GET", "/user", token=signed(house, "ours", claims)).status, 401, f"status with {sorted(claims)}")
        equal(house.upstream.take(), [], "what reached the API")
