"""Narrowing and inspecting, which need only the token: token-v2.md section 5."""

import dataclasses
import hashlib
import hmac
import json

from .conditions import check_conditions
from .form import MAX_CAVEATS, TokenError, base32, ensure_length, json_part, parse_caveat, parse_token, utf8
from .short_forms import listed_caveat


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The claims and caveats of a token. Nothing is verified."""

    claims: dict
    caveats: list[dict]
    labels: list[str]
    #: The end of the token in seconds since 1970, by the claims and all caveats.
    expires_at: int
    not_before: int
    #: The id of this chain of caveats, as written in the proxy's log. `magicproxy revoke chain:…`
    #: ends the chain. The id is no secret.
    chain: str


def next_tag(tag, part):
    """Returns the tag of the next link of the chain."""
    return hmac.new(tag, part.encode("ascii"), hashlib.sha256).digest()


def narrow(token, caveat):
    """Returns the token with one more caveat.

    The caveat is a dict, in which a single value is a list of one, or the exact JSON text.
    """
    if isinstance(caveat, dict):
        check_conditions(listed_caveat(caveat).get("allowed"))
    text = caveat if isinstance(caveat, str) else json.dumps(listed_caveat(caveat), separators=(",", ":"), ensure_ascii=False)
    rules = parse_caveat(utf8(text)).get("allowed")
    check_conditions(rules)
    if rules == []:
        raise TokenError("rule", "the list of rules is empty")
    parsed = parse_token(token)
    if len(parsed.caveat_parts) >= MAX_CAVEATS:
        raise TokenError("malformed", f"the token bears {MAX_CAVEATS} caveats already")
    part = json_part(text)
    kept, _, _ = token.rpartition(".")
    narrowed = f"{kept}.{part}.{base32(next_tag(parsed.tag, part))}"
    return ensure_length(narrowed)


def inspect(token):
    """Reads the claims and caveats of a token, and verifies nothing. The credential stays sealed.
    """
    parsed = parse_token(token)
    caveats = parsed.caveats()
    every = [parsed.claims, *caveats]
    told = lambda name: [said[name] for said in every if name in said]  # noqa: E731
    begins = max([parsed.claims["iat"], *told("nbf")])
    return Inspection(parsed.claims, caveats, told("sub"), min(told("exp")), begins, chain_id(parsed))


def chain_id(parsed):
    """Returns the id of exactly this chain of caveats in hexadecimal: state-store.md section 7."""
    last = _digest(b"chain", b"v2", parsed.minted.encode("ascii"))
    for part in parsed.caveat_parts:
        last = _digest(b"chain", b"caveat", last, part.encode("ascii"))
    return last.hex()


def _digest(*parts):
    """Returns the first 16 bytes of SHA-256 over all parts, each behind the part's length."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()[:16]
