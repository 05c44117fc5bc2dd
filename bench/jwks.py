"""Prints an RSA public key in PEM as a set of JSON Web Keys (RFC 7517): `jwks.py FILE`."""

import base64
import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key


def encoded(number):
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


key = load_pem_public_key(pathlib.Path(sys.argv[1]).read_bytes()).public_numbers()
print(json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "n": encoded(key.n), "e": encoded(key.e)}]}))
