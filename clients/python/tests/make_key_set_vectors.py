"""Writes `testdata/vectors/key-set.json`: `PYTHONPATH=clients/python/src python clients/python/tests/make_key_set_vectors.py`.

Needs `cryptography`, and shares nothing with the proxy. Ed25519 is deterministic: every run writes the same file.
"""

import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import edwards
from magicproxy_token.form import base64url
from magicproxy_token.sealing import thumbprint

NOW = 1_790_000_000
DAY = 86_400
FILE = pathlib.Path(__file__).parents[3] / "testdata/vectors/key-set.json"


def seed(name):
    return hashlib.sha256(name.encode()).digest()


class Signer:
    def __init__(self, name):
        self.key = Ed25519PrivateKey.from_private_bytes(seed(name))
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(self.key.public_key().public_bytes_raw())}
        self.kid = thumbprint(self.jwk)

    def public(self):
        return {**self.jwk, "kid": self.kid, "use": "sig"}

    def sign(self, payload, **header):
        header = {"alg": "EdDSA", "kid": self.kid, "typ": "magicproxy-keys+jws", **header}
        header = {name: value for name, value in header.items() if value is not None}
        texts = (part if isinstance(part, str) else json.dumps(part, separators=(",", ":")) for part in (header, payload))
        message = ".".join(base64url(text.encode()) for text in texts)
        return f"{message}.{base64url(self.key.sign(message.encode()))}"


    def sign_text(self, header):
        message = ".".join(base64url(text.encode()) for text in (header, text_of_right()))
        return f"{message}.{base64url(self.key.sign(message.encode()))}"


def cut(jws):
    return ".".join([*jws.split(".")[:2], "AAAA"])


def trailing(jws):
    """Changes the spelling of the signature's last character.

    64 bytes are 86 characters, the last of them with four bits of zero.
    """
    return jws[:-1] + chr(ord(jws[-1]) + 1)


