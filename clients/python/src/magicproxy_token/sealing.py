"""Minting with a proxy's public key, and opening with the private key.

Needs `cryptography`, which `pip install './clients/python[mint]'` installs.
"""

import dataclasses
import hmac
import json
import os
import time

from . import ed25519
from .accepts import ensure_accepted, read_accepts
from .conditions import check_conditions
from .credential import check_credential, new_credential
from .form import (
    DEFAULT_MAX_LIFETIME,
    LEEWAY,
    MAX_LIFETIME,
    PREFIX,
    TokenError,
    base32,
    base64url,
    ensure_length,
    json_part,
    parse_claims,
    parse_object,
    parse_token,
    utf8,
)
from .keys import bytes_of, choose_key, kem_of, thumbprint
from .narrowing import Inspection, inspect, next_tag
from .short_forms import listed, seconds
from .size import size_warnings

_INFO = b"magic-api-proxy/v2"
_ROOT_KEY_BYTES = 32
#: The seconds for which a key set may be used: a minter that follows the key set never seals to a
#: key that was retired longer ago (section 7).
_FOLLOWED = 30 * 86400


@dataclasses.dataclass(frozen=True)
class Minted:
    """A new token. The token is a secret of the holder."""

    token: str = dataclasses.field(repr=False)
    id: str
    #: The warnings of `size_warnings` about the token.
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Opened:
    """A verified token, with the opened credential."""

    inspection: Inspection
    credential: dict = dataclasses.field(repr=False)


def mint(
    *,
    key,
    credential,
    aud,
    allowed=None,
    scopes=None,
    expires_in=86400,
    not_before=None,
    sub=None,
    explain=False,
    minter=None,
    kem=None,
    accepts=None,
    now=None,
):
    """Mints a token to a public JWK, a JWK Set or a `KeySet`.

    `allowed` is a list of rules, and `scopes` a list of names; exactly one of the two is given. A
    single value is a list of one. Times are seconds; `expires_in` may be a text such as "1h".
    `minter` is a private Ed25519 JWK. `kem` is `x25519` or `x-wing`; without `kem`, X25519 is
    chosen if the proxy has and accepts such a key. If the `KeySet` says which tokens the proxy
    accepts, `mint` makes no other token; `accepts` says the same of an upstream, as in the
    upstream's description.
    """
    keys = dataclasses.asdict(key) if dataclasses.is_dataclass(key) else key
    said = [read_accepts(one) for one in (keys.get("accepts"), accepts) if one is not None]
    recipient = choose_key(keys, kem, lambda name: all(name in one["kems"] for one in said))
    lifetime = seconds(expires_in)
    credential = new_credential(credential)
    if minter is not None and not ed25519.is_signing_key(minter):
        raise TokenError("minter", "`minter` is not a private Ed25519 key")
    now = int(time.time()) if now is None else now
    claims = _new_claims(
        kid=thumbprint(recipient),
        kem=kem_of(recipient),
        jti=base64url(os.urandom(16)),
        iat=now,
        exp=now + lifetime,
        nbf=not_before,
        aud=aud,
        sub=sub,
        allowed=listed(allowed),
        scopes=listed(scopes),
        explain=explain or None,
        minter=minter and thumbprint(minter),
    )
    for one in said:
        ensure_accepted(one, kem=claims["kem"], minter=claims.get("minter"), lifetime=lifetime)
    return _sealed(claims, recipient, credential, minter)


def _new_claims(**claims):
    """Makes the claims of a new token. Claims whose form a proxy would refuse are not minted."""
    # An absent member is not null.
    claims = {name: value for name, value in claims.items() if value is not None}
    check_conditions(claims.get("allowed"))
    parse_claims(utf8(_json(claims)))
    if not 1 <= claims["exp"] - claims["iat"] <= MAX_LIFETIME or claims.get("allowed") == []:
        raise TokenError("claims", "the token would not be accepted")
    return claims


