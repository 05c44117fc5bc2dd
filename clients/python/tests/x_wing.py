"""Whether the installed `cryptography` has what X-Wing needs, as it has from version 48 on."""

import os

from magicproxy_token import TokenError, kem


def x_wing_is_there():
    """Raises where `MAGICPROXY_X_WING` says that it must be, so that a test is not left out unseen."""
    try:
        kem.kem_named("x-wing")
    except TokenError:
        if os.environ.get("MAGICPROXY_X_WING") == "required":
            raise
        return False
    return True
