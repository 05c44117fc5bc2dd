"""HPKE (RFC 9180) single-shot, mode base, HKDF-SHA256, AES-256-GCM: token-v2.md section 3.

Built from the primitives of `cryptography`.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: The numbers of HKDF-SHA256 and AES-256-GCM.
_KDF_AND_AEAD = b"\x00\x01\x00\x02"


def labeled_extract(suite, salt, label, data):
    """`LabeledExtract` of RFC 9180 section 4."""
    return hmac.new(salt, b"HPKE-v1" + suite + label + data, hashlib.sha256).digest()


def labeled_expand(suite, secret, label, info, length):
    """`LabeledExpand` of RFC 9180 section 4, for at most 32 bytes, so that one block suffices."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(secret, labeled + b"\x01", hashlib.sha256).digest()[:length]


def schedule(suite, shared, info):
    """Derives the key and the nonce of the first message: RFC 9180 section 5.1.

    `suite` is `HPKE` and the numbers of KEM, KDF and AEAD.
    """
    context = b"\x00" + labeled_extract(suite, b"", b"psk_id_hash", b"") + labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    return labeled_expand(suite, secret, b"key", context, 32), labeled_expand(suite, secret, b"base_nonce", context, 12)


def _cipher(kem, shared, info):
    key, nonce = schedule(b"HPKE" + kem.number + _KDF_AND_AEAD, shared, info)
    return AESGCM(key), nonce


def seal(kem, jwk, info, aad, plaintext):
    """Seals to a public JWK of the KEM (`kem.py`). Returns `enc` and the ciphertext behind it."""
    enc, shared = kem.encapsulate(jwk)
    cipher, nonce = _cipher(kem, shared, info)
    return enc + cipher.encrypt(nonce, plaintext, aad)


def unseal(kem, jwk, info, aad, sealed):
    """Returns the plaintext, opened with a private JWK. Raises if the seal does not open."""
    cipher, nonce = _cipher(kem, kem.decapsulate(jwk, sealed[: kem.enc_bytes]), info)
    return cipher.decrypt(nonce, sealed[kem.enc_bytes :], aad)
