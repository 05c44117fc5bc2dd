"""Ed25519 (RFC 8032) with keys as JWKs (RFC 8037): minters' signatures, and those of key sets.

Needs `cryptography`.
"""

from .keys import bytes_of


def is_signing_key(jwk):
    """True for a private key of this algorithm."""
    return isinstance(jwk, dict) and (jwk.get("kty"), jwk.get("crv")) == ("OKP", "Ed25519") and isinstance(jwk.get("d"), str)


def sign(jwk, message):
    """Signs with a private JWK."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes_of(jwk, "d", 32)).sign(message)


def verify(jwk, message, signature):
    """True if the signature is the key's.

    False for a key of another kind, and for a signature of another length.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes_of(jwk, "x", 32)).verify(signature, message)
    except InvalidSignature:
        return False
    return True
