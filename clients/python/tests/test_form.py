"""Tests of a token's form: the accepted spelling of each part, and a writer's spelling."""

import hashlib
import hmac
import json
import pathlib
import re
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "src"), str(pathlib.Path(__file__).parent)]

from magicproxy_token import TokenError, inspect, mint, narrow, open_token, size_warnings  # noqa: E402
from magicproxy_token.form import base32, base64url, from_base32, from_base64url, json_part, parse_foreign_object  # noqa: E402
from refusals import kind_of  # noqa: E402

VECTORS = json.loads((pathlib.Path(__file__).parents[3] / "testdata/vectors/token-v2.json").read_text("utf-8"))
KEY, MINTER = VECTORS["keys"][0], VECTORS["minter_keys"][0]
REQUEST = {"key": {name: KEY[name] for name in ("kty", "crv", "x")}, "credential": {"secret": "marked"}, "aud": "api", "allowed": "GET /a", "now": 1_000}
CLAIMS, SEALED, SIGNATURE, CAVEAT, TAG = range(5)
#: A character of each kind that base64url spells with `-` or `_`, and the neighbours of each.
MARKS = [*">?~\x7f\x80éĀ€\ufeff\uffff\U00010000😀\U0010ffff=@}!"]
FORM = re.compile(r"mt2_eyJ[A-Za-z0-9]+\.[a-z2-7]+\.[a-z2-7]{103}\.eyJ[A-Za-z0-9]+\.[a-z2-7]{51}[aq]")


def minted(**changes):
    return mint(**{**REQUEST, **changes}).token


def parts():
    return narrow(minted(minter=MINTER), {"sub": "agent"}).removeprefix("mt2_").split(".")


def read(text):
    return kind_of(lambda: inspect(text))


class Writing(unittest.TestCase):
    def test_a_token_has_letters_digits_and_dots_alone(self):
        """Each character at each place of a base64url group."""
        for text in [*MARKS, "".join(MARKS), "?>~" * 40]:
            for before in ("", "a", "aa", "aaa"):
                rules = [f"GET /{before}{text}"]
                narrowed = narrow(minted(minter=MINTER, allowed=rules), {"allowed": rules})
                self.assertRegex(narrowed, FORM)
                said = inspect(narrowed)
                self.assertEqual((said.claims["allowed"], said.caveats[0]["allowed"]), (rules, rules))

    def test_escapes(self):
        narrowed = narrow(minted(), '{"allowed":["GET /a?"]}')
        self.assertEqual(narrowed.split(".")[2], "eyJhbGxvd2VkIjpbIkdFVCAvYVx1MDAzZiJdfQ")
        self.assertEqual(from_base64url(json_part('"~\x7f😀"')), b'"\\u007e\\u007f\\ud83d\\ude00"')
        # A text that is not JSON does not become JSON by escapes.
        for caveat in ('{"sub":"a\\?"}', '{"sub":"a\\~"}', '{"sub":"a"}~', '{?"sub":"a"}', "?", '{"sub":"a"}é', '{"sub":"\ud800"}'):
            self.assertEqual(kind_of(lambda: narrow(minted(), caveat)), "caveat", ascii(caveat))
        self.assertEqual(kind_of(lambda: minted(allowed=["GET /\ud800"])), "claims")

    def test_long_tokens_are_told_twice(self):
        self.assertEqual(mint(**REQUEST).warnings, ())
        of = lambda length: size_warnings("a" * length)  # noqa: E731
        self.assertEqual((of(4095), len(of(4096)), len(of(7500))), ([], 1, 1))
        self.assertNotEqual(of(7499)[0].replace("7499", "7500"), of(7500)[0])
        long = mint(**{**REQUEST, "allowed": [f"GET /repos/{number}" for number in range(200)]})
        self.assertEqual(list(long.warnings), size_warnings(long.token))
        self.assertEqual(len(long.warnings), 1)


