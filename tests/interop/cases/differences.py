"""Where the two programs differ on purpose, and where the operator can make them agree."""

from harness.cases import Cases, equal, holds
from harness.exchange import ask, mint, order
from house import CREDENTIAL, KINDS

from .asked import PEER_REFUSAL, allowed, decides, refused
from .tokens import told

CASES = Cases()

#: Rules as people wrote them for the Python program, and requests. Which of them pass there is for that program to say.
RULES = ("GET /repos", "GET /user/?$", "POST /Repos/acme", "GET /gists/\\d+", "* /orgs/acme", "DELETE ^/user/keys", "GET /a|/b", "GET /.*/hooks")
REQUESTS = (
    "GET /repos", "GET /repos/x", "GET /reposx", "GET /REPOS", "POST /repos", "GET /user", "GET /user/", "GET /user/keys", "GET /users",
    "POST /repos/acme", "POST /repos/ACME/tool", "GET /gists/1", "GET /gists/1/forks", "GET /gists/x", "DELETE /orgs/acme", "PUT /orgs/acmeworks",
    "GET /orgs/other", "DELETE /user/keys/7", "DELETE /user", "GET /a", "GET /abc", "GET /b", "GET /c", "GET /x/y/hooks", "GET /x/y/hooks/9", "GET /",
)


@CASES.case("a rule spans the whole path here; there it is a beginning", over=KINDS)
def whole_path(house, kind):
    token = mint(house.peer(kind, "ours"), token=CREDENTIAL, allowed=["GET /repos"])
    for request in ("GET /repos/x", "GET /repository"):
        allowed(house, house.peer(kind, "ours"), request, token)
        refused(house, house.proxy("ours"), request, token, 403)
    allowed(house, house.proxy("ours"), "GET /repos", token)


@CASES.case("case matters here; there it does not", over=KINDS)
def letter_case(house, kind):
    token = mint(house.peer(kind, "ours"), token=CREDENTIAL, allowed=["GET /repos/Acme"])
    allowed(house, house.peer(kind, "ours"), "GET /REPOS/acme", token)
    refused(house, house.proxy("ours"), "GET /REPOS/acme", token, 403)
    allowed(house, house.proxy("ours"), "GET /repos/Acme", token)


@CASES.case("with danger_prefix_matching both decide alike", over=RULES)
def prefix_matching(house, rule):
    there, here = house.peer("sync", "ours"), house.prefix_proxy("ours")
    token = mint(there, token=CREDENTIAL, allowed=[rule])
    verdicts = {request: (decides(house, there, request, token), decides(house, here, request, token)) for request in REQUESTS}
    equal({request: verdict for request, verdict in verdicts.items() if verdict[0] != verdict[1]}, {}, "(there, here) where they differ")
    holds(any(verdict[0] for verdict in verdicts.values()), "the rule allows something, so that the comparison says something")


@CASES.case("what is allowed here is allowed there", over=RULES)
def never_wider(house, rule):
    there, here = house.peer("sync", "ours"), house.proxy("ours")
    token = mint(there, token=CREDENTIAL, allowed=[rule])
    wider = [request for request in REQUESTS if decides(house, here, request, token) and not decides(house, there, request, token)]
    equal(wider, [], "allowed here and not there")


@CASES.case("GET admits HEAD here; there it does not", over=KINDS)
def head(house, kind):
    token = mint(house.peer(kind, "ours"), token=CREDENTIAL, allowed=["GET /user"])
    allowed(house, house.proxy("ours"), "HEAD /user", token)
    refused(house, house.peer(kind, "ours"), "HEAD /user", token, PEER_REFUSAL[kind])


@CASES.case("an order with an unknown member, or with nothing to allow, is refused here; there it is taken", over=KINDS)
def stricter_orders(house, kind):
    for members in ({"allowed": ["GET /user"], "expires": 60}, {"allowed": []}, {"allowed": ["GTE /user"]}, {"allowed": ["GET user"]}):
        equal(order(house.proxy("ours"), token=CREDENTIAL, **members).status, 400, f"{members}: status here")
        equal(order(house.peer(kind, "ours"), token=CREDENTIAL, **members).status, 200, f"{members}: status there")


@CASES.case("a token that allows nothing is no token here; there it is refused at each request", over=KINDS)
def nothing_allowed(house, kind):
    token = mint(house.peer(kind, "ours"), token=CREDENTIAL, allowed=[])
    refused(house, house.peer(kind, "ours"), "GET /user", token, PEER_REFUSAL[kind])
    refused(house, house.proxy("ours"), "GET /user", token, 401)


@CASES.case("a long credential is minted here; there it does not fit, and ours cannot be opened", over=KINDS)
def long_credential(house, kind):
    long = "ghu_" + "x" * 516
    equal(order(house.peer(kind, "ours"), token=long, allowed=["GET /user"]).status, 500, "status there")
    token = mint(house.proxy("ours"), token=long, allowed=["GET /user"])
    allowed(house, house.proxy("ours"), "GET /user", token, credential=long)
    house.upstream.take()
    answer = ask(house.peer(kind, "ours"), "GET", "/user", token=token)
    holds(answer.status >= 400, f"status there: {answer.status}")
    equal(house.upstream.take(), [], "what reached the API from there")


@CASES.case("tokens of the Python program live five years; ours a day, unless ordered")
def lifetime(house):
    day = 86_400
    for token, seconds in (
        (mint(house.peer("sync", "ours"), token=CREDENTIAL, allowed=["GET /user"]), 5 * 365 * day),
        (mint(house.proxy("ours"), token=CREDENTIAL, allowed=["GET /user"]), day),
        (mint(house.proxy("ours"), token=CREDENTIAL, allowed=["GET /user"], expires_in=60), 60),
    ):
        claims = told(token)
        equal(claims["exp"] - claims["iat"], seconds, "seconds")
