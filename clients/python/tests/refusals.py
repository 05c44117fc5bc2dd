"""How a refusal is told in tests."""

from magicproxy_token import TokenError


def kind_of(action):
    """The kind of refusal that an action ends with, or `accepted`."""
    try:
        action()
    except TokenError as error:
        return error.kind
    return "accepted"
