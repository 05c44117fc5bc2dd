"""HPKE (RFC 9180) single-shot, mode base, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, from `cryptography`'s parts."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_KEM = b"KEM\x00\x20"
_SUITE = b"HPKE\x00\x20\x00\x01\x00\x02"
ENC_BYTES = 32


def _extract(suite, salt, label, data):
    return hmac.new(salt, b"HPKE-v1" + suite + label + data, hashlib.sha256).digest()


def _expand(suite, secret, label, info, length):
    """At most 32 bytes, so one block suffices."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(secret, labeled + b"\x01", hashlib.sha256).digest()[:length]


def _raw(public_key):
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _cipher(agreed, enc, recipient, info):
    secret = _extract(_KEM, b"", b"eae_prk", agreed)
    shared = _expand(_KEM, secret, b"shared_secret", enc + recipient, 32)
    context = b"\x00" + _extract(_SUITE, b"", b"psk_id_hash", b"") + _extract(_SUITE, b"", b"info_hash", info)
    secret = _extract(_SUITE, shared, b"secret", b"")
    return AESGCM(_expand(_SUITE, secret, b"key", context, 32)), _expand(_SUITE, secret, b"base_nonce", context, 12)


def seal(recipient, info, aad, plaintext):
    """`enc` and ciphertext, one behind the other."""
    ephemeral = X25519PrivateKey.generate()
    enc = _raw(ephemeral.public_key())
    cipher, nonce = _cipher(ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient)), enc, recipient, info)
    return enc + cipher.encrypt(nonce, plaintext, aad)


def unseal(private, info, aad, sealed):
    """The plaintext; raises where the seal does not open."""
    key = X25519PrivateKey.from_private_bytes(private)
    enc, ciphertext = sealed[:ENC_BYTES], sealed[ENC_BYTES:]
    cipher, nonce = _cipher(key.exchange(X25519PublicKey.from_public_bytes(enc)), enc, _raw(key.public_key()), info)
    return cipher.decrypt(nonce, ciphertext, aad)
