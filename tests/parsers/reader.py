"""What Python sees in a body or a query: README.md."""

import base64
import json
import math
import sys
import urllib.parse

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

_FORM = "application/x-www-form-urlencoded"


def main():
    for line in sys.stdin:
        request = json.loads(line)
        text = base64.b64decode(request["bytes"])
        sys.stdout.write(json.dumps(_KINDS[request["kind"]](text)) + "\n")
        sys.stdout.flush()


def _json(text):
    return {"python json": _or_error(lambda: {"json": shown(json.loads(text))})}


def _form(text):
    request = Request(EnvironBuilder(method="POST", data=text, content_type=_FORM).get_environ())
    return {"werkzeug form": _or_error(lambda: _pairs(request.form))}


def _query(text):
    environ = EnvironBuilder().get_environ()
    environ["QUERY_STRING"] = text.decode("latin-1")
    return {
        "werkzeug args": _or_error(lambda: _pairs(Request(environ).args)),
        "a reader whose + is a plus": _or_error(lambda: {"pairs": [_plain(piece) for piece in text.decode("latin-1").split("&") if piece]}),
    }


def _pairs(multiple):
    return {"pairs": shown([[name, value] for name, value in multiple.items(multi=True)])}


def _plain(piece):
    name, _, value = piece.partition("=")
    return [urllib.parse.unquote(name), urllib.parse.unquote(value)]


def _or_error(read):
    try:
        return read()
    except (ValueError, RecursionError, LookupError):
        return "error"


def shown(value):
    """The value, without what JSON cannot say."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {shown(name): shown(each) for name, each in value.items()}
    return value


_KINDS = {"json": _json, "form": _form, "query": _query}

if __name__ == "__main__":
    main()