class Reading(unittest.TestCase):
    def test_no_escape_is_needed_where_the_alphabet_holds(self):
        kept, _, tag = minted().rpartition(".")
        for part, expected in (
            ("eyJhbGxvd2VkIjpbIkdFVCAvYT8iXX0", "accepted"),
            ("eyJhbGxvd2VkIjpbIkdFVCAvYWE_Il19", "malformed"),
            (base64url('{"allowed":["GET /aaé"]}'.encode()), "accepted"),
            (base64url(b'{"allowed":["GET /aa~"]}'), "malformed"),
        ):
            link = base32(hmac.new(from_base32(tag), part.encode(), hashlib.sha256).digest())
            self.assertEqual(read(f"{kept}.{part}.{link}"), expected, part)

    def test_each_part_has_one_spelling(self):
        whole = parts()
        token = lambda at, part: "mt2_" + ".".join([*whole[:at], part, *whole[at + 1 :]])  # noqa: E731
        self.assertEqual(read("mt2_" + ".".join(whole)), "accepted")
        for at, part in enumerate(whole):
            for wrong in ("", part + "=", part + "\n", " " + part, part + "-", "-" + part, "_" + part, f"{part[:9]}é{part[10:]}", f"{part[:9]}\ud800{part[10:]}"):
                self.assertEqual(read(token(at, wrong)), "malformed", (at, wrong))
        for at in (SEALED, SIGNATURE, TAG):
            part = whole[at]
            short = part[: len(part) - len(part) % 8]
            for wrong in (part.upper(), short + "a", short + "aaa", *(f"{part[:7]}{character}{part[8:]}" for character in "0189A")):
                self.assertEqual(read(token(at, wrong)), "malformed", (at, wrong))
            # The last characters of the same part with other unused bits.
            others = [part[:-1] + last for last in "abcdefghijklmnopqrstuvwxyz234567" if from_base32(part[:-1] + last) is None]
            self.assertEqual(len(others), 32 - 2 ** (5 - len(part) * 5 % 8))
            for wrong in others:
                self.assertEqual(read(token(at, wrong)), "malformed")
        self.assertEqual(read(token(TAG, base32(bytes(31)))), "malformed")
        # The length of the signature depends on the minter's key, not on the form.
        for length in (1, 63, 65, 2420, 3309):
            self.assertEqual(read(token(SIGNATURE, base32(bytes(length)))), "accepted", length)

    def test_what_is_no_sealed_token_is_told_apart(self):
        body = ".".join(parts())
        for text, words in (
            ("mt2." + body, "`mt2.` where tokens have `mt2_`"),
            ("mt1_" + body, "version 1"),
            (body, "version 1"),
            (" mt2_" + body, "`mt2_…`"),
            ("", "`mt2_…`"),
            ("mt2_", "too few parts"),
            (f"mt2_{body} ", "only letters, digits"),
        ):
            with self.assertRaises(TokenError) as refused:
                inspect(text)
            self.assertEqual(refused.exception.kind, "malformed")
            self.assertIn(words, str(refused.exception))
        self.assertEqual(read("mt2_" + "é" * 5_000), "too_long")

    def test_json_nests_as_deep_as_it_likes_and_is_refused(self):
        token = minted()
        for depth in (7, 100, 1_000, 5_000):
            text = f'{{"x":{"[" * depth}{"]" * depth}}}'
            kind = "claims" if depth < 5_000 else "too_long"
            self.assertEqual(read(f"mt2_{base64url(text.encode())}.{token.partition('.')[2]}"), kind)
            self.assertEqual(kind_of(lambda: narrow(token, text)), "caveat")  # noqa: B023
        parse_foreign_object(b'{"x":' + b"[" * 16 + b"]" * 16 + b"}")
        for depth in (127, 1_000, 100_000):
            with self.assertRaises((ValueError, RecursionError)):
                parse_foreign_object(f'{{"x":{"[" * depth}{"]" * depth}}}'.encode())

    def test_members_that_are_not_known_hold_any_json(self):
        said = parse_foreign_object(b'{"a":[null,-1,1.5,1e9,123456789012345678901234567890],"b":{"c":null},"d":7,"e":true}')
        self.assertEqual(said, {"a": [None, -1, 1.5, 1e9, 123456789012345678901234567890.0], "b": {"c": None}, "d": 7, "e": True})
        wrong = ('{"a":NaN}', '{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":nul}', '{"a":null,"a":1}', '{"a":"\\ud800"}', '{"a":1 2}', '{"a":Infinity}')
        for text in wrong:
            with self.assertRaises(ValueError, msg=text):
                parse_foreign_object(text.encode())

    def test_from(self):
        origin = {"chain": "0123456789abcdef" * 2, "owner": "0" * 64, "kid": KEY["kid"]}
        narrowed = narrow(minted(), {"from": origin})
        self.assertEqual(inspect(narrowed).caveats, [{"from": origin}])
        open_token(narrowed, keys=[KEY], now=1_000, deny_kid=["another"])
        other = narrow(minted(), {"from": {**origin, "kid": "A" * 43}})
        self.assertEqual(kind_of(lambda: open_token(other, keys=[KEY], now=1_000, deny_kid=["A" * 43])), "unknown_key")
        wrong = ({}, {**origin, "jti": "x"}, {"chain": origin["chain"]}, {**origin, "chain": "ABCD" * 8}, {**origin, "owner": "0"}, {**origin, "kid": "A" * 42 + "="}, "x", [])
        for value in wrong:
            self.assertEqual(kind_of(lambda: narrow(minted(), {"from": value})), "caveat", value)

    def test_the_first_label_is_no_dash(self):
        self.assertEqual(kind_of(lambda: minted(sub="-")), "claims")
        self.assertEqual(inspect(narrow(minted(sub="--"), {"sub": "-"})).labels, ["--", "-"])


if __name__ == "__main__":
    unittest.main()
