"""The form of a version 2 token, its claims and its caveats: token-v2.md sections 1, 2, 5 and 6."""

import base64
import dataclasses
import ipaddress
import json
import re

MAX_BYTES = 8192
MAX_CAVEATS = 16
MAX_LIFETIME = 3660 * 86400
#: The longest life where the operator names none.
DEFAULT_MAX_LIFETIME = 366 * 86400
MAX_TIME = 253402300799
LEEWAY = 30


class TokenError(ValueError):
    """Why a token is refused; `kind` is the name of the refusal in the specification. No message holds a secret."""

    def __init__(self, kind, message=None):
        super().__init__(message or kind)
        self.kind = kind


def base64url(data):
    """RFC 4648 section 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text):
    """The bytes, or None where the text is not in the one spelling that we write."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Unused bits that are not zero would be a second spelling.
    return data if base64url(data) == text else None


def parse_object(data):
    """An object whose first bytes are `{"` and whose last is `}`; duplicates, floats, signs, null and the like are refused."""
    if not (data.startswith(b'{"') and data.endswith(b"}")):
        raise ValueError("expected a JSON object")
    text = data.decode("utf-8")
    value = json.loads(text, object_pairs_hook=_once, parse_float=_never, parse_constant=_never, parse_int=_natural)
    _check_texts(value)
    return value


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


def _check_texts(value):
    """Lone surrogates, which Python's parser lets through, and null."""
    if value is None:
        raise ValueError("null")
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name)
            _check_texts(member)
    elif isinstance(value, list):
        for element in value:
            _check_texts(element)


def _is_text(value):
    return isinstance(value, str)


def _is_time(value):
    # True is an integer to Python.
    return isinstance(value, int) and not isinstance(value, bool)


def _matches(pattern):
    return lambda value: _is_text(value) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_texts(value):
    return isinstance(value, list) and all(map(_is_text, value))


def _is_label(value):
    return _matches(r"[!-~]{1,128}")(value) and not set(value) & set('"\\>,')


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000_000


def _is_limit(value):
    """How many requests there may be: state.md section 6."""
    if not isinstance(value, dict):
        return False
    if value.keys() in ({"total"}, {"concurrent"}):
        return all(map(_is_count, value.values()))
    if value.keys() != {"requests", "per"} or not _is_text(value["per"]):
        return False
    length = re.fullmatch(r"([1-9][0-9]*)([smhd])", value["per"], re.ASCII)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return bool(length) and _is_count(value["requests"]) and int(length[1][:9]) * units[length[2]] <= 31 * 86400


# What makes a rule stateful: state.md section 2. `owner` is the operator's to give.
_STATE = {
    "grants": lambda value: _is_text(value) or _is_texts(value),
    "receipt": lambda value: value is True,
    "limit": _is_limit,
    "elements": lambda value: isinstance(value, dict),
}
_RULE = {"method": lambda value: _is_text(value) or _is_texts(value), "path": _is_text, "route": _is_text, **_STATE}


def _is_rule(value):
    if _is_text(value):
        return True
    if not isinstance(value, dict) or "method" not in value:
        return False
    return all(name in _RULE and _RULE[name](member) for name, member in value.items())


def _is_rules(value):
    return isinstance(value, list) and all(map(_is_rule, value))


def _is_plain_rules(value):
    """Rules that ask for no state, as caveats have them."""
    return _is_rules(value) and not any(_STATE.keys() & rule.keys() for rule in value if isinstance(rule, dict))


def is_network(text):
    """A network in CIDR notation without host bits."""
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


def _is_bounded_time(value):
    return _is_time(value) and value <= MAX_TIME


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
    "sub": _is_label,
    "explain": lambda value: isinstance(value, bool),
    "minter": _is_text,
}
_REQUIRED = {"kid", "kem", "jti", "iat", "exp", "aud"}
_CAVEAT = {
    "allowed": _is_plain_rules,
    "exp": _is_bounded_time,
    "nbf": _is_bounded_time,
    "aud": _NAME,
    "sub": _is_label,
    "sender": _is_sender,
    "limit": _is_limit,
}


def _checked(data, members, kind):
    try:
        value = parse_object(data)
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
    """A token whose form is right; nothing in it is to be believed."""

    claims: dict
    sealed: bytes = dataclasses.field(repr=False)
    signature: bytes | None = dataclasses.field(repr=False)
    #: The parts, as they stand in the token.
    caveat_parts: list[str] = dataclasses.field(repr=False)
    tag: bytes = dataclasses.field(repr=False)
    #: What the seal is bound to, what a minter signs, and what the chain begins with.
    bound: str = dataclasses.field(repr=False)
    minted: str = dataclasses.field(repr=False)
    root: str = dataclasses.field(repr=False)

    def caveats(self):
        """What the caveats say; raises where one is not readable."""
        return [parse_caveat(from_base64url(part)) for part in self.caveat_parts]


def parse_token(token):
    if len(token) > MAX_BYTES:
        raise TokenError("too_long")
    prefix, *parts = token.split(".")
    decoded = [from_base64url(part) or None for part in parts]
    if prefix != "mt2" or len(parts) < 3 or None in decoded:
        raise TokenError("malformed")
    claims = parse_claims(decoded[0])
    signed = 1 if "minter" in claims else 0
    caveats, tag = parts[2 + signed : -1], decoded[-1]
    if len(parts) < 3 + signed or len(caveats) > MAX_CAVEATS or len(tag) != 32:
        raise TokenError("malformed")
    signature = decoded[2] if signed else None
    if signature is not None and len(signature) != 64:
        raise TokenError("malformed")
    upto = lambda count: ".".join(["mt2", *parts[:count]])  # noqa: E731
    return ParsedToken(claims, decoded[1], signature, caveats, tag, upto(1), upto(2), upto(2 + signed))
