"""The tokens that a proxy accepts, as the proxy itself says: token-v2.md section 7.3."""

from .form import MAX_LIFETIME, TokenError

_KNOWN = {"versions": ("v1", "v2"), "kems": ("x25519", "x-wing")}


def read_accepts(value):
    """Reads the known members of `accepts`. Raises `malformed` for a value of another form."""
    members = value if isinstance(value, dict) else {}
    lifetime = members.get("max_lifetime")
    right = all(_is_texts(members.get(name)) for name in _KNOWN) and _is_texts(members.get("minters", []))
    if not right or type(lifetime) is not int or not 1 <= lifetime <= MAX_LIFETIME:
        raise TokenError("malformed", "what the proxy says that it accepts is not understood here")
    # Names of later versions are ignored.
    read = {name: [text for text in members[name] if text in known] for name, known in _KNOWN.items()}
    if "minters" in members:
        read["minters"] = members["minters"]
    return {**read, "max_lifetime": lifetime}


def _is_texts(value):
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def ensure_accepted(accepts, *, kem, minter, lifetime):
    """Raises `TokenError` if the proxy would not accept the token about to be minted.

    `minter` is a thumbprint, or None.
    """
    if "v2" not in accepts["versions"]:
        raise TokenError("version", "the proxy accepts no sealed tokens (version 2)")
    if kem not in accepts["kems"]:
        expected = " or ".join(accepts["kems"]) or "none at all"
        raise TokenError("kem", f"the proxy accepts no tokens sealed with `{kem}`: expected {expected}")
    if "minters" in accepts and minter not in accepts["minters"]:
        if minter is None:
            raise TokenError("minter", "the proxy accepts tokens of listed minters alone: give a `minter`")
        raise TokenError("minter", f"the key {minter} is none of the minters that the proxy lists")
    if lifetime > accepts["max_lifetime"]:
        longest = accepts["max_lifetime"]
        raise TokenError("lifetime", f"the proxy accepts tokens that live for at most {longest} seconds, and this one would live for {lifetime}")
