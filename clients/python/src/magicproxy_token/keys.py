"""Keys as JWKs, and their thumbprints: RFC 7517, 7638, 8037."""

import hashlib
import json

from .form import TokenError, base64url, from_base64url


def thumbprint(jwk):
    """Returns the thumbprint of a key: RFC 7638."""
    kty = jwk.get("kty")
    names = {"OKP": ("crv", "kty", "x"), "AKP": ("alg", "kty", "pub"), "RSA": ("e", "kty", "n")}.get(kty) if isinstance(kty, str) else None
    if names is None or not all(isinstance(jwk.get(name), str) for name in names):
        raise TokenError("unknown_key", "a key of an unknown kind")
    members = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"))
    return base64url(hashlib.sha256(members.encode("ascii")).digest())


def kem_of(jwk):
    """Returns the name of the KEM of a key, or None."""
    if (jwk.get("kty"), jwk.get("crv")) == ("OKP", "X25519"):
        return "x25519"
    return "x-wing" if (jwk.get("kty"), jwk.get("alg")) == ("AKP", "X-Wing") else None


def is_sealing_key(jwk):
    """True for a public key of a KEM with the right number of bytes.

    A key set may hold other keys, for other readers.
    """
    if not isinstance(jwk, dict) or kem_of(jwk) is None:
        return False
    text, length = (jwk.get("x"), 32) if kem_of(jwk) == "x25519" else (jwk.get("pub"), 1216)
    return isinstance(text, str) and len(from_base64url(text) or b"") == length


def bytes_of(jwk, member, length):
    """Returns the bytes of a member of a key. Raises for another number of bytes."""
    text = jwk.get(member)
    data = from_base64url(text) if isinstance(text, str) else None
    if data is None or len(data) != length:
        raise TokenError("unknown_key", f"a key whose `{member}` is not {length} bytes")
    return data


def choose_key(key, kem, accepted):
    """Chooses the key of a JWK or a JWK Set to seal to.

    Returns the first key of the requested KEM. Without a requested KEM, returns the first key of
    X25519, or of X-Wing if X25519 is not published or not accepted. `accepted` is a function from
    the name of a KEM to True for an accepted KEM.
    """
    keys = key["keys"] if "keys" in key else [key]
    first = {}
    for jwk in keys if isinstance(keys, list) else ():
        if isinstance(jwk, dict):
            first.setdefault(kem_of(jwk), jwk)
    named = [name for name in ("x25519", "x-wing") if name in first]
    wanted = kem or next(filter(accepted, named), named[0] if named else None)
    if wanted is None or wanted not in first:
        raise TokenError("unknown_key", f"there is no {kem or 'X25519 or X-Wing'} key")
    return first[wanted]
