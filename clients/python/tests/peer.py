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
    "mint": lambda request: dataclasses.asdict(mint(**request)),
    "narrow": lambda request: narrow(request["token"], request["caveat"]),
    "inspect": lambda request: dataclasses.asdict(inspect(request["token"])),
    "verifyKeySet": lambda request: dataclasses.asdict(verify_key_set(**request)),
    "open": lambda request: {"credential": open_token(request.pop("token"), **request).credential},
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        response = {"ok": DOINGS[request.pop("do")](request)}
    except TokenError as error:
        response = {"error": error.kind, "message": str(error)}
    print(json.dumps(response), flush=True)
