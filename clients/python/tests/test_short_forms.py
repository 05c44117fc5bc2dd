"""Tests of short forms of the calling program's values."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, inspect, mint, narrow  # noqa: E402

KEY = json.loads((pathlib.Path(__file__).parents[3] / "testdata/vectors/token-v2.json").read_text("utf-8"))["keys"][0]
PUBLIC = {name: KEY[name] for name in ("kty", "crv", "x")}


def minted(**request):
    return mint(key=PUBLIC, credential={"secret": "marked"}, aud="api", now=1_000, **request).token


def claims(**request):
    return inspect(minted(**request)).claims


class ShortForms(unittest.TestCase):
    def test_one_value_is_a_list_of_one(self):
        self.assertEqual(claims(allowed="GET|PUT route:/a/{b}")["allowed"], ["GET|PUT route:/a/{b}"])
        self.assertEqual(claims(allowed={"method": "GET", "path": "/a"})["allowed"], [{"method": "GET", "path": "/a"}])
        self.assertEqual(claims(scopes="read")["scopes"], ["read"])
        narrowed = narrow(minted(allowed="GET /a"), {"allowed": "GET /a", "sender": {"cidr": "192.0.2.0/24"}})
        self.assertEqual(inspect(narrowed).caveats, [{"allowed": ["GET /a"], "sender": {"cidr": ["192.0.2.0/24"]}}])

    def test_lengths_of_time(self):
        for text, length in [(90, 90), ("90", 90), ("90s", 90), ("1h", 3600), ("1h 30m", 5400), ("1d2h", 93600), ("2w", 1209600)]:
            self.assertEqual(claims(allowed="GET /a", expires_in=text)["exp"], 1_000 + length, text)
        for text in ["", "soon", "1x", "-1h", "1.5h", "1 h", " 1h", "30m 1h", "1h 1h", None, ["1h"], {}]:
            with self.assertRaises(TokenError, msg=text):
                claims(allowed="GET /a", expires_in=text)


if __name__ == "__main__":
    unittest.main()
