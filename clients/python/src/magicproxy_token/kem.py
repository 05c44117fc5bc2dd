"""The two KEMs of sealed tokens (token-v2.md section 3), from the primitives of `cryptography`."""

import functools
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .form import TokenError
from .hpke import labeled_expand, labeled_extract
from .keys import bytes_of


def kem_named(name):
    """Returns the KEM named by a value of `kem`.

    Raises `unsupported` if the installed `cryptography` lacks the KEM.
    """
    if name == "x-wing":
        _mlkem()
        return XWing
    return X25519


def _raw(public_key):
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


class X25519:
    """DHKEM(X25519, HKDF-SHA256).

    An agreement with a public key of low order is no secret, and raises `ValueError`.
    """

    number = b"\x00\x20"
    enc_bytes = 32

    @classmethod
    def encapsulate(cls, jwk):
        recipient = bytes_of(jwk, "x", 32)
        ephemeral = X25519PrivateKey.generate()
        enc = _raw(ephemeral.public_key())
        return enc, cls._shared(ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient)), enc, recipient)

    @classmethod
    def decapsulate(cls, jwk, enc):
        key = X25519PrivateKey.from_private_bytes(bytes_of(jwk, "d", 32))
        return cls._shared(key.exchange(X25519PublicKey.from_public_bytes(enc)), enc, _raw(key.public_key()))

    @classmethod
    def _shared(cls, agreed, enc, recipient):
        suite = b"KEM" + cls.number
        return labeled_expand(suite, labeled_extract(suite, b"", b"eae_prk", agreed), b"shared_secret", enc + recipient, 32)


class XWing:
    """X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519, combined by one SHA3-256."""

    number = b"\x64\x7a"
    enc_bytes = 1120
    _label = b"\\.//^\\"
    _mlkem_public_bytes = 1184
    _mlkem_ciphertext_bytes = 1088

    @classmethod
    def encapsulate(cls, jwk):
        public = bytes_of(jwk, "pub", 1216)
        mlkem_public, x25519_public = public[: cls._mlkem_public_bytes], public[cls._mlkem_public_bytes :]
        mlkem_shared, mlkem_ciphertext = _mlkem().MLKEM768PublicKey.from_public_bytes(mlkem_public).encapsulate()
        ephemeral = X25519PrivateKey.generate()
        agreed = ephemeral.exchange(X25519PublicKey.from_public_bytes(x25519_public))
        x25519_ciphertext = _raw(ephemeral.public_key())
        return mlkem_ciphertext + x25519_ciphertext, cls._combined(mlkem_shared, agreed, x25519_ciphertext, x25519_public)

    @classmethod
    def decapsulate(cls, jwk, enc):
        mlkem_key, x25519_key = cls.expanded(bytes_of(jwk, "priv", 32))
        mlkem_ciphertext, x25519_ciphertext = enc[: cls._mlkem_ciphertext_bytes], enc[cls._mlkem_ciphertext_bytes :]
        # For a ciphertext that nobody made, ML-KEM returns a random secret, and the seal does not
        # open.
        mlkem_shared = mlkem_key.decapsulate(mlkem_ciphertext)
        agreed = x25519_key.exchange(X25519PublicKey.from_public_bytes(x25519_ciphertext))
        return cls._combined(mlkem_shared, agreed, x25519_ciphertext, _raw(x25519_key.public_key()))

    @staticmethod
    def expanded(seed):
        """Returns the two private keys of a seed."""
        both = hashlib.shake_256(seed).digest(96)
        return _mlkem().MLKEM768PrivateKey.from_seed_bytes(both[:64]), X25519PrivateKey.from_private_bytes(both[64:])

    @classmethod
    def _combined(cls, mlkem_shared, agreed, x25519_ciphertext, x25519_public):
        return hashlib.sha3_256(mlkem_shared + agreed + x25519_ciphertext + x25519_public + cls._label).digest()


@functools.cache
def _mlkem():
    """Returns `cryptography`'s module for ML-KEM.

    Raises `unsupported` if the module is missing or does not work.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import mlkem

        mlkem.MLKEM768PrivateKey.generate()
    except (ImportError, UnsupportedAlgorithm):
        needed = "X-Wing needs `cryptography` 48 or later, on an OpenSSL with ML-KEM, as its wheels have one: pip install --upgrade cryptography"
        raise TokenError("unsupported", needed) from None
    return mlkem
