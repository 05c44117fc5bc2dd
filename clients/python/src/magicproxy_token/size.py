"""Lengths at which programs around a token may refuse the token."""

#: The limit in bytes of credential stores and of some clients' fields.
_STORES = 4096
#: The greatest length in bytes that fits a header field with the field's name and scheme: servers'
#: limits begin at 8,192.
_HEADERS = 7500


def size_warnings(token):
    """Returns warnings about the length of a token: a list of texts, mostly empty."""
    length = f"the token has {len(token)} bytes"
    if len(token) < _STORES:
        return []
    if len(token) < _HEADERS:
        return [f"{length}: some credential stores keep at most {_STORES}"]
    return [f"{length}: servers in front of the proxy may refuse a header field as long as that, and some credential stores keep at most {_STORES}"]
