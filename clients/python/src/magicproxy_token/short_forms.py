"""Short forms of the calling program's values: one value for a list of one, "1h" for 3600."""

import re

from .form import TokenError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def listed(value):
    """Returns a list; a single value becomes a list of one. None stays None."""
    return value if value is None or isinstance(value, list) else [value]


def seconds(value):
    """Returns seconds, read from a number or from a text such as "90s", "1h 30m" or "7d"."""
    if isinstance(value, int):
        return value
    fault = TokenError("claims", 'expires_in: expected a number of seconds or a text such as "1h", with s, m, h, d or w')
    if not isinstance(value, str):
        raise fault
    if re.fullmatch(r"[0-9]{1,12}", value):
        return int(value)
    if not re.fullmatch(r"[0-9]{1,12}[smhdw](?: ?[0-9]{1,12}[smhdw])*", value):
        raise fault
    parts = [(int(number), _UNITS[unit]) for number, unit in re.findall(r"([0-9]+)([smhdw])", value)]
    lengths = [length for _, length in parts]
    if lengths != sorted(set(lengths), reverse=True):
        raise fault
    return sum(number * length for number, length in parts)


def listed_caveat(caveat):
    """Returns the caveat with a list in the place of each single value."""
    members = dict(caveat)
    if members.get("allowed") is not None:
        members["allowed"] = listed(members["allowed"])
    sender = members.get("sender")
    if isinstance(sender, dict) and isinstance(sender.get("cidr"), str):
        members["sender"] = {**sender, "cidr": [sender["cidr"]]}
    return members
