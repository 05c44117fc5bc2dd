"""The credential inside a seal: token-v2.md section 3."""

import re

from .form import TokenError

_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_SECRET = re.compile(r"[!-~]{1,8192}", re.ASCII)


def _is_secret(value):
    return isinstance(value, str) and _SECRET.fullmatch(value) is not None


def _is_pair(value):
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _field(part):
    """The header field that a part takes, in lower case; None where it is no such part."""
    if not isinstance(part, dict) or len(part) != 1:
        return None
    [(name, value)] = part.items()
    if name == "bearer" and _is_secret(value):
        return "authorization"
    if name == "basic" and _is_pair(value) and ":" not in value[0] and any(value) and _is_secret(":".join(value)):
        return "authorization"
    if name == "header" and _is_pair(value) and _FIELD.fullmatch(value[0]) and _is_secret(value[1]):
        return value[0].lower()
    return None


def check_credential(credential):
    """The credential, if it is one; no message shows it."""
    fine = isinstance(credential, dict) and len(credential) == 1
    if fine and "secret" in credential:
        fine = _is_secret(credential["secret"])
    elif fine and "several" in credential:
        parts = credential["several"]
        fields = [_field(part) for part in parts] if isinstance(parts, list) else []
        fine = 2 <= len(fields) <= 4 and None not in fields and len(set(fields)) == len(fields)
    elif fine:
        fine = _field(credential) is not None
    if not fine:
        raise TokenError("credential", "the credential is not in a form that a token may hold")
    return credential
