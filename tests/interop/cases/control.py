"""What the Python program's own integration tests check over HTTP, asked of both programs."""

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint, order, order_json
from house import CREDENTIAL, KINDS

from .asked import PAIRS, PEER_REFUSAL, allowed, pair, refused

CASES = Cases()

#: Orders that neither program takes.
MISSPELT = (
    {},
    {"tokn": CREDENTIAL, "allowed": ["GET /user"]},
    {"token": CREDENTIAL},
    {"token": CREDENTIAL, "alowed": ["GET /user"]},
    {"token": CREDENTIAL, "scpe": "triage"},
    {"token": CREDENTIAL, "allowed": ["GET"]},
    {"token": CREDENTIAL, "allowed": [7]},
    {"token": CREDENTIAL, "allowed": ["GET /user"], "scopes": ["triage"]},
    {"token": CREDENTIAL, "allowed": ["GET /user"], "scope": "triage"},
    {"allowed": ["GET /user"]},
)


@CASES.case("GET /__magictoken says the same on both, but for the version", over=PAIRS)
def about(house, of):
    beginning = f"magic API proxy for {house.upstream.url} version "
    for base in pair(house, of):
        answer = ask(base, "GET", "/__magictoken")
        equal(answer.status, 200, "status")
        holds(answer.text.startswith(beginning), f"expected `{beginning}…`, got `{answer.text}`")


@CASES.case("misspelt orders are refused with 400 by both, with a reason", over=PAIRS)
def misspelt(house, of):
    for base in pair(house, of):
        for members in MISSPELT:
            answer = order_json(base, members)
            equal(answer.status, 400, f"{members}: status")
            holds(answer.text, f"{members}: there is a reason")
            holds(CREDENTIAL not in answer.text, f"{members}: the reason shows the credential")


@CASES.case("a token is answered as application/jwt by both", over=PAIRS)
def media_type(house, of):
    for base in pair(house, of):
        answer = order(base, token=CREDENTIAL, allowed=["GET /user"])
        equal((answer.status, answer.headers.get_content_type()), (200, "application/jwt"), "status and type")
        equal(answer.text.count("."), 2, "the parts of the token")
        equal(answer.text, answer.text.strip(), "the token, with nothing around it")


@CASES.case("an authorised request is answered by the API, through both", over=PAIRS)
def authorised(house, of):
    for base in pair(house, of):
        answer = allowed(house, base, "GET /user", mint(base, token=CREDENTIAL, allowed=["GET /user"]))
        equal(answer.headers.get_all("X-Upstream"), ["recorded"], "the API's header")
        equal(len(answer.headers.get_all("X-Magic-API-Proxy", [])), 1, "how often X-Magic-API-Proxy is there")


@CASES.case("an unauthorised request is refused by both: 403 here, 401 or 403 there", over=KINDS)
def unauthorised(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    token = mint(there, token=CREDENTIAL, allowed=["GET /user"])
    refused(house, there, "GET /user2", mint(there, token=CREDENTIAL, allowed=["GET /user/"]), PEER_REFUSAL[kind])
    refused(house, there, "POST /user", token, PEER_REFUSAL[kind])
    refused(house, here, "POST /user", token, 403)


@CASES.case("no token, and no valid token, are refused by both: 401 here", over=KINDS)
def missing_token(house, kind):
    there, here = house.peer(kind, "ours"), house.proxy("ours")
    # Missing: the Python program's two servers disagree. Not valid: the asynchronous one does not catch its own exception.
    for token, status in ((None, {"sync": 401, "async": 403}), ("not.a.token", {"sync": 400, "async": 500}), (CREDENTIAL, {"sync": 400, "async": 500})):
        refused_plainly(house, there, token, status[kind])
        refused_plainly(house, here, token, 401)


@CASES.case("a wrong credential is the API's to refuse: its 401 passes through both", over=PAIRS)
def wrong_credential(house, of):
    for base in pair(house, of):
        token = mint(base, token="ghp_wrong", allowed=["GET /user"])
        answer = allowed(house, base, "GET /user", token, credential="ghp_wrong")
        # The asynchronous server streams the body before it raises: short bodies do arrive.
        equal(answer.json(), {"message": "Bad credentials"}, "the API's own body")
        equal(answer.headers.get_all("X-Upstream"), ["recorded"], "the API's header")


def refused_plainly(house, base, token, status):
    house.upstream.take()
    answer = ask(base, "GET", "/user", token=token)
    equal(house.upstream.take(), [], "what reached the API")
    equal(answer.status, status, f"status with the token {token!r}")