def beyond_order(jws):
    """Replaces S by S + L in the signature: RFC 8032 section 5.1.7 requires S below L."""
    head, body, text = jws.split(".")
    signature = base64.urlsafe_b64decode(text + "==")
    s = int.from_bytes(signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    return ".".join([head, body, base64url(signature[:32] + s.to_bytes(32, "little"))])


def with_small_order(jws):
    """Signs the same text with an R that has a part of order 8.

    The equation with the cofactor holds, and the equation without does not.
    """
    a = int.from_bytes(hashlib.sha512(seed("old")).digest()[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    public = OLD.key.public_key().public_bytes_raw()
    message = jws.rpartition(".")[0].encode()
    r = int.from_bytes(hashlib.sha512(b"r").digest(), "little") % edwards.ORDER
    point = edwards.encode(edwards.add(edwards.multiply(edwards.BASE, r), edwards.SMALL))
    k = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little")
    s = (r + k * a) % edwards.ORDER
    return f"{message.decode()}.{base64url(point + s.to_bytes(32, 'little'))}"


def sealing(name):
    jwk = {"kty": "OKP", "crv": "X25519", "x": base64url(X25519PrivateKey.from_private_bytes(seed(name)).public_key().public_bytes_raw())}
    return {**jwk, "kid": thumbprint(jwk), "use": "enc"}


OLD, NEW, STRANGER = Signer("old"), Signer("new"), Signer("stranger")
FIRST, SECOND = sealing("first"), sealing("second")


def payload(**changes):
    members = {"keys": [FIRST], "signer": OLD.public(), "version": NOW - DAY, "iat": NOW - 60, "exp": NOW + 30 * DAY - 60, **changes}
    return {name: value for name, value in members.items() if value is not None}


def document(signed, keys=(FIRST,)):
    return {"keys": list(keys), "signed": signed}


def changed(jws):
    head, body, signature = jws.split(".")
    return ".".join([head, body, signature[:5] + ("A" if signature[5] != "A" else "B") + signature[6:]])


def swapped(jws, other):
    """Joins the header and signature of one JWS with the payload of another."""
    (head, _, signature), (_, body, _) = jws.split("."), other.split(".")
    return ".".join([head, body, signature])


RIGHT = payload()


def text_of_right():
    return json.dumps(RIGHT, separators=(",", ":"))


BARE = {name: FIRST[name] for name in ("kty", "crv", "x")}
# Keys that are no keys to seal to, although the bytes are a key's.
BENT = [
    ("whose id is not its thumbprint", {**FIRST, "kid": "x" * 43}),
    ("whose id is that of another", {**FIRST, "kid": SECOND["kid"]}),
    ("for signatures by its use", {**FIRST, "use": "sig"}),
    ("with its private half", {**FIRST, "d": base64url(seed("first"))}),
    ("with a private member of another kind", {**FIRST, "priv": base64url(seed("first"))}),
    ("whose id is null", {**FIRST, "kid": None}),
    ("whose use is null", {**FIRST, "use": None}),
    ("whose private half is null", {**FIRST, "d": None}),
    ("whose last character has trailing bits", {**BARE, "x": FIRST["x"][:-1] + chr(ord(FIRST["x"][-1]) + 1)}),
]
ROTATED = payload(keys=[SECOND], version=NOW - 30)
SUCCEEDED = payload(keys=[SECOND], version=NOW - 30, signer=NEW.public())
ROLLED = payload(version=NOW - 2 * DAY)
STRANGE = payload(keys=[SECOND], signer=STRANGER.public(), version=NOW - 30)
TWICE = json.dumps(RIGHT, separators=(",", ":"))[:-1] + f',"version":{NOW}}}'
MORE = json.dumps(RIGHT, separators=(",", ":"))[:-1] + ",%s}"
NO_KEYS = ["a", None, 1, True, [FIRST], {}, {"kty": 1}, {"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "OKP", "crv": "X25519", "x": 1}, {"kty": "AKP", "alg": "X-Wing", "pub": FIRST["x"]}]
MINTER = STRANGER.kid
ACCEPTS = {"versions": ["v2"], "kems": ["x-wing"], "minters": [MINTER], "max_lifetime": 3600}
OPEN = {"versions": ["v1", "v2"], "kems": ["x25519", "x-wing"], "max_lifetime": 366 * DAY}
PIN = {"signer": OLD.jwk, "version": NOW - DAY}

CASES = [
    ("the pinned key signs", document([OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("new sealing keys", document([OLD.sign(ROTATED)], [SECOND]), {"keys": [SECOND["kid"]], "signer": OLD.kid}),
    ("what stands outside of the signature counts for nothing", document([OLD.sign(ROTATED)], [FIRST]), {"keys": [SECOND["kid"]], "signer": OLD.kid}),
    ("a successor, announced by the pinned key", document([NEW.sign(SUCCEEDED), OLD.sign(SUCCEEDED)]), {"keys": [SECOND["kid"]], "signer": NEW.kid}),
    ("members for later versions", document([OLD.sign(payload(later={"x": 1}))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("keys of kinds for later versions", document([OLD.sign(payload(keys=[{"kty": "OKP", "crv": "X448", "x": "AA"}, FIRST]))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("members for later versions, of all kinds", document([OLD.sign(payload(later=[None, -1, 1.5, True, {"a": {"b": "😀"}}]))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("what is no sealing key among the keys", document([OLD.sign(payload(keys=[*NO_KEYS, FIRST]))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a clock that is 300 seconds ahead", document([OLD.sign(payload(iat=NOW + 300))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("two signatures under the kid of the pinned key, the second by a stranger", document([OLD.sign(RIGHT), STRANGER.sign(RIGHT, kid=OLD.kid)]), "signature"),
    ("two signatures under the kid of the successor, the second by a stranger", document([NEW.sign(SUCCEEDED), OLD.sign(SUCCEEDED), STRANGER.sign(SUCCEEDED, kid=NEW.kid)]), "signature"),
    ("a signature of three bytes, by a key that nobody asks about", document([OLD.sign(RIGHT), cut(STRANGER.sign(RIGHT))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a signature with trailing bits", document([trailing(OLD.sign(RIGHT))]), "malformed"),
    ("a signature with trailing bits, by a key that nobody asks about", document([OLD.sign(RIGHT), trailing(STRANGER.sign(RIGHT))]), "malformed"),
    ("a signature whose S is not below the order", document([beyond_order(OLD.sign(RIGHT))]), "signature"),
    ("a signature that verifies with the cofactor alone", document([with_small_order(OLD.sign(RIGHT))]), "signature"),
    ("a first contact", document([OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid}, None),
    ("a first contact after a succession", document([NEW.sign(SUCCEEDED), OLD.sign(SUCCEEDED)]), {"keys": [SECOND["kid"]], "signer": NEW.kid}, None),
    ("unsigned", {"keys": [FIRST]}, "unsigned"),
    ("unsigned at first contact", {"keys": [FIRST]}, "unsigned", None),
    ("no signature", document([]), "malformed"),
    ("no signature at first contact", document([]), "malformed", None),
    ("signatures that are null", document(None), "malformed"),
    ("signatures that are null, at first contact", document(None), "malformed", None),
    ("a signature that is null", document([None]), "malformed"),
    ("signed by a stranger who names the pinned key", document([STRANGER.sign(RIGHT)]), "untrusted"),
    ("signed by a stranger under the kid of the pinned key", document([STRANGER.sign(RIGHT, kid=OLD.kid)]), "signature"),
    ("signed by the successor only", document([NEW.sign(SUCCEEDED)]), "untrusted"),
    ("a first contact with a set that its own key has not signed", document([STRANGER.sign(RIGHT)]), "untrusted", None),
    ("a successor that has not signed", document([OLD.sign(SUCCEEDED)]), "untrusted"),
    ("a successor whose signature is another's", document([STRANGER.sign(SUCCEEDED, kid=NEW.kid), OLD.sign(SUCCEEDED)]), "signature"),
    ("a stranger's set before the one that the pinned key signed", document([STRANGER.sign(STRANGE), OLD.sign(RIGHT)]), "malformed"),
    ("a stranger's set after the one that the pinned key signed", document([OLD.sign(RIGHT), STRANGER.sign(STRANGE)]), "malformed"),
    ("two sets by the pinned key", document([OLD.sign(RIGHT), OLD.sign(ROTATED)]), "malformed"),
    ("two signatures under the kid of the pinned key, the first by a stranger", document([STRANGER.sign(RIGHT, kid=OLD.kid), OLD.sign(RIGHT)]), "signature"),
    ("the same signature twice", document([OLD.sign(RIGHT), OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a stranger's signature beside that of the pinned key", document([STRANGER.sign(RIGHT), OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a changed signature", document([changed(OLD.sign(RIGHT))]), "signature"),
    ("a signature over another payload", document([swapped(OLD.sign(RIGHT), OLD.sign(ROTATED))]), "signature"),
    ("an older set", document([OLD.sign(ROLLED)]), "rolled_back"),
    ("an older set, freshly signed", document([OLD.sign(payload(version=NOW - DAY - 1, iat=NOW))]), "rolled_back"),
    ("a set of the pinned version, signed more than 300 seconds before the pinned one", document([OLD.sign(RIGHT)]), "rolled_back", {**PIN, "iat": NOW + 241}),
    ("a set of the pinned version, signed 300 seconds before the pinned one", document([OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid, "iat": NOW + 240}, {**PIN, "iat": NOW + 240}),
    ("a set of the pinned version, signed after the pinned one", document([OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid, "iat": NOW - 60}, {**PIN, "iat": NOW - 61}),
    ("a set beside a pin that does not say when it was signed", document([OLD.sign(RIGHT)]), {"keys": [FIRST["kid"]], "signer": OLD.kid, "iat": NOW - 60}),
    ("a set of a later version, signed more than 300 seconds before the pinned one", document([OLD.sign(ROTATED)], [SECOND]), {"keys": [SECOND["kid"]], "signer": OLD.kid, "iat": NOW - 60}, {**PIN, "iat": NOW + 241}),
    ("a version 300 seconds after the set was signed", document([OLD.sign(payload(version=NOW + 240))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a version more than 300 seconds after the set was signed", document([OLD.sign(payload(version=NOW + 241))]), "malformed"),
    ("the latest version that there is", document([OLD.sign(payload(version=253402300799))]), "malformed"),
    ("for thirty days and a second", document([OLD.sign(payload(exp=NOW + 30 * DAY - 59))]), "malformed"),
    ("expired", document([OLD.sign(payload(iat=NOW - DAY, exp=NOW))]), "expired"),
    ("older than the pinned set, and expired", document([OLD.sign(payload(version=NOW - 2 * DAY, iat=NOW - DAY, exp=NOW))]), "rolled_back"),
    ("expired and from the future", document([OLD.sign(payload(iat=NOW + 301, exp=NOW + 302))]), "not_yet_valid"),
    ("by a stranger, and older than the pinned set", document([STRANGER.sign(ROLLED)]), "untrusted"),
    ("a successor that has not signed, in a set older than the pinned one", document([OLD.sign(payload(version=1, signer=NEW.public()))]), "untrusted"),
    ("a header with white space", document([OLD.sign_text('{ "alg":"EdDSA", "kid":"%s","typ":"magicproxy-keys+jws" }' % OLD.kid)]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a header with a member twice", document([OLD.sign_text('{"alg":"EdDSA","alg":"EdDSA","kid":"%s","typ":"magicproxy-keys+jws"}' % OLD.kid)]), "malformed"),
    ("white space around the payload", document([OLD.sign(f" {json.dumps(RIGHT)}\n")]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("a payload with white space", document([OLD.sign(json.dumps(RIGHT, indent=1))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    *((f"a key {name}", document([OLD.sign(payload(keys=[bent]))]), "malformed") for name, bent in BENT),
    *((f"a key {name} beside a good one", document([OLD.sign(payload(keys=[bent, SECOND]))]), {"keys": [SECOND["kid"]], "signer": OLD.kid}) for name, bent in BENT),
    ("a key that says neither its id nor its use", document([OLD.sign(payload(keys=[BARE]))]), {"keys": [FIRST["kid"]], "signer": OLD.kid}),
    ("from the future", document([OLD.sign(payload(iat=NOW + 301))]), "not_yet_valid"),
    ("another algorithm", document([OLD.sign(RIGHT, alg="none")]), "malformed"),
    ("another type, such as a token's", document([OLD.sign(RIGHT, typ="JWT")]), "malformed"),
    ("no type", document([OLD.sign(RIGHT, typ=None)]), "malformed"),
    ("a critical header", document([OLD.sign(RIGHT, crit=["x"])]), "malformed"),
    ("a key in the header", document([OLD.sign(RIGHT, jwk=STRANGER.jwk)]), "malformed"),
    ("no sealing key", document([OLD.sign(payload(keys=[OLD.public()]))]), "malformed"),
    ("no keys", document([OLD.sign(payload(keys=[]))]), "malformed"),
    ("no signer", document([OLD.sign(payload(signer=None))]), "malformed"),
    ("a signer of another kind", document([OLD.sign(payload(signer=FIRST))]), "malformed"),
    ("a signer that is a list", document([OLD.sign(payload(signer=list(OLD.public().values())))]), "malformed"),
    ("a signer whose x is a number", document([OLD.sign(payload(signer={**OLD.public(), "x": 1}))]), "malformed"),
    ("a signer of another length", document([OLD.sign(payload(signer={**OLD.public(), "x": "AA"}))]), "malformed"),
    ("a list as the only key", document([OLD.sign(payload(keys=[list(FIRST.values())]))]), "malformed"),
    ("a member twice in what is passed over", document([OLD.sign(MORE % '"later":{"a":1,"a":1}')]), "malformed"),
    ("a member twice in what is passed over, once in escapes", document([OLD.sign(MORE % r'"later":{"a":1,"\u0061":1}')]), "malformed"),
    ("a lone surrogate in what is passed over", document([OLD.sign(MORE % r'"later":"\ud800"')]), "malformed"),
    ("a name with a lone surrogate", document([OLD.sign(MORE % r'"\udfff":1')]), "malformed"),
    ("no version", document([OLD.sign(payload(version=None))]), "malformed"),
    ("no end", document([OLD.sign(payload(exp=None))]), "malformed"),
    ("an end before the beginning", document([OLD.sign(payload(exp=NOW - 60))]), "malformed"),
    ("a version that is a text", document([OLD.sign(payload(version=str(NOW)))]), "malformed"),
    ("a version before 1970", document([OLD.sign(payload(version=-1))]), "malformed"),
    ("a version beyond the year 9999", document([OLD.sign(payload(version=253402300800))]), "malformed"),
    ("an end beyond the year 9999", document([OLD.sign(payload(iat=253402300790, exp=253402300800))]), "malformed"),
    ("an end that no double holds", document([OLD.sign(payload(exp=2**53 + 1))]), "malformed"),
    ("the last end", document([OLD.sign(payload(exp=253402300799))]), "malformed"),
    ("a version with a fraction", document([OLD.sign(payload(version=float(NOW)))]), "malformed"),
    ("an end with an exponent", document([OLD.sign(payload(exp=1e20))]), "malformed"),
    ("a payload with a member twice", document([OLD.sign(TWICE)]), "malformed"),
    ("two parts", document([OLD.sign(RIGHT).rpartition(".")[0]]), "malformed"),
    ("padding", document([OLD.sign(RIGHT) + "="]), "malformed"),
    ("no list of signatures", {"keys": [FIRST], "signed": OLD.sign(RIGHT)}, "malformed"),
    ("more signatures than four", document([STRANGER.sign(RIGHT)] * 4 + [OLD.sign(RIGHT)]), "malformed"),
    ("no object", [FIRST], "malformed"),
]


def without(name):
    return {member: value for member, value in ACCEPTS.items() if member != name}


def plan(kem="x-wing", minter=MINTER, lifetime=3600, refused=None):
    members = {"kem": kem, "minter": minter, "lifetime": lifetime, "refused": refused}
    return {name: value for name, value in members.items() if value is not None}


PLANS = [
    plan(),
    plan(lifetime=1),
    plan(kem="x25519", refused="kem"),
    plan(minter=OLD.kid, refused="minter"),
    plan(minter=None, refused="minter"),
    plan(lifetime=3601, refused="lifetime"),
    plan(kem="x25519", minter=None, lifetime=3601, refused="kem"),
    plan(minter=None, lifetime=3601, refused="minter"),
]
EVERY = [plan(), plan(kem="x25519", minter=None), plan(lifetime=366 * DAY), plan(lifetime=366 * DAY + 1, refused="lifetime")]
# What the payload says, what a reader has of it, and plans.
ACCEPTED = [
    ("nothing but signed sealed tokens", ACCEPTS, ACCEPTS, PLANS),
    ("everything", OPEN, OPEN, EVERY),
    ("version 1 alone", {**OPEN, "versions": ["v1"]}, {**OPEN, "versions": ["v1"]}, [plan(refused="version"), plan(kem="x25519", lifetime=400 * DAY, refused="version")]),
    ("no minter at all", {**ACCEPTS, "minters": []}, {**ACCEPTS, "minters": []}, [plan(refused="minter"), plan(minter=None, refused="minter")]),
    ("no version, no KEM", {**ACCEPTS, "versions": [], "kems": []}, {**ACCEPTS, "versions": [], "kems": []}, [plan(refused="version")]),
    ("names for later versions", {**ACCEPTS, "versions": ["v3", "v2"], "kems": ["x-wing", "ml-kem-1024"], "later": [None]}, ACCEPTS, PLANS),
    ("the longest lifetime that there is", {**OPEN, "max_lifetime": 316_224_000}, {**OPEN, "max_lifetime": 316_224_000}, [plan(lifetime=316_224_000)]),
]
NOT_OF_THE_FORM = [
    ("null", None),
    ("a list", ["v2"]),
    ("a text", "v2"),
    ("no versions", without("versions")),
    ("no KEMs", without("kems")),
    ("no longest lifetime", without("max_lifetime")),
    ("minters that are null", {**ACCEPTS, "minters": None}),
    ("one minter that is no list", {**ACCEPTS, "minters": MINTER}),
    ("a minter that is a number", {**ACCEPTS, "minters": [1]}),
    ("one version that is no list", {**ACCEPTS, "versions": "v2"}),
    ("a version that is a number", {**ACCEPTS, "versions": [2]}),
    ("a KEM that is null", {**ACCEPTS, "kems": [None]}),
    ("a longest lifetime of nothing", {**ACCEPTS, "max_lifetime": 0}),
    ("a longest lifetime before its beginning", {**ACCEPTS, "max_lifetime": -1}),
    ("a longest lifetime that is a text", {**ACCEPTS, "max_lifetime": "3600"}),
    ("a longest lifetime with a fraction", {**ACCEPTS, "max_lifetime": 3600.0}),
    ("a longest lifetime of more than 3,660 days", {**ACCEPTS, "max_lifetime": 316_224_001}),
]


def case(name, shown, result, pinned=PIN):
    told = {"refused": result} if isinstance(result, str) else {"accepted": result}
    return {"name": name, **({"pinned": pinned} if pinned else {}), "document": json.dumps(shown, separators=(",", ":")), **told}


def spread():
    """Returns a document with white space, like JSON written for people."""
    told = case("a document with white space", None, {"keys": [FIRST["kid"]], "signer": OLD.kid})
    return {**told, "document": "\n " + json.dumps(document([OLD.sign(RIGHT)]), indent=2) + "\r\n\t"}


def accepts(name, said, read, plans):
    shown = document([OLD.sign(payload(accepts=said))])
    right = {"keys": [FIRST["kid"]], "signer": OLD.kid}
    return {**case(f"accepts: {name}", shown, right), "accepts": read, "plans": plans}


def not_of_the_form(name, said):
    text = json.dumps({**RIGHT, "accepts": said}, separators=(",", ":"))
    return case(f"accepts: {name}", document([OLD.sign(text)]), "malformed")


def accepts_twice():
    member = json.dumps(ACCEPTS, separators=(",", ":"))[:-1] + ',"max_lifetime":1}'
    text = json.dumps(RIGHT, separators=(",", ":"))[:-1] + f',"accepts":{member}}}'
    return case("accepts: a member twice", document([OLD.sign(text)]), "malformed")


def main():
    vectors = {
        "specification": "docs/spec/token-v2.md section 7",
        "note": "written by clients/python/tests/make_key_set_vectors.py; without `pinned`, it is a first contact; `iat` of `accepted` is the one to pin from now on",
        "now": NOW,
        "cases": [
            *(case(*one) for one in CASES),
            spread(),
            *(accepts(*one) for one in ACCEPTED),
            *(not_of_the_form(*one) for one in NOT_OF_THE_FORM),
            accepts_twice(),
        ],
    }
    FILE.write_text(json.dumps(vectors, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
