"""Rules for git: testdata/vectors/git.json."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, inspect, mint, narrow  # noqa: E402

FOLDER = pathlib.Path(__file__).parents[3] / "testdata/vectors"
KEY = json.loads((FOLDER / "token-v2.json").read_text("utf-8"))["keys"][0]
VECTORS = json.loads((FOLDER / "git.json").read_text("utf-8"))


def minted(allowed):
    public = {name: KEY[name] for name in ("kty", "crv", "x")}
    return mint(key=public, credential={"secret": "marked"}, aud="api", allowed=allowed).token


def error_of(call, *arguments):
    try:
        call(*arguments)
    except TokenError as error:
        return error
    return None


class GitRules(unittest.TestCase):
    def test_vectors(self):
        token = minted("GET /a")
        refusals = 0
        for case in VECTORS["rules"]:
            allowed = ["GET /a", case["rule"]]
            errors = [error_of(minted, allowed)]
            if "limit" not in case["rule"]:
                errors.append(error_of(narrow, token, {"allowed": allowed}))
            with self.subTest(json.dumps(case["rule"])):
                if "refused" not in case or case.get("proxy"):
                    self.assertEqual(errors, [None] * len(errors))
                    continue
                refusals += 1
                for error in errors:
                    self.assertIsNotNone(error)
                    self.assertEqual(error.kind, "rule", error)
                    self.assertTrue(str(error).startswith("rule 2: "), error)
                    for part in case["refused"]:
                        self.assertIn(part, str(error))
        self.assertGreater(refusals, 45)
        self.assertGreater(len(VECTORS["rules"]) - refusals, 25)

    def test_forms(self):
        token = minted("GET /a")
        for case in VECTORS["forms"]:
            error = error_of(narrow, token, f'{{"allowed":[{case["rule"]}]}}')
            self.assertEqual(getattr(error, "kind", None), "caveat", case["rule"])
        self.assertGreater(len(VECTORS["forms"]), 30)

    def test_a_rule_stands_in_the_token_as_it_was_given(self):
        rule = {"git": "push", "repository": "/acme/site", "refs": ["refs/heads/é", "refs/heads/a"], "create": True}
        self.assertEqual(inspect(minted(rule)).claims["allowed"], [rule])


if __name__ == "__main__":
    unittest.main()
