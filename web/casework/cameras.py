# SPDX-License-Identifier: Apache-2.0
"""What an IP camera's address and sign-in may look like, and how many may be in one session. PURE."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from web.casework.refusal import Refused

MOST_IN_SESSION: Final = 4
LONGEST_SIGN_IN: Final = 120
"""Bytes of user name and password as RTSP carries them (letters beyond ASCII and signs count three or more)."""


def check_address(address: str) -> None:
    """An address as rtsp://192.168.1.64:554/stream. Raises Refused `camera_address_invalid`,
    `camera_address_has_password`."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise Refused("camera_address_invalid") from None
    if parts.scheme != "rtsp" or not parts.hostname or port == 0 or parts.fragment:
        raise Refused("camera_address_invalid")
    if parts.username is not None or parts.password is not None:
        raise Refused("camera_address_has_password")


def check_sign_in(username: str, password: str) -> None:
    """Raises Refused `camera_sign_in_too_long`, and `camera_user_name_invalid` for one with a colon."""
    if ":" in username:
        raise Refused("camera_user_name_invalid")
    if len(quote(username, safe="")) + 1 + len(quote(password, safe="")) > LONGEST_SIGN_IN:
        raise Refused("camera_sign_in_too_long")
