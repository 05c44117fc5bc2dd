"""The shared vectors, and what they do not show. `PYTHONPATH=clients/python/src python -m unittest discover clients/python/tests`."""

import io
import json
import pathlib
import sys
import unittest
import unittest.mock

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "src"), str(pathlib.Path(__file__).parent)]

from magicproxy_token import __main__, hpke, inspect, kem, mint, narrow, open_token, verify_key_set  # noqa: E402
from magicproxy_token.accepts import ensure_accepted  # noqa: E402
from magicproxy_token.form import base64url, from_base32, from_base64url  # noqa: E402
from magicproxy_token.keys import thumbprint  # noqa: E402
from refusals import kind_of  # noqa: E402
from x_wing import x_wing_is_there  # noqa: E402

FOLDER = pathlib.Path(__file__).parents[3] / "testdata/vectors"
VECTORS = json.loads((FOLDER / "token-v2.json").read_text("utf-8"))
REVOCATION = json.loads((FOLDER / "revocation.json").read_text("utf-8"))
KEY = VECTORS["keys"][0]
PUBLIC = {name: KEY[name] for name in ("kty", "crv", "x")}
X_WING = x_wing_is_there()
#: Refusals that only the rules decide.
ELSEWHERE = ("rule", "unknown_scope")


def opened(vector):
    context = vector.get("context", {})
    return open_token(
        vector["token"],
        keys=VECTORS["keys"],
        minters=VECTORS["minters"] if context.get("minters_required") else (),
        kems=context.get("kems"),
        deny_kid=context.get("deny_kid", ()),
        require_sub=context.get("require_sub", False),
        max_lifetime=context.get("max_lifetime"),
        now=context.get("now", VECTORS["now"]),
    )


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
                self.assertEqual(found.iat, vector["accepted"].get("iat", found.iat))
                # An accepted set follows from itself.
                self.assertEqual(verify_key_set(vector["document"], pinned=found, now=now), found)
                self.assertEqual(found.accepts, vector.get("accepts"))
                for plan in vector.get("plans", ()):
                    asked = {"kem": plan["kem"], "minter": plan.get("minter"), "lifetime": plan["lifetime"]}
                    self.assertEqual(kind_of(lambda: ensure_accepted(found.accepts, **asked)), plan.get("refused", "accepted"), plan)
        self.assertGreaterEqual(len(vectors["cases"]), 52)
        # A pin without a signer is followed by no set, and is no first contact.
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
                if said.claims["kem"] == "x-wing" and not X_WING:
                    self.assertEqual(kind_of(lambda: opened(vector)), "unsupported")
                else:
                    self.assertEqual(opened(vector).credential, expected["credential"])
        self.assertGreater(run, 150)

    def test_narrowings(self):
        for vector in VECTORS["narrowings"]:
            self.assertEqual(narrow(vector["token"], vector["caveat"]), vector["narrowed"])

    def test_chain_ids(self):
        tokens = [vector for vector in REVOCATION["tokens"] if vector["token"].startswith("mt2_")]
        self.assertGreater(len(tokens), 5)
        for vector in tokens:
            self.assertEqual(inspect(vector["token"]).chain, vector["id"], vector["name"])

    def check_seals(self, name):
        seals = [seal for seal in VECTORS["seals"] if seal["kem"] == name]
        self.assertTrue(seals)
        for seal in seals:
            bound = f"mt2_{seal['claims_part']}".encode("ascii")
            key, sealed = VECTORS["keys"][seal["key"]], from_base32(seal["sealed_part"])
            self.assertEqual(base64url(hpke.unseal(kem.kem_named(name), key, b"magic-api-proxy/v2", bound, sealed)), seal["plaintext"])

    def test_seals_with_x25519(self):
        self.check_seals("x25519")

    @unittest.skipUnless(X_WING, "this `cryptography` has no ML-KEM")
    def test_seals_with_x_wing(self):
        self.check_seals("x-wing")


