"""The check that the installed `cryptography` has ML-KEM for X-Wing, as from version 48 on."""

import os

from magicproxy_token import TokenError, kem


def x_wing_is_there():
    """True if X-Wing is installed.

    Raises if X-Wing is missing and `MAGICPROXY_X_WING` is `required`, so that no test is left out
    unseen.
    """
    try:
        kem.kem_named("x-wing")
    except TokenError:
        if os.environ.get("MAGICPROXY_X_WING") == "required":
            raise
        return False
    return True
