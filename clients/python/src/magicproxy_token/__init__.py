"""Magic tokens of Magic API Proxy: `docs/spec/token-v2.md`.

Narrowing and inspecting need only the standard library.
"""

from .form import TokenError
from .keyset import KeySet, verify_key_set
from .narrowing import Inspection, inspect, narrow
from .sealing import Minted, Opened, mint, open_token
from .size import size_warnings

__all__ = ["Inspection", "KeySet", "Minted", "Opened", "TokenError", "inspect", "mint", "narrow", "open_token", "size_warnings", "verify_key_set"]
