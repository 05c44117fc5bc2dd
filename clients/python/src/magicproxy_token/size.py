"""How long a token may be, for what stands around it."""

#: Credential stores and some clients' fields end here.
_STORES = 4096
#: Servers' limits of a header's length begin at 8,192, with the field's name and scheme.
_HEADERS = 7500


def size_warnings(token):
    """What to say of the length of a token: a list of texts, mostly empty."""
    length = f"the token has {len(token)} bytes"
    if len(token) < _STORES:
        return []
    if len(token) < _HEADERS:
        return [f"{length}: some credential stores keep at most {_STORES}"]
    return [f"{length}: servers in front of the proxy may refuse a header field as long as that, and some credential stores keep at most {_STORES}"]