class Tokens(unittest.TestCase):
    REQUEST = {"key": {"keys": [PUBLIC]}, "credential": {"secret": "ghp_marked"}, "aud": "api", "allowed": ["GET /user"], "now": VECTORS["now"]}

    def test_no_changed_bit_is_accepted(self):
        minted = mint(**self.REQUEST, minter=VECTORS["minter_keys"][0])
        self.assertNotIn(minted.token, repr(minted))
        token = narrow(minted.token, {"sub": "agent", "exp": VECTORS["now"] + 60})
        check = lambda text: open_token(text, keys=[KEY], minters=VECTORS["minters"], now=VECTORS["now"])  # noqa: E731
        self.assertEqual(check(token).credential, {"secret": "ghp_marked"})
        self.assertNotIn("ghp_marked", repr(check(token)))
        for at in range(len(token)):
            changed = bytearray(token.encode("ascii"))
            changed[at] ^= 1 << at % 7
            self.assertNotEqual(kind_of(lambda: check(changed.decode("ascii"))), "accepted", at)

    def test_a_listed_key_of_another_algorithm_vouches_for_nothing_here(self):
        listed = {"kty": "AKP", "alg": "ML-DSA-44", "pub": base64url(bytes(1312))}
        head, *rest = mint(**self.REQUEST, minter=VECTORS["minter_keys"][0]).token.removeprefix("mt2_").split(".")
        claims = json.loads(from_base64url(head)) | {"minter": thumbprint(listed)}
        token = "mt2_" + ".".join([base64url(json.dumps(claims, separators=(",", ":")).encode("ascii")), *rest])
        check = lambda: open_token(token, keys=[KEY], minters=[listed], now=VECTORS["now"])  # noqa: E731
        self.assertEqual(kind_of(check), "minter")

    @unittest.skipUnless(X_WING, "this `cryptography` has no ML-KEM")
    def test_no_changed_character_is_accepted_with_x_wing(self):
        request = {**self.REQUEST, "key": {"keys": VECTORS["keys"]}, "kem": "x-wing"}
        token = mint(**request).token
        check = lambda text: open_token(text, keys=VECTORS["keys"], now=VECTORS["now"])  # noqa: E731
        self.assertEqual(check(token).credential, {"secret": "ghp_marked"})
        for at in range(0, len(token), 7):
            changed = bytearray(token.encode("ascii"))
            changed[at] ^= 1 << at % 5
            self.assertNotEqual(kind_of(lambda: check(changed.decode("ascii"))), "accepted", at)

    def test_a_key_is_chosen_by_what_is_asked_for_and_by_what_can_be_had(self):
        x_wing = next({name: key[name] for name in ("kty", "alg", "pub")} for key in VECTORS["keys"] if key.get("alg") == "X-Wing")
        both = {"keys": [x_wing, PUBLIC]}
        accepts = {"versions": ["v2"], "kems": ["x-wing"], "max_lifetime": 86400}
        request = {**self.REQUEST, "key": both}
        self.assertEqual(inspect(mint(**request).token).claims["kem"], "x25519")
        for change in ({"kem": "x-wing"}, {"key": x_wing}, {"accepts": accepts}, {"key": {**both, "accepts": accepts}}):
            make = lambda: inspect(mint(**{**request, **change}).token).claims["kem"]  # noqa: B023, E731
            if X_WING:
                self.assertEqual(make(), "x-wing", change)
            else:
                self.assertEqual(kind_of(make), "unsupported", change)
        for change, kind in (
            ({"kem": "x-wing", "key": PUBLIC}, "unknown_key"),
            ({"kem": "rsa"}, "unknown_key"),
            ({"kem": "x25519", "accepts": accepts}, "kem"),
            ({"key": PUBLIC, "accepts": accepts}, "kem"),
            ({"accepts": {**accepts, "versions": []}}, "version"),
            ({"accepts": {**accepts, "minters": []}}, "minter"),
            ({"accepts": accepts, "expires_in": 86401}, "lifetime"),
            ({"accepts": {}}, "malformed"),
        ):
            self.assertEqual(kind_of(lambda: mint(**{**request, **change})), kind, change)

    def test_nothing_is_sealed_to_what_is_no_key(self):
        okp = lambda data: {"kty": "OKP", "crv": "X25519", "x": base64url(data)}  # noqa: E731
        akp = lambda data: {"kty": "AKP", "alg": "X-Wing", "pub": base64url(data)}  # noqa: E731
        right = from_base64url(next(key["pub"] for key in VECTORS["keys"] if key.get("alg") == "X-Wing"))
        one = b"\x01" + bytes(31)
        x25519 = [okp(bytes(32)), okp(one), okp(bytes(31)), okp(b""), {"kty": "OKP", "crv": "X25519"}, {"kty": "OKP", "crv": "X25519", "x": 7}]
        x_wing = [akp(b"\xff" * 3 + right[3:]), akp(right[:1184] + bytes(32)), akp(right[1:]), {"kty": "AKP", "alg": "X-Wing"}]
        for key in [*x25519, *(x_wing if X_WING else []), {}, {"keys": []}, {"keys": [None, 7]}, {"keys": "x"}, {"keys": [{"kty": ["OKP"]}]}]:
            self.assertEqual(kind_of(lambda: mint(**{**self.REQUEST, "key": key})), "unknown_key", str(key)[:60])

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
            ({"minter": KEY}, "minter"),
            ({"minter": VECTORS["minters"][0]}, "minter"),
            ({"minter": {}}, "minter"),
        ):
            self.assertEqual(kind_of(lambda: mint(**{**self.REQUEST, **change})), kind, change)
        token = mint(**self.REQUEST).token
        for caveat in ({}, {"sub": None}, {"limit": 1}, {"exp": True}, {"sender": {"cidr": ["192.0.2.1/24"]}}):
            self.assertEqual(kind_of(lambda: narrow(token, caveat)), "caveat", caveat)

    def test_the_command_line(self):
        token = mint(**self.REQUEST).token
        for arguments, code, told in ((["narrow", '{"sub":"agent"}'], 0, "mt2_"), (["inspect"], 0, '"aud": "api"'), (["narrow", "{}"], 1, "")):
            out = io.StringIO()
            with unittest.mock.patch("sys.stdin", io.StringIO(token)), unittest.mock.patch("sys.stdout", out), unittest.mock.patch("sys.stderr", io.StringIO()):
                self.assertEqual(__main__.main(arguments), code)
            self.assertIn(told, out.getvalue())


if __name__ == "__main__":
    unittest.main()
