"""`python -m magicproxy_token narrow|inspect`: the token on standard input, never as an argument."""

import argparse
import dataclasses
import json
import sys

from . import TokenError, inspect, narrow, size_warnings


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="magicproxy-token", description="Narrow or inspect the magic token on standard input.")
    commands = parser.add_subparsers(dest="command", required=True)
    narrowing = commands.add_parser("narrow", help="print a weaker token")
    narrowing.add_argument("caveat", help='JSON: {"allowed": ["GET /user"], "exp": 1790000060}')
    commands.add_parser("inspect", help="print what the token says, as JSON")
    given = parser.parse_args(arguments)
    token = sys.stdin.read().strip()
    try:
        if given.command == "inspect":
            print(json.dumps(dataclasses.asdict(inspect(token)), indent=2))
            return 0
        narrowed = narrow(token, given.caveat)
    except TokenError as error:
        print(f"error: {error.kind}: {error}", file=sys.stderr)
        return 1
    for warning in size_warnings(narrowed):
        print(f"warning: {warning}", file=sys.stderr)
    print(narrowed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
