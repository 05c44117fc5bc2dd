"""Narrowing and inspecting: the token is all that is needed. token-v2.md section 5."""

import dataclasses
import hashlib
import hmac
import json

from .form import MAX_CAVEATS, TokenError, base32, ensure_length, json_part, parse_caveat, parse_token, utf8
from .order import listed_caveat


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What a token says of itself. Nothing of it is proved."""

    claims: dict
    caveats: list[dict]
    labels: list[str]
    #: Seconds since 1970: what claims and caveats leave.
    expires_at: int
    not_before: int
    #: What the proxy's log calls this chain of caveats, and `magicproxy revoke chain:…` ends. No secret.
    chain: str


def next_tag(tag, part):
    """One link of the chain."""
    return hmac.new(tag, part.encode("ascii"), hashlib.sha256).digest()


def narrow(token, caveat):
    """The token with one more caveat, given as a dict, in which one value is a list of one, or as the exact JSON text."""
    text = caveat if isinstance(caveat, str) else json.dumps(listed_caveat(caveat), separators=(",", ":"), ensure_ascii=False)
    if parse_caveat(utf8(text)).get("allowed") == []:
        raise TokenError("rule", "the list of rules is empty")
    parsed = parse_token(token)
    if len(parsed.caveat_parts) >= MAX_CAVEATS:
        raise TokenError("malformed", f"the token bears {MAX_CAVEATS} caveats already")
    part = json_part(text)
    kept, _, _ = token.rpartition(".")
    narrowed = f"{kept}.{part}.{base32(next_tag(parsed.tag, part))}"
    return ensure_length(narrowed)


def inspect(token):
    """What the token says, without believing it; never what is sealed."""
    parsed = parse_token(token)
    caveats = parsed.caveats()
    every = [parsed.claims, *caveats]
    told = lambda name: [said[name] for said in every if name in said]  # noqa: E731
    begins = max([parsed.claims["iat"], *told("nbf")])
    return Inspection(parsed.claims, caveats, told("sub"), min(told("exp")), begins, chain_id(parsed))


def chain_id(parsed):
    """The id of exactly this chain of caveats, as hexadecimal digits: state-store.md section 7."""
    last = _digest(b"chain", b"v2", parsed.minted.encode("ascii"))
    for part in parsed.caveat_parts:
        last = _digest(b"chain", b"caveat", last, part.encode("ascii"))
    return last.hex()


def _digest(*parts):
    """The first 16 bytes of SHA-256 over all parts, each behind its length."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()[:16]
