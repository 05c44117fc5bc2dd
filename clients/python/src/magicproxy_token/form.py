"""The form of a version 2 token, its claims and its caveats: token-v2.md sections 1, 2, 5 and 6."""

import base64
import dataclasses
import ipaddress
import json
import re

#: The beginning of every token of version 2.
PREFIX = "mt2_"
MAX_BYTES = 8192
MAX_CAVEATS = 16
#: The greatest depth of objects and lists in JSON. No token needs a greater depth.
MAX_DEPTH = 127
MAX_LIFETIME = 3660 * 86400
#: The longest lifetime in seconds, if the operator sets no other.
DEFAULT_MAX_LIFETIME = 366 * 86400
MAX_TIME = 253402300799
LEEWAY = 30


class TokenError(ValueError):
    """The refusal of a token; `kind` is the name of the refusal in the specification.

    No message holds a secret.
    """

    def __init__(self, kind, message=None):
        super().__init__(message or kind)
        self.kind = kind


def utf8(text):
    """Encodes a text.

    A lone surrogate gives bytes that are no UTF-8, and a reader of UTF-8 refuses the bytes.
    """
    return text.encode("utf-8", "surrogatepass")


def base64url(data):
    """Encodes as base64url, RFC 4648 section 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text):
    """Decodes base64url. Returns None for any spelling that `base64url` does not write."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Unused bits that are not zero would be a second spelling.
    return data if base64url(data) == text else None


def base32(data):
    """Encodes as base32, RFC 4648 section 6, in lower case and without padding."""
    return base64.b32encode(data).rstrip(b"=").decode("ascii").lower()


def from_base32(text):
    """Decodes base32. Returns None for any spelling that `base32` does not write."""
    # A remainder of 1, 3 or 6 characters holds no whole number of bytes.
    if not re.fullmatch(r"[a-z2-7]*", text) or len(text) % 8 in (1, 3, 6):
        return None
    data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    # Unused bits that are not zero would be a second spelling.
    return data if base32(data) == text else None


def json_part(text):
    """Encodes the JSON of claims, or of a caveat, as a part of a token: token-v2.md section 1.1.

    Escapes keep `-` and `_` out of the part. Escaped characters occur in strings only, so the value
    stays the same. The JSON must have been read before, because a text that is not JSON might
    become JSON.
    """
    return base64url(re.sub("[>?~\x7f-\U0010ffff]", _escape, text).encode("ascii"))


def _escape(found):
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2]))


def parse_object(data):
    """Reads an object whose first bytes are `{"` and whose last is `}`.

    Duplicates, floats, signs, null and similar values are refused.
    """
    if not data.startswith(b'{"'):
        raise ValueError("expected a JSON object")
    value = _parsed(data, parse_float=_never, parse_int=_natural)
    _check_values(value, MAX_DEPTH, (str, int, dict, list))
    return value


def parse_token_object(data):
    """Reads an object like `parse_object`, in which rules may have conditions.

    null and any number pass, and are refused where nothing of the kind has a place.
    """
    if not data.startswith(b'{"'):
        raise ValueError("expected a JSON object")
    # `-0` is a second spelling of 0.
    value = _parsed(data, parse_float=float, parse_int=lambda text: float(text) if text == "-0" else _integer(text))
    _check_values(value, MAX_DEPTH, (str, int, float, dict, list, type(None)))
    return value


def parse_foreign_object(data):
    """Reads an object that may have unknown members with any JSON (I-JSON, RFC 7493).

    White space may surround the object.
    """
    value = _parsed(data.strip(b" \t\r\n"), parse_float=float, parse_int=_integer)
    _check_values(value, MAX_DEPTH, (str, int, float, dict, list, type(None)))
    return value


def _parsed(data, **numbers):
    if not (data.startswith(b"{") and data.endswith(b"}")):
        raise ValueError("expected a JSON object")
    return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_never, **numbers)


def _once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _never(text):
    raise ValueError("not an integer")


def _natural(text):
    if text.startswith("-") or len(text) > 20:
        raise ValueError("not an integer that has a place here")
    return int(text)


def _integer(text):
    # Python refuses thousands of digits, or takes long to read a number of so many.
    return int(text) if len(text) <= 20 else float(text)


def _check_values(value, depth, kinds):
    """Refuses lone surrogates, too much depth, and values of other kinds.

    Python's parser lets lone surrogates through.
    """
    if not isinstance(value, kinds):
        raise ValueError("a value of another kind")
    if isinstance(value, str):
        value.encode("utf-8")
    if not isinstance(value, (dict, list)):
        return
    if depth == 0:
        raise ValueError("too deep")
    for element in [*value, *value.values()] if isinstance(value, dict) else value:
        _check_values(element, depth - 1, kinds)


def _is_text(value):
    return isinstance(value, str)


def _is_time(value):
    # In Python, True is an integer.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TIME


