"""The signed key set of a proxy, pinned and followed: token-v2.md sections 7.1 and 7.2.

Needs `magicproxy-token[mint]`.
"""

import dataclasses
import time

from . import ed25519
from .accepts import read_accepts
from .form import MAX_TIME, TokenError, from_base64url, parse_foreign_object
from .keys import is_sealing_key, thumbprint

_TYPE = "magicproxy-keys+jws"
_MAX_SIGNATURES = 4
_LEEWAY = 300
_LIFETIME = 30 * 24 * 60 * 60


@dataclasses.dataclass(frozen=True)
class KeySet:
    """A key set with a verified signature. Keep the set, and pass it as `pinned` the next time."""

    keys: list
    #: The public Ed25519 JWK that signs the sets to come.
    signer: dict
    #: The time of the last change of the proxy's keys; an older set is refused.
    version: int
    #: Seconds since 1970. `iat` is the time of the signature, or of the pinned set's signature, if
    #: the pinned set has the same version and a later time; an older set is refused. `exp` is the
    #: time until which the set may be used if the proxy cannot be asked.
    iat: int
    exp: int
    #: The tokens that the proxy accepts (section 7.3); `mint` makes no other token. None if the
    #: proxy does not say.
    accepts: dict | None = None


def verify_key_set(document, *, pinned=None, now=None):
    """Returns the set in a document of `GET /__magictoken/keys`.

    The set must follow the pinned set; without `pinned`, the set must follow from itself.
    `document` is the text of the response. `pinned` is a `KeySet`, or a dictionary with `signer`,
    `version` and, if known, `iat`. Raises `TokenError`.
    """
    now = int(time.time()) if now is None else now
    pin = dataclasses.asdict(pinned) if isinstance(pinned, KeySet) else pinned
    if pin is not None and not (pin.get("signer") and type(pin.get("version")) is int):
        raise TokenError("untrusted", "what is pinned names no key that signs the key set: pin it anew")
    members = _object(document.encode("utf-8"))
    if "signed" not in members:
        raise TokenError("unsigned", "the key set is not signed")
    signed = members["signed"]
    if not isinstance(signed, list) or not 1 <= len(signed) <= _MAX_SIGNATURES:
        raise _malformed()
    parts = [_parse(text) for text in signed]
    if any(part[2] != parts[0][2] for part in parts):
        raise _malformed()
    found = _read(_signed_by(pin["signer"] if pin else _read(parts[0][2]).signer, parts))
    _signed_by(found.signer, parts)
    if pin and _is_before(found, pin):
        raise TokenError("rolled_back", "the key set is older than the one that is pinned")
    if now >= found.exp:
        raise TokenError("expired", "the key set has expired")
    if found.iat > now + _LEEWAY:
        raise TokenError("not_yet_valid", "the key set is from the future")
    return dataclasses.replace(found, iat=_latest(found, pin)) if pin else found


def _latest(found, pin):
    # Each new pin keeps the later time: a pin that could go back by the leeway would go back by any
    # time in enough steps.
    iat = pin.get("iat")
    return max(found.iat, iat) if found.version == pin["version"] and type(iat) is int else found.iat


def _is_before(found, pin):
    # The accepted tokens and the denied keys change without a new version, so the times are
    # compared, too.
    iat = pin.get("iat")
    same = found.version == pin["version"] and type(iat) is int
    return found.version < pin["version"] or (same and found.iat < iat - _LEEWAY)


def _malformed():
    return TokenError("malformed", "not a key set that is understood here")


def _object(data):
    try:
        return parse_foreign_object(data)
    except (ValueError, RecursionError):
        raise _malformed() from None


def _parse(text):
    """Returns message, kid, payload and signature of a compact JWS."""
    parts = text.split(".") if isinstance(text, str) else []
    decoded = [from_base64url(part) for part in parts]
    if len(parts) != 3 or not all(decoded):
        raise _malformed()
    header = _object(decoded[0])
    if sorted(header) != ["alg", "kid", "typ"] or (header["alg"], header["typ"]) != ("EdDSA", _TYPE):
        raise _malformed()
    return f"{parts[0]}.{parts[1]}".encode("ascii"), header["kid"], decoded[1], decoded[2]


def _signed_by(signer, parts):
    """Returns the payload of the first JWS with the signer's key id.

    The signer's key must have made every signature with that key id.
    """
    kid = thumbprint(signer)
    own = [part for part in parts if part[1] == kid]
    if not own:
        raise TokenError("untrusted", "the key set is not signed by the key that is pinned, or not by the one that it names")
    if not all(ed25519.verify(signer, message, signature) for message, _, _, signature in own):
        raise TokenError("signature", "the signature of the key set is not valid")
    return own[0][2]


def _is_for_sealing(jwk):
    """True for a public key for sealing, whose key id, if any, is the thumbprint."""
    is_public = "d" not in jwk and "priv" not in jwk
    return is_public and jwk.get("use", "enc") == "enc" and ("kid" not in jwk or jwk["kid"] == thumbprint(jwk))


def _are_timely(version, iat, exp):
    are_times = all(type(time_) is int and 0 <= time_ <= MAX_TIME for time_ in (version, iat, exp))
    # Otherwise a leaked key of the set would sign for ever, or make each honest set look older than
    # its own.
    return are_times and 1 <= exp - iat <= _LIFETIME and version <= iat + _LEEWAY


def _read(payload):
    members = _object(payload)
    keys, signer = members.get("keys"), members.get("signer")
    times = [members.get(name) for name in ("version", "iat", "exp")]
    is_signer = isinstance(signer, dict) and (signer.get("kty"), signer.get("crv")) == ("OKP", "Ed25519")
    is_signer = is_signer and isinstance(signer.get("x"), str) and len(from_base64url(signer["x"]) or b"") == 32
    sealing = [key for key in keys if is_sealing_key(key) and _is_for_sealing(key)] if isinstance(keys, list) else []
    if not is_signer or not sealing or not _are_timely(*times):
        raise _malformed()
    accepts = read_accepts(members["accepts"]) if "accepts" in members else None
    return KeySet(sealing, signer, *times, accepts)
