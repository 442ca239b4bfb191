# SPDX-License-Identifier: Apache-2.0
"""Identifiers that sort by time of making and can stand in object keys, addresses and rooms."""

from __future__ import annotations

import re
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
_COUNTY = re.compile(r"[a-z0-9-]{1,32}")


def new_id() -> str:
    """26 characters: 48 bits of milliseconds since 1970, then 80 random bits, in lower-case Crockford base 32."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """True when `text` has the form that `new_id` makes."""
    return _ID.fullmatch(text) is not None


def is_county(text: str) -> bool:
    """True when `text` may name a county (lower-case letters, digits and hyphens, 1 to 32 of them)."""
    return _COUNTY.fullmatch(text) is not None