def _matches(pattern):
    return lambda value: _is_text(value) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_texts(value):
    return isinstance(value, list) and all(map(_is_text, value))


def _is_label(value):
    return _matches(r"[!-~]{1,128}")(value) and not set(value) & set('"\\>,')


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000_000


def _is_limit(value):
    """True for a limit on the number of requests: state.md section 6."""
    if not isinstance(value, dict):
        return False
    if value.keys() in ({"total"}, {"concurrent"}):
        return all(map(_is_count, value.values()))
    if value.keys() != {"requests", "per"} or not _is_text(value["per"]):
        return False
    length = re.fullmatch(r"([1-9][0-9]*)([smhd])", value["per"], re.ASCII)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return bool(length) and _is_count(value["requests"]) and int(length[1][:9]) * units[length[2]] <= 31 * 86400


def _is_text_or_texts(value):
    return _is_text(value) or _is_texts(value)


def _is_object_of(value, is_member):
    return isinstance(value, dict) and all(map(is_member, value.values()))


def _has_members(value, members, required):
    """True for an object with all of the required members, and with no members but the given ones.
    """
    if not isinstance(value, dict) or not value.keys() >= required:
        return False
    return all(name in members and members[name](member) for name, member in value.items())


_ELEMENTS = {
    "list": _is_text,
    "key": _is_text_or_texts,
    "creates": lambda value: _is_object_of(value, _is_text),
    "deletes": lambda value: _is_object_of(value, _is_text),
    "deletes_if_empty": _is_text,
    "only": lambda value: _is_object_of(value, _is_text_or_texts),
    "lookup": _is_text,
}
# The members that make a rule stateful: section 2.1. Only the operator may set `owner` and
# `plugin`.
_STATE = {
    "grants": _is_text_or_texts,
    "receipt": lambda value: value is True,
    "limit": _is_limit,
    "list_items": lambda value: _has_members(value, _ELEMENTS, {"list", "key", "creates"}),
}
def _is_object(value):
    return isinstance(value, dict)


#: The members for conditions (conditions.md section 1). What is in them is a question of the rule,
#: and not of the token's form.
CONDITIONS = {
    "captures": _is_object,
    "query": lambda value: value == "any" or _is_object(value),
    "headers": _is_object,
    "json": _is_object,
    "json_each": lambda value: True,
    "form": _is_object,
    "body": lambda value: value in ("none", "any"),
    "content_type": _is_text_or_texts,
}
_RULE = {"method": _is_text_or_texts, "path": _is_text, "route": _is_text, **_STATE, **CONDITIONS}


def _is_flag(value):
    return isinstance(value, bool)


#: The members of a rule for git (git.md section 1).
_GIT_RULE = {
    "git": _is_text,
    "repository": _is_text,
    "refs": lambda value: True,
    "create": _is_flag,
    "delete": _is_flag,
    "force": _is_flag,
    "options": lambda value: True,
    "max_commands": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    "operations": _is_text_or_texts,
    "locks": _is_flag,
    "limit": _is_limit,
}


def _is_rule(rule):
    if isinstance(rule, dict) and "git" in rule:
        return _has_members(rule, _GIT_RULE, {"git", "repository"})
    return _is_text(rule) or _has_members(rule, _RULE, {"method"})


def _is_rules(value):
    return isinstance(value, list) and all(map(_is_rule, value))


def _is_plain_rules(value):
    """True for rules without state, as in caveats."""
    return _is_rules(value) and not any(_STATE.keys() & rule.keys() for rule in value if isinstance(rule, dict))


def is_network(text):
    """True for a network in CIDR notation without host bits."""
    match = re.fullmatch(r"([0-9A-Fa-f.:]+)/(0|[1-9][0-9]{0,2})", text, re.ASCII)
    if not match:
        return False
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError:
        return False
    return network.version == 4 or network.network_address.ipv4_mapped is None


def _is_sender(value):
    if not isinstance(value, dict) or list(value) != ["cidr"] or not _is_texts(value["cidr"]):
        return False
    return 1 <= len(value["cidr"]) <= 32 and all(map(is_network, value["cidr"]))


_FROM = {"chain": _matches("[0-9a-f]{32}"), "owner": _matches("[0-9a-f]{64}"), "kid": _matches("[A-Za-z0-9_-]{43}")}


def _is_from(value):
    """True for the description of the token from which the proxy made the new token."""
    return isinstance(value, dict) and value.keys() == _FROM.keys() and all(_FROM[name](text) for name, text in value.items())


_NAME = _matches(r"[A-Za-z0-9._:\[\]-]{1,255}")

