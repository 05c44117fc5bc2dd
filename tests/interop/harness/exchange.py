"""One HTTP exchange, with nothing added, followed or repaired."""

import dataclasses
import http.client
import json
import urllib.parse

from .patience import HANGS


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    #: Whether the body came to its end.
    whole: bool = True

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


def ask(base, method, target, *, token=None, headers=None, body=None):
    """Sends one request to the server at `base` and reads the answer."""
    headers = dict(headers or {})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=HANGS)
    try:
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        try:
            return Answer(response.status, response.headers, response.read())
        except http.client.IncompleteRead as cut:
            return Answer(response.status, response.headers, cut.partial, whole=False)
    finally:
        connection.close()


def order(base, **members):
    """Sends an order for a token."""
    return order_json(base, members)


def order_json(base, value):
    """Sends any JSON as an order for a token; `base` may be a mount of the server."""
    headers = {"Content-Type": "application/json"}
    return ask(base, "POST", urllib.parse.urlsplit(base).path + "/__magictoken", headers=headers, body=json.dumps(value))


def mint(base, **members):
    """A token from the server at `base`; fails where it gives none."""
    answer = order(base, **members)
    if answer.status != 200:
        raise AssertionError(f"no token was minted: {answer.status} {answer.text}")
    return answer.text
