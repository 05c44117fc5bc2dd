"""A peer for tests between implementations.

Reads one JSON request from each line of standard input, and writes one JSON response on each line
of standard output.
"""

import dataclasses
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, inspect, mint, narrow, open_token, verify_key_set  # noqa: E402

DOINGS = {
    "mint": lambda order: dataclasses.asdict(mint(**order)),
    "narrow": lambda order: narrow(order["token"], order["caveat"]),
    "inspect": lambda order: dataclasses.asdict(inspect(order["token"])),
    "verifyKeySet": lambda order: dataclasses.asdict(verify_key_set(**order)),
    "open": lambda order: {"credential": open_token(order.pop("token"), **order).credential},
}

for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = {"ok": DOINGS[order.pop("do")](order)}
    except TokenError as error:
        answer = {"error": error.kind, "message": str(error)}
    print(json.dumps(answer), flush=True)