_CLAIMS = {
    "kid": _is_text,
    "kem": lambda value: value in ("x25519", "x-wing"),
    "jti": _matches(r"[A-Za-z0-9_-]{1,128}"),
    "iat": _is_time,
    "exp": _is_time,
    "aud": _NAME,
    "allowed": _is_rules,
    "scopes": lambda value: _is_texts(value) and 1 <= len(value) <= 1000,
    "nbf": _is_time,
    # In the log, `-` stands for an absent label.
    "sub": lambda value: _is_label(value) and value != "-",
    "explain": lambda value: isinstance(value, bool),
    "minter": _is_text,
}
_REQUIRED = {"kid", "kem", "jti", "iat", "exp", "aud"}
_CAVEAT = {
    "allowed": _is_plain_rules,
    "exp": _is_time,
    "nbf": _is_time,
    "aud": _NAME,
    "sub": _is_label,
    "sender": _is_sender,
    "limit": _is_limit,
    "from": _is_from,
}


def _checked(data, members, kind):
    try:
        value = parse_token_object(data)
    except (ValueError, RecursionError) as error:
        raise TokenError(kind, "not a JSON object of the form that a token has") from error
    for name, member in value.items():
        if name not in members or not members[name](member):
            raise TokenError(kind, f"the member {name!r} is not accepted")
    return value


def parse_claims(data):
    claims = _checked(data, _CLAIMS, "claims")
    if missing := _REQUIRED - claims.keys():
        raise TokenError("claims", f"missing: {', '.join(sorted(missing))}")
    if claims["exp"] <= claims["iat"]:
        raise TokenError("claims", "exp must be later than iat")
    if ("allowed" in claims) == ("scopes" in claims):
        raise TokenError("claims", "exactly one of allowed and scopes must be there")
    return claims


def parse_caveat(data):
    caveat = _checked(data, _CAVEAT, "caveat")
    if not caveat:
        raise TokenError("caveat", "a caveat without a member changes nothing")
    return caveat


@dataclasses.dataclass(frozen=True)
class ParsedToken:
    """A token with a checked form. Nothing in the token is verified."""

    claims: dict
    sealed: bytes = dataclasses.field(repr=False)
    signature: bytes | None = dataclasses.field(repr=False)
    #: The parts, as spelled in the token.
    caveat_parts: list[str] = dataclasses.field(repr=False)
    tag: bytes = dataclasses.field(repr=False)
    #: Beginnings of the token: the part that the seal is bound to, the part that a minter signs,
    #: and the part that the chain begins with.
    bound: str = dataclasses.field(repr=False)
    minted: str = dataclasses.field(repr=False)
    root: str = dataclasses.field(repr=False)

    def caveats(self):
        """Reads the caveats. Raises for a caveat of another form."""
        return [parse_caveat(from_base64url(part)) for part in self.caveat_parts]


def ensure_length(token):
    """Returns the token. Raises for a token that is too long."""
    if len(token) > MAX_BYTES:
        raise TokenError("too_long", f"the token would be longer than {MAX_BYTES} bytes")
    return token


def _malformed(message):
    return TokenError("malformed", message)


def _no_token(text):
    """Says why a text with another beginning is no token of version 2."""
    if text.startswith("mt2."):
        return "a token of before the first release, with `mt2.` where tokens have `mt2_`: mint it anew"
    if text.startswith(("mt1_", "eyJ")):
        return "expected a token of version 2, `mt2_…`; this looks like one of version 1"
    return "expected a token of version 2, `mt2_…`"


def _decoded(decode, part):
    """Decodes a part. Raises for an empty part and for another spelling."""
    data = decode(part)
    if not data:
        raise _malformed("a part of the token is empty, or not spelled as such parts are")
    return data


def parse_token(token):
    if len(utf8(token)) > MAX_BYTES:
        raise TokenError("too_long", f"the token is longer than {MAX_BYTES} bytes")
    if not token.startswith(PREFIX):
        raise _malformed(_no_token(token))
    rest = token.removeprefix(PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9.]*", rest):
        raise _malformed("a token has only letters, digits and `.` behind `mt2_`")
    parts = rest.split(".")
    if len(parts) < 3:
        raise _malformed("the token has too few parts")
    data, sealed, tag = _decoded(from_base64url, parts[0]), _decoded(from_base32, parts[1]), _decoded(from_base32, parts[-1])
    if len(tag) != 32:
        raise _malformed("the tag of the token is not 32 bytes")
    claims = parse_claims(data)
    signed = 1 if "minter" in claims else 0
    caveats = parts[2 + signed : -1]
    if len(parts) < 3 + signed:
        raise _malformed("the token has too few parts")
    if len(caveats) > MAX_CAVEATS:
        raise _malformed(f"the token bears more than {MAX_CAVEATS} caveats")
    for part in caveats:
        _decoded(from_base64url, part)
    signature = _decoded(from_base32, parts[2]) if signed else None
    upto = lambda count: PREFIX + ".".join(parts[:count])  # noqa: E731
    return ParsedToken(claims, sealed, signature, caveats, tag, upto(1), upto(2), upto(2 + signed))
