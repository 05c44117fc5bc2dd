"""Minting with a proxy's public key, and opening with its private one. Needs `cryptography`, which `pip install './clients/python[mint]'` brings."""

import dataclasses
import hashlib
import hmac
import json
import os
import time

from .credential import check_credential, new_credential
from .form import (
    DEFAULT_MAX_LIFETIME,
    LEEWAY,
    MAX_BYTES,
    MAX_LIFETIME,
    MAX_TIME,
    TokenError,
    base64url,
    from_base64url,
    parse_claims,
    parse_object,
    parse_token,
)
from .narrowing import Inspection, inspect, next_tag
from .order import listed, seconds

_INFO = b"magic-api-proxy/v2"
_ROOT_KEY_BYTES = 32


@dataclasses.dataclass(frozen=True)
class Minted:
    """A new token. It is a secret of its holder."""

    token: str = dataclasses.field(repr=False)
    id: str


@dataclasses.dataclass(frozen=True)
class Opened:
    """A token that verified, and its credential."""

    inspection: Inspection
    credential: dict = dataclasses.field(repr=False)


def thumbprint(jwk):
    """RFC 7638."""
    names = {"OKP": ("crv", "kty", "x"), "AKP": ("alg", "kty", "pub")}.get(jwk.get("kty"))
    if names is None:
        raise TokenError("unknown_key", "a key of an unknown kind")
    members = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"))
    return base64url(hashlib.sha256(members.encode("ascii")).digest())


def _kem_of(jwk):
    return {("OKP", "X25519"): "x25519", ("AKP", "X-Wing"): "x-wing"}.get((jwk.get("kty"), jwk.get("crv") or jwk.get("alg")))


def _bytes_of(jwk, member):
    data = from_base64url(jwk.get(member) or "")
    if data is None or len(data) != 32:
        raise TokenError("unknown_key", "not a key of 32 bytes")
    return data


def mint(*, key, credential, aud, allowed=None, scopes=None, expires_in=86400, not_before=None, sub=None, explain=False, minter=None, now=None):
    """Mints a token to a public JWK, or to the first X25519 key of a JWK Set.

    `allowed` is a list of rules, `scopes` one of names: one of the two; one value is a list of one. Times are seconds; `expires_in`
    may be a text such as "1h". `minter` is a private Ed25519 JWK.
    """
    from . import hpke

    allowed, scopes, expires_in = listed(allowed), listed(scopes), seconds(expires_in)

    keys = key["keys"] if "keys" in key else [key]
    recipient = next((jwk for jwk in keys if _kem_of(jwk) == "x25519"), None)
    if recipient is None:
        raise TokenError("unknown_key", "there is no X25519 key: X-Wing is not supported here")
    credential = new_credential(credential)
    now = int(time.time()) if now is None else now
    jti = base64url(os.urandom(16))
    claims = {
        "kid": thumbprint(recipient),
        "kem": "x25519",
        "jti": jti,
        "iat": now,
        "exp": now + expires_in,
        "nbf": not_before,
        "aud": aud,
        "sub": sub,
        "allowed": allowed,
        "scopes": scopes,
        "explain": explain or None,
        "minter": minter and thumbprint(minter),
    }
    # Absent is not null.
    claims = {name: value for name, value in claims.items() if value is not None}
    data = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    # What a proxy would refuse for its form is not minted.
    parse_claims(data)
    if not 1 <= expires_in <= MAX_LIFETIME or allowed == []:
        raise TokenError("claims", "the token would not be accepted")
    token = f"mt2.{base64url(data)}"
    root_key = os.urandom(_ROOT_KEY_BYTES)
    plaintext = root_key + json.dumps(credential, separators=(",", ":")).encode("ascii")
    token = f"{token}.{base64url(hpke.seal(_bytes_of(recipient, 'x'), _INFO, token.encode('ascii'), plaintext))}"
    if minter is not None:
        token = f"{token}.{base64url(_sign(minter, token))}"
    token = f"{token}.{base64url(next_tag(root_key, token))}"
    if len(token) > MAX_BYTES:
        raise TokenError("too_long")
    return Minted(token, jti)


def _sign(jwk, text):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(_bytes_of(jwk, "d")).sign(text.encode("ascii"))


def open_token(token, *, keys, minters=(), deny_kid=(), require_sub=False, max_lifetime=None, now=None):
    """Verifies everything but the rules, with private JWKs, in the order of token-v2.md section 8."""
    now = int(time.time()) if now is None else now
    parsed = parse_token(token)
    claims = parsed.claims
    key = _key_of(claims, keys, deny_kid, now)
    _check_minter(parsed, minters)
    plaintext = _unseal(parsed, key)
    _check_chain(parsed, plaintext[:_ROOT_KEY_BYTES])
    _check_times(claims, max_lifetime, now)
    if require_sub and "sub" not in claims:
        raise TokenError("claims", "sub is wanted here")
    if any(said.get("allowed") == [] for said in [claims, *parsed.caveats()]):
        raise TokenError("rule", "the list of rules is empty")
    try:
        credential = check_credential(parse_object(plaintext[_ROOT_KEY_BYTES:]))
    except (ValueError, RecursionError):
        # Not with the cause, which could show a part of it.
        raise TokenError("credential") from None
    return Opened(inspect(token), credential)


def _key_of(claims, keys, deny_kid, now):
    key = next((jwk for jwk in keys if thumbprint(jwk) == claims["kid"]), None)
    if key is None or claims["kid"] in deny_kid or now >= key.get("not_after", now + 1):
        raise TokenError("unknown_key")
    if _kem_of(key) != claims["kem"]:
        raise TokenError("claims", "kem is not that of the key")
    return key


def _check_minter(parsed, minters):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    named = parsed.claims.get("minter")
    if named is None and not minters:
        return
    listed = next((jwk for jwk in minters if thumbprint(jwk) == named), None)
    if listed is None:
        raise TokenError("minter")
    try:
        Ed25519PublicKey.from_public_bytes(_bytes_of(listed, "x")).verify(parsed.signature, parsed.minted.encode("ascii"))
    except InvalidSignature as error:
        raise TokenError("minter") from error


def _unseal(parsed, key):
    from cryptography.exceptions import InvalidTag

    from . import hpke

    if parsed.claims["kem"] != "x25519":
        raise TokenError("unsupported", "X-Wing is not supported here")
    try:
        plaintext = hpke.unseal(_bytes_of(key, "d"), _INFO, parsed.bound.encode("ascii"), parsed.sealed)
    except (InvalidTag, ValueError) as error:
        raise TokenError("seal") from error
    if len(plaintext) < _ROOT_KEY_BYTES + 2:
        raise TokenError("seal")
    return plaintext


def _check_chain(parsed, root_key):
    tag = next_tag(root_key, parsed.root)
    for part in parsed.caveat_parts:
        tag = next_tag(tag, part)
    if not hmac.compare_digest(tag, parsed.tag):
        raise TokenError("tag")


def _check_times(claims, max_lifetime, now):
    iat, exp = claims["iat"], claims["exp"]
    if exp > MAX_TIME or exp <= iat:
        raise TokenError("claims", "exp must be later than iat, and before the year 10000")
    if exp - iat > min(MAX_LIFETIME, DEFAULT_MAX_LIFETIME if max_lifetime is None else max_lifetime):
        raise TokenError("lifetime")
    if now >= exp + LEEWAY:
        raise TokenError("expired")
    if now + LEEWAY < max(iat, claims.get("nbf", 0)):
        raise TokenError("not_yet_valid")
