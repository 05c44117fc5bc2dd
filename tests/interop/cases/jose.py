"""Cross-checks by libraries that know neither program: PyJWT, google-auth, jwcrypto."""

import base64
import json
import time

import google.auth.jwt
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from jwcrypto import jwe, jwk

from harness.cases import Cases, equal, holds
from harness.exchange import mint
from house import CREDENTIAL, MAKERS

from .asked import allowed, refused
from .tokens import told

CASES = Cases()

#: As long as GitHub's app tokens are now: more than RSA-OAEP with a 2048-bit key can hold.
LONG = "ghs_" + "0123456789abcdef" * 32
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@CASES.case("PyJWT verifies our token with the certificate", over=MAKERS)
def pyjwt(house, maker):
    token = mint(house.proxy(maker), token=CREDENTIAL, allowed=["GET /user"])
    claims = jwt.decode(token, public_key(house, maker), algorithms=["RS256"], audience=told(token).get("aud"), options={"require": ["iat", "exp"]})
    equal(claims["allowed"], ["GET /user"], "rules")
    equal(jwt.get_unverified_header(token) | {"kid": None}, {"typ": "JWT", "alg": "RS256", "kid": None}, "the header")
    changed = token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8)
    try:
        jwt.decode(changed, public_key(house, maker), algorithms=["RS256"], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        return
    raise AssertionError("a changed signature is still valid")


@CASES.case("google-auth verifies our token with the certificate", over=MAKERS)
def google_auth(house, maker):
    token = mint(house.proxy(maker), token=CREDENTIAL, allowed=["GET /user"])
    claims = google.auth.jwt.decode(token, certs=[(house.keys(maker) / "public.x509.cer").read_bytes()])
    equal(claims["allowed"], ["GET /user"], "rules")


@CASES.case("`kid` is the RFC 7638 thumbprint that jwcrypto computes", over=MAKERS)
def thumbprint(house, maker):
    token = mint(house.proxy(maker), token=CREDENTIAL, allowed=["GET /user"])
    key = jwk.JWK.from_pem((house.keys(maker) / "public.pem").read_bytes())
    equal(jwt.get_unverified_header(token)["kid"], key.thumbprint(), "kid")


@CASES.case("a short credential is sealed by RSA-OAEP, and the private key opens it", over=MAKERS)
def oaep(house, maker):
    sealed = told(mint(house.proxy(maker), token=CREDENTIAL, allowed=["GET /user"]))["token"]
    opened = private_key(house, maker).decrypt(base64.b64decode(sealed, validate=True), OAEP)
    equal(opened.decode(), CREDENTIAL, "the credential")


@CASES.case("a long credential is sealed as a JWE, and jwcrypto opens it", over=MAKERS)
def jwe_ours(house, maker):
    sealed = told(mint(house.proxy(maker), token=LONG, allowed=["GET /user"]))["token"]
    opened = jwe.JWE()
    opened.deserialize(sealed, key=jwk.JWK.from_pem((house.keys(maker) / "private.pem").read_bytes()))
    equal(json.loads(opened.objects["protected"]), {"alg": "RSA-OAEP-256", "enc": "A256GCM"}, "the protected header")
    equal(opened.payload.decode(), LONG, "the credential")


@CASES.case("a token made by PyJWT and jwcrypto is accepted here", over=MAKERS)
def made_elsewhere(house, maker):
    sealed = jwe.JWE(LONG.encode(), protected=json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM"}))
    sealed.add_recipient(jwk.JWK.from_pem((house.keys(maker) / "public.pem").read_bytes()))
    token = signed(house, maker, {"token": sealed.serialize(compact=True)})
    allowed(house, house.proxy(maker), "GET /user", token, credential=LONG)
    refused(house, house.proxy(maker), "GET /users", token, 403)


@CASES.case("a token made by PyJWT that is expired, of tomorrow, for another API or malformed is not", over=MAKERS)
def made_badly(house, maker):
    now, sealed = int(time.time()), {"token": base64.b64encode(public_key(house, maker).encrypt(CREDENTIAL.encode(), OAEP)).decode()}
    allowed(house, house.proxy(maker), "GET /user", signed(house, maker, sealed))
    for claims in (
        {"iat": now - 7200, "exp": now - 3600},
        {"nbf": now + 3600},
        {"iat": now + 3600, "exp": now + 7200},
        {"aud": "another.example.org"},
        {"unknown": True},
        {"allowed": ["GET user"]},
        {"allowed": None},
    ):
        answer = refused(house, house.proxy(maker), "GET /user", signed(house, maker, sealed | claims), 401)
        holds("message" in answer.json(), f"{claims}: the refusal has a message")


def signed(house, maker, claims):
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 600, "allowed": ["GET /user"], "scopes": None} | claims, private_key(house, maker), "RS256")


def private_key(house, maker):
    return serialization.load_pem_private_key((house.keys(maker) / "private.pem").read_bytes(), password=None)


def public_key(house, maker):
    return x509.load_pem_x509_certificate((house.keys(maker) / "public.x509.cer").read_bytes()).public_key()
