"""What the cases ask of either program: is this request let through, and with which credential?"""

import itertools

from harness.cases import equal, holds
from harness.exchange import ask
from house import CREDENTIAL, KINDS, MAKERS

#: Each server of the Python program with keys of each maker.
PAIRS = tuple(itertools.product(KINDS, [f"keys {maker}" for maker in MAKERS]))

#: How the Python program's servers refuse what a token does not allow.
PEER_REFUSAL = {"sync": 401, "async": 403}


def pair(house, of):
    """The two proxies that share keys: the Python program's and ours."""
    kind, maker = of[0], of[1].removeprefix("keys ")
    return house.peer(kind, maker), house.proxy(maker)


def allowed(house, base, request, token, *, body=None, credential=CREDENTIAL):
    """The request reaches the API once, as it was sent, with the credential and nothing of the token.

    Of the asynchronous server's answer only the beginning can be relied on: it raises an exception after streaming. So for
    both kinds this looks at the status and at what reached the API, and leaves the body to the cases that can.
    """
    method, target = request.split(" ", 1)
    house.upstream.take()
    answer = ask(base, method, target, token=token, body=body)
    arrived = house.upstream.take()
    holds(len(arrived) == 1, f"{request}: {len(arrived)} requests reached the API; the answer was {answer.status} {answer.text[:200]}")
    equal((arrived[0].method, arrived[0].target), (method, target), "what reached the API")
    equal(arrived[0].values("Authorization"), [f"Bearer {credential}"], f"{request}: Authorization at the API")
    equal(arrived[0].body, (body or "").encode(), f"{request}: the body at the API")
    holds(token not in repr(arrived), f"{request}: the magic token reached the API")
    equal(answer.status, 200 if credential == CREDENTIAL else 401, f"{request}: status")
    return answer


def refused(house, base, request, token, status):
    """The request is answered with this status, and nothing reaches the API."""
    method, target = request.split(" ", 1)
    house.upstream.take()
    answer = ask(base, method, target, token=token)
    equal(house.upstream.take(), [], f"{request}: what reached the API")
    equal(answer.status, status, f"{request}: status ({answer.text[:200]})")
    return answer


def decides(house, base, request, token):
    """Whether the request reaches the API."""
    method, target = request.split(" ", 1)
    house.upstream.take()
    answer = ask(base, method, target, token=token)
    through = bool(house.upstream.take())
    equal(answer.status == 200, through, f"{request}: answered {answer.status}; reached the API")
    return through
