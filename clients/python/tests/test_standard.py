"""Known results of the standards: testdata/vectors/standard, whose README names the sources."""

import hmac
import json
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / "src"), str(pathlib.Path(__file__).parent)]

from magicproxy_token import ed25519, hpke, kem  # noqa: E402
from magicproxy_token.form import base32, base64url, from_base32, from_base64url  # noqa: E402
from magicproxy_token.keys import thumbprint  # noqa: E402
from magicproxy_token.narrowing import next_tag  # noqa: E402
from x_wing import x_wing_is_there  # noqa: E402

FOLDER = pathlib.Path(__file__).parents[3] / "testdata/vectors/standard"
X25519, AES_256_GCM = 0x0020, 2


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


NEEDS_X_WING = unittest.skipUnless(x_wing_is_there(), "this `cryptography` has no ML-KEM")


def private_key(vector):
    public, secret = (base64url(bytes.fromhex(vector[name])) for name in ("pkRm", "skRm"))
    if vector["kem_id"] == X25519:
        return {"kty": "OKP", "crv": "X25519", "x": public, "d": secret}
    return {"kty": "AKP", "alg": "X-Wing", "pub": public, "priv": secret}


class Hpke(unittest.TestCase):
    def check(self, vector):
        used = kem.kem_named("x25519" if vector["kem_id"] == X25519 else "x-wing")
        key, enc, info = private_key(vector), bytes.fromhex(vector["enc"]), bytes.fromhex(vector["info"])
        shared = used.decapsulate(key, enc)
        self.assertEqual(shared.hex(), vector["shared_secret"])
        suite = b"HPKE" + b"".join(vector[name].to_bytes(2, "big") for name in ("kem_id", "kdf_id", "aead_id"))
        self.assertEqual([data.hex() for data in hpke.schedule(suite, shared, info)], [vector["key"], vector["base_nonce"]])
        if vector["aead_id"] == AES_256_GCM:
            first = vector["encryptions"][0]
            opened = hpke.unseal(used, key, info, bytes.fromhex(first["aad"]), enc + bytes.fromhex(first["ct"]))
            self.assertEqual(opened.hex(), first["pt"])

    def test_with_x25519(self):
        found = [vector for vector in read("hpke")["cases"] if vector["kem_id"] == X25519]
        self.assertIn((1, AES_256_GCM), [(vector["kdf_id"], vector["aead_id"]) for vector in found])
        for vector in found:
            self.check(vector)

    @NEEDS_X_WING
    def test_with_x_wing(self):
        found = [vector for vector in read("hpke")["cases"] if vector["kem_id"] != X25519]
        self.assertTrue(found)
        for vector in found:
            self.check(vector)

    @NEEDS_X_WING
    def test_x_wing(self):
        """Encapsulation takes randomness from `cryptography`, so the test shows instead that both
        sides agree.
        """
        cases = read("x-wing")["cases"]
        self.assertEqual(len(cases), 3)
        for vector in cases:
            key = private_key({"kem_id": 0x647A, "pkRm": vector["pk"], "skRm": vector["sk"]})
            self.assertEqual(kem.XWing.decapsulate(key, bytes.fromhex(vector["ct"])).hex(), vector["ss"])
            mlkem_key, x25519_key = kem.XWing.expanded(bytes.fromhex(vector["sk"]))
            public = mlkem_key.public_key().public_bytes_raw() + x25519_key.public_key().public_bytes_raw()
            self.assertEqual(public.hex(), vector["pk"])
            enc, shared = kem.XWing.encapsulate(key)
            self.assertEqual((len(enc), kem.XWing.decapsulate(key, enc)), (1120, shared))

    def test_what_is_sealed_to_everybody_opens_for_nobody(self):
        key = private_key(read("hpke")["cases"][0])
        for point in LOW_ORDER:
            enc = bytes.fromhex(point)
            known = EverybodysX25519(enc, kem.X25519._shared(bytes(32), enc, from_base64url(key["x"])))
            sealed = hpke.seal(known, key, b"info", b"aad", b"secret")
            self.assertEqual(hpke.unseal(known, key, b"info", b"aad", sealed), b"secret")
            with self.assertRaises(ValueError, msg=point):
                hpke.unseal(kem.X25519, key, b"info", b"aad", sealed)


# u-coordinates of low order (RFC 7748 section 6.1), little-endian; the agreement with each is all zeros.
LOW_ORDER = (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
)


class EverybodysX25519:
    """A stand-in for X25519 with a shared secret known to everybody."""

    number, enc_bytes = kem.X25519.number, kem.X25519.enc_bytes

    def __init__(self, enc, shared):
        self.encapsulate = lambda _jwk: (enc, shared)
        self.decapsulate = lambda _jwk, _enc: shared


class Signatures(unittest.TestCase):
    def test_ed25519(self):
        cases = read("ed25519")["cases"]
        self.assertGreaterEqual(len(cases), 4)
        for vector in cases:
            public, secret = (base64url(bytes.fromhex(vector[name])) for name in ("public", "secret"))
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": public, "d": secret}
            message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])
            self.assertEqual(ed25519.sign(jwk, message), signature)
            self.assertTrue(ed25519.verify(jwk, message, signature))
            # S plus the group's order is out of range by RFC 8032 section 5.1.7.
            order = 2**252 + 27742317777372353535851937790883648493
            malleable = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
            for wrong in (malleable, signature[:-1], signature + b"\x00", bytes(64), b"\x00"):
                self.assertFalse(ed25519.verify(jwk, message, wrong))

    def test_rfc_8037(self):
        vector = read("jose")["ed25519"]
        message, _, signature = vector["jws"].rpartition(".")
        self.assertEqual(thumbprint(vector["key"]), vector["thumbprint"])
        self.assertEqual(base64url(ed25519.sign(vector["key"], message.encode("ascii"))), signature)
        self.assertTrue(ed25519.verify(vector["key"], message.encode("ascii"), from_base64url(signature)))


class Encodings(unittest.TestCase):
    def test_rfc_4648(self):
        texts = [b"foobar"[:length] for length in range(7)]
        expected = ["", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"]
        self.assertEqual([base32(text) for text in texts], expected)
        self.assertEqual([from_base32(text) for text in expected], texts)
        self.assertEqual([base64url(text) for text in texts], ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"])

    def test_rfc_4231(self):
        for key, message, tag in (
            (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ):
            self.assertTrue(hmac.compare_digest(next_tag(key, message).hex(), tag))


if __name__ == "__main__":
    unittest.main()
