"""Rules with conditions: testdata/vectors/conditions.json."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, inspect, mint, narrow  # noqa: E402

FOLDER = pathlib.Path(__file__).parents[3] / "testdata/vectors"
KEY = json.loads((FOLDER / "token-v2.json").read_text("utf-8"))["keys"][0]
VECTORS = json.loads((FOLDER / "conditions.json").read_text("utf-8"))
RULES = VECTORS["rules"]


def minted(allowed):
    public = {name: KEY[name] for name in ("kty", "crv", "x")}
    return mint(key=public, credential={"secret": "marked"}, aud="api", allowed=allowed).token


def error_of(call, *arguments):
    try:
        call(*arguments)
    except TokenError as error:
        return error
    return None


def whole(case):
    return case.get("rule") or {"method": "POST", "route": "/a/{id}/{rest*}", **case["conditions"]}


class Conditions(unittest.TestCase):
    def test_vectors(self):
        token = minted("GET /a")
        refusals = 0
        for case in RULES:
            allowed = ["GET /a", whole(case)]
            errors = [error_of(minted, allowed)]
            spelled = errors[0]
            if not {"limit", "grants"} & set(whole(case)):
                errors.append(error_of(narrow, token, {"allowed": allowed}))
                spelled = error_of(narrow, token, json.dumps({"allowed": allowed}))
            with self.subTest(json.dumps(whole(case))):
                if "refused" not in case or case.get("proxy"):
                    # A rule may be as long as a sealed token.
                    for error in [*errors, spelled]:
                        self.assertTrue(error is None or error.kind == "too_long", error)
                    continue
                refusals += 1
                for error in errors:
                    self.assertIsNotNone(error)
                    self.assertEqual(error.kind, "rule", error)
                    self.assertTrue(str(error).startswith("rule 2: "), error)
                    for part in case["refused"]:
                        self.assertIn(part, str(error))
                self.assertIn(spelled and spelled.kind, ("rule", "caveat"))
        self.assertGreater(refusals, 100)
        self.assertGreater(len(RULES) - refusals, 40)

    def test_texts(self):
        token = minted("GET /a")
        for case in VECTORS["texts"]:
            error = error_of(narrow, token, f'{{"allowed":[{case["rule"]}]}}')
            kind = {"claims": "caveat"}.get(case.get("refused"), case.get("refused"))
            self.assertEqual(getattr(error, "kind", None), kind, case["rule"])
        self.assertGreater(len(VECTORS["texts"]), 50)

    def test_only_is_no_longer_written(self):
        written = json.loads((FOLDER / "state.json").read_text("utf-8"))["written"]
        for case in written:
            rule = case["rule"]
            error = error_of(minted, ["GET /a", rule])
            self.assertEqual(error and error.kind, "rule", rule)
            self.assertTrue(str(error).startswith("rule 2: `list_items.only`"), error)
            items = {name: value for name, value in rule["list_items"].items() if name != "only"}
            self.assertIsNone(error_of(minted, {**rule, "list_items": items, "json": case["json"]}), rule)
        self.assertGreater(len(written), 3)

    def test_a_rule_with_an_unknown_member_is_neither_minted_nor_appended(self):
        token = minted("GET /a")
        unknown = [json.loads(case["rule"]) for case in VECTORS["texts"] if case.get("unknown_member")]
        for rule in unknown:
            self.assertIsNotNone(error_of(minted, rule), rule)
            self.assertIsNotNone(error_of(narrow, token, {"allowed": rule}), rule)
        self.assertGreater(len(unknown), 10)

    def test_a_rule_stands_in_the_token_as_it_was_given(self):
        conditions = {"json": {"n": {"min": -5}, "x": [None, True, "é", -9007199254740991]}, "query": "any"}
        rule = {"method": "POST", "path": "/a", **conditions}
        token = minted(rule)
        self.assertEqual(inspect(token).claims["allowed"], [rule])
        self.assertEqual(inspect(narrow(token, {"allowed": rule})).caveats, [{"allowed": [rule]}])

    def test_what_json_cannot_say_is_no_value(self):
        for value in [float("nan"), float("inf"), 1.5, -0.0, 10**21, {"min": float("nan")}, {"max": 1.0}, {"count": True}, {"a"}]:
            rule = {"method": "POST", "path": "/a", "json": {"a": value}}
            self.assertEqual(getattr(error_of(minted, rule), "kind", None), "rule", value)

    def test_null_and_negative_numbers_have_a_place_in_conditions_only(self):
        token = minted("GET /a")
        for text in [
            '{"exp":-1}',
            '{"exp":null}',
            '{"nbf":-5}',
            '{"limit":{"total":-1}}',
            '{"aud":null}',
            '{"exp":1.0}',
            '{"exp":-0}',
            '{"sender":null}',
            '{"allowed":null}',
        ]:
            self.assertEqual(getattr(error_of(narrow, token, text), "kind", None), "caveat", text)


if __name__ == "__main__":
    unittest.main()
