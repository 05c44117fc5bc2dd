"""The shared vectors, and what they do not show. `PYTHONPATH=clients/python/src python -m unittest discover clients/python/tests`."""

import io
import json
import pathlib
import sys
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, __main__, hpke, inspect, mint, narrow, open_token, verify_key_set  # noqa: E402
from magicproxy_token.form import base64url, from_base64url  # noqa: E402
from magicproxy_token.sealing import thumbprint  # noqa: E402

FOLDER = pathlib.Path(__file__).parents[3] / "testdata/vectors"
VECTORS = json.loads((FOLDER / "token-v2.json").read_text("utf-8"))
REVOCATION = json.loads((FOLDER / "revocation.json").read_text("utf-8"))
KEY = VECTORS["keys"][0]
PUBLIC = {name: KEY[name] for name in ("kty", "crv", "x")}
#: What only the rules decide.
ELSEWHERE = ("rule", "unknown_scope")


def opened(vector):
    context = vector.get("context", {})
    return open_token(
        vector["token"],
        keys=VECTORS["keys"],
        minters=VECTORS["minters"] if context.get("minters_required") else (),
        deny_kid=context.get("deny_kid", ()),
        require_sub=context.get("require_sub", False),
        max_lifetime=context.get("max_lifetime"),
        now=context.get("now", VECTORS["now"]),
    )


def kind_of(action):
    try:
        action()
    except TokenError as error:
        return error.kind
    return "accepted"


class Vectors(unittest.TestCase):
    def test_key_sets(self):
        vectors = json.loads((pathlib.Path(__file__).parents[3] / "testdata/vectors/key-set.json").read_text("utf-8"))
        for vector in vectors["cases"]:
            with self.subTest(vector["name"]):
                pinned, now = vector.get("pinned"), vectors["now"]
                verify = lambda: verify_key_set(vector["document"], pinned=pinned, now=now)  # noqa: E731
                if "refused" in vector:
                    self.assertEqual(kind_of(verify), vector["refused"])
                    continue
                found = verify()
                self.assertEqual([thumbprint(key) for key in found.keys], vector["accepted"]["keys"])
                self.assertEqual(thumbprint(found.signer), vector["accepted"]["signer"])
                # What was accepted follows from itself.
                self.assertEqual(verify_key_set(vector["document"], pinned=found, now=now), found)
        self.assertGreaterEqual(len(vectors["cases"]), 52)
        # A pin that names no signer is followed by nothing: it is no first contact.
        document, pinned = (vectors["cases"][0][name] for name in ("document", "pinned"))
        for pin in ({}, {"keys": []}, {"version": pinned["version"]}, {"signer": pinned["signer"]}, {**pinned, "version": "0"}):
            with self.subTest(pin):
                self.assertEqual(kind_of(lambda: verify_key_set(document, pinned=pin, now=vectors["now"])), "untrusted")  # noqa: B023

    def test_cases(self):
        run = 0
        for vector in VECTORS["cases"]:
            if vector.get("refused") in ELSEWHERE or "accept" in vector.get("context", {}):
                continue
            run += 1
            with self.subTest(vector["name"]):
                expected = vector.get("accepted")
                if expected is None:
                    self.assertEqual(kind_of(lambda: opened(vector)), vector["refused"])
                    continue
                said = inspect(vector["token"])
                self.assertEqual((said.claims, said.caveats, said.labels), (expected["claims"], expected["caveats"], expected["labels"]))
                if said.claims["kem"] == "x-wing":
                    self.assertEqual(kind_of(lambda: opened(vector)), "unsupported")
                else:
                    self.assertEqual(opened(vector).credential, expected["credential"])
        self.assertGreater(run, 150)

    def test_narrowings(self):
        for vector in VECTORS["narrowings"]:
            self.assertEqual(narrow(vector["token"], vector["caveat"]), vector["narrowed"])

    def test_chain_ids(self):
        tokens = [vector for vector in REVOCATION["tokens"] if vector["token"].startswith("mt2.")]
        self.assertGreater(len(tokens), 5)
        for vector in tokens:
            self.assertEqual(inspect(vector["token"]).chain, vector["id"], vector["name"])

    def test_seals(self):
        seals = [seal for seal in VECTORS["seals"] if seal["kem"] == "x25519"]
        self.assertTrue(seals)
        for seal in seals:
            private = from_base64url(VECTORS["keys"][seal["key"]]["d"])
            bound = f"mt2.{seal['claims_part']}".encode("ascii")
            plaintext = hpke.unseal(private, b"magic-api-proxy/v2", bound, from_base64url(seal["sealed_part"]))
            self.assertEqual(base64url(plaintext), seal["plaintext"])


class Tokens(unittest.TestCase):
    ORDER = {"key": {"keys": [PUBLIC]}, "credential": {"secret": "ghp_marked"}, "aud": "api", "allowed": ["GET /user"], "now": VECTORS["now"]}

    def test_no_changed_bit_is_accepted(self):
        minted = mint(**self.ORDER, minter=VECTORS["minter_keys"][0])
        self.assertNotIn(minted.token, repr(minted))
        token = narrow(minted.token, {"sub": "agent", "exp": VECTORS["now"] + 60})
        check = lambda text: open_token(text, keys=[KEY], minters=VECTORS["minters"], now=VECTORS["now"])  # noqa: E731
        self.assertEqual(check(token).credential, {"secret": "ghp_marked"})
        self.assertNotIn("ghp_marked", repr(check(token)))
        for at in range(len(token)):
            changed = bytearray(token.encode("ascii"))
            changed[at] ^= 1 << at % 7
            self.assertNotEqual(kind_of(lambda: check(changed.decode("ascii"))), "accepted", at)

    def test_what_no_proxy_would_accept_is_not_made(self):
        for change, kind in (
            ({"credential": {"secret": "a b"}}, "credential"),
            ({"aud": "a b"}, "claims"),
            ({"allowed": None}, "claims"),
            ({"scopes": ["read"]}, "claims"),
            ({"sub": "a>b"}, "claims"),
            ({"expires_in": True}, "accepted"),
            ({"expires_in": 0}, "claims"),
            ({"allowed": ["GET /user"] * 999}, "too_long"),
            ({"key": {"kty": "RSA"}}, "unknown_key"),
        ):
            self.assertEqual(kind_of(lambda: mint(**{**self.ORDER, **change})), kind, change)
        token = mint(**self.ORDER).token
        for caveat in ({}, {"sub": None}, {"limit": 1}, {"exp": True}, {"sender": {"cidr": ["192.0.2.1/24"]}}):
            self.assertEqual(kind_of(lambda: narrow(token, caveat)), "caveat", caveat)

    def test_the_command_line(self):
        token = mint(**self.ORDER).token
        for arguments, code, told in ((["narrow", '{"sub":"agent"}'], 0, "mt2."), (["inspect"], 0, '"aud": "api"'), (["narrow", "{}"], 1, "")):
            out = io.StringIO()
            with unittest.mock.patch("sys.stdin", io.StringIO(token)), unittest.mock.patch("sys.stdout", out), unittest.mock.patch("sys.stderr", io.StringIO()):
                self.assertEqual(__main__.main(arguments), code)
            self.assertIn(told, out.getvalue())


if __name__ == "__main__":
    unittest.main()
