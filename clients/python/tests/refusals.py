"""The kinds of refusals in tests."""

from magicproxy_token import TokenError


def kind_of(action):
    """Returns the kind of the refusal that the action raises, or `accepted`."""
    try:
        action()
    except TokenError as error:
        return error.kind
    return "accepted"