def _json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _sealed(claims, recipient, credential, minter):
    from . import hpke
    from .kem import kem_named

    token = PREFIX + json_part(_json(claims))
    root_key = os.urandom(_ROOT_KEY_BYTES)
    plaintext = root_key + _json(credential).encode("ascii")
    try:
        sealed = hpke.seal(kem_named(claims["kem"]), recipient, _INFO, token.encode("ascii"), plaintext)
    except TokenError:
        raise
    except ValueError:
        # The key is an X25519 key of low order, or the bytes are no key of ML-KEM.
        raise TokenError("unknown_key", "nothing can be sealed to that key") from None
    token = f"{token}.{base32(sealed)}"
    if minter is not None:
        signature = ed25519.sign(minter, token.encode("ascii"))
        token = f"{token}.{base32(signature)}"
    token = f"{token}.{base32(next_tag(root_key, token))}"
    return Minted(ensure_length(token), claims["jti"], tuple(size_warnings(token)))


def open_token(token, *, keys, kems=None, minters=(), deny_kid=(), require_sub=False, max_lifetime=None, now=None):
    """Verifies everything but the rules, with private JWKs, in the order of token-v2.md section 8.

    Without `kems` every KEM is accepted.
    """
    now = int(time.time()) if now is None else now
    parsed = parse_token(token)
    claims = parsed.claims
    if kems is not None and claims["kem"] not in kems:
        raise TokenError("kem", f"a token sealed with `{claims['kem']}` is not accepted")
    key = _key_of(claims, keys, deny_kid, now)
    _check_minter(parsed, minters)
    plaintext = _unseal(parsed, key)
    _check_chain(parsed, plaintext[:_ROOT_KEY_BYTES])
    _check_origins(parsed, deny_kid)
    _check_times(claims, max_lifetime, now)
    if require_sub and "sub" not in claims:
        raise TokenError("claims", "sub is wanted here")
    # The rules of the claims are checked before the form of the caveats.
    if claims.get("allowed") == [] or any(said.get("allowed") == [] for said in parsed.caveats()):
        raise TokenError("rule", "the list of rules is empty")
    try:
        credential = check_credential(parse_object(plaintext[_ROOT_KEY_BYTES:]))
    except (ValueError, RecursionError):
        # The cause is left out, because the cause could show a part of the credential.
        raise TokenError("credential") from None
    return Opened(inspect(token), credential)


def _key_of(claims, keys, deny_kid, now):
    key = next((jwk for jwk in keys if thumbprint(jwk) == claims["kid"]), None)
    if key is None or claims["kid"] in deny_kid or now >= key.get("not_after", now + 1):
        raise TokenError("unknown_key")
    if claims["iat"] > key.get("retired", claims["iat"]) + _FOLLOWED + LEEWAY:
        raise TokenError("unknown_key")
    if kem_of(key) != claims["kem"]:
        raise TokenError("claims", "kem is not that of the key")
    return key


def _check_minter(parsed, minters):
    """Checks the minter's signature.

    The minter's key decides the algorithm and so the length of SIGNATURE; only Ed25519 is known
    today.
    """
    named = parsed.claims.get("minter")
    if named is None and not minters:
        return
    listed = next((jwk for jwk in minters if thumbprint(jwk) == named), None)
    if listed is None or not ed25519.verify(listed, parsed.minted.encode("ascii"), parsed.signature):
        raise TokenError("minter")


def _unseal(parsed, key):
    from cryptography.exceptions import InvalidTag

    from . import hpke

    from .kem import kem_named

    try:
        plaintext = hpke.unseal(kem_named(parsed.claims["kem"]), key, _INFO, parsed.bound.encode("ascii"), parsed.sealed)
    except TokenError:
        raise
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


def _check_origins(parsed, deny_kid):
    try:
        caveats = parsed.caveats()
    except TokenError:
        # Unreadable caveats pass here, and are refused later under another name.
        return
    if any(said["from"]["kid"] in deny_kid for said in caveats if "from" in said):
        raise TokenError("unknown_key", "the key of a token of which this one was made is denied")


def _check_times(claims, max_lifetime, now):
    iat, exp = claims["iat"], claims["exp"]
    if exp - iat > min(MAX_LIFETIME, DEFAULT_MAX_LIFETIME if max_lifetime is None else max_lifetime):
        raise TokenError("lifetime")
    if now >= exp + LEEWAY:
        raise TokenError("expired")
    if now + LEEWAY < max(iat, claims.get("nbf", 0)):
        raise TokenError("not_yet_valid")
