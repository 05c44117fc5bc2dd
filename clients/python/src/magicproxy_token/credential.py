"""The credential inside a seal: token-v2.md section 3."""

import re
import unicodedata

from .form import TokenError

_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_SECRET = re.compile(r"[!-~]{1,8192}", re.ASCII)


def _is_secret(value):
    return isinstance(value, str) and _SECRET.fullmatch(value) is not None


def _is_pair(value):
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _field(part):
    """Returns the name of the header field that a part takes, in lower case.

    Returns None for a value of another form.
    """
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
    """Returns the credential. Raises for a value of another form. No message shows the credential.
    """
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


_FAULTS = {
    "empty": "it is empty",
    "lines": "there are several lines: expected one secret and nothing else",
    "quoted": "it stands in quotes, which would be sent as a part of it: leave them out (`docker --env-file` does not take them away)",
    "blank": "there is a blank before, in or behind it: leave it out",
    "control": "there is a control character in it: leave it out",
    "invisible": "there is a character in it that cannot be seen, as pages leave one in copied text: leave it out",
}
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Unicode's White_Space. Python's `str.isspace` is also true for four control characters.
_BLANK = re.compile("[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def written_secret(text):
    """Reads a secret as written in a file or a field: token-v1.md section 5.1.

    Any other text around the secret is refused. No message shows a part of the secret.
    """
    secret = text.lstrip("\ufeff").strip("\r\n")
    fault = _fault(secret)
    if fault:
        raise TokenError("credential", f"the credential is not taken as it stands: {_FAULTS[fault]}")
    return secret


def _fault(secret):
    if not secret:
        return "empty"
    if "\n" in secret or "\r" in secret:
        return "lines"
    if len(secret) > 1 and secret[0] in "\"'`" and secret[-1] == secret[0]:
        return "quoted"
    for character in secret:
        if _INVISIBLE.fullmatch(character):
            return "invisible"
        if _BLANK.fullmatch(character):
            return "blank"
        if unicodedata.category(character) == "Cc":
            return "control"
    return None


def new_credential(credential):
    """Makes the credential of a new token: each secret in the credential is read as written."""
    return check_credential(_read(credential))


def _read(part):
    return {name: _read_value(name, value) for name, value in part.items()} if isinstance(part, dict) else part


def _read_value(name, value):
    if isinstance(value, str):
        return written_secret(value)
    if name == "several" and isinstance(value, list):
        return [_read(part) for part in value]
    if name == "header" and _is_pair(value):
        return [value[0], written_secret(value[1])]
    if name == "basic" and _is_pair(value):
        # One half may be empty.
        return [written_secret(half) if half else half for half in value]
    return value
