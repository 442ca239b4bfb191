# SPDX-License-Identifier: Apache-2.0
"""Passwords: what may be one, and its argon2id hash made in a thread so that the program goes on meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.casework.refusal import Refused

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 200
_AT_ONCE = 2
"""Hashes computed at the same time: each takes 64 MiB and a core."""
_ONE_TIME_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without characters that look alike on a screen or on paper."""


class PasswordRefused(Refused):
    """The password may not be used: password_too_short {min}, password_too_long {max}, password_is_username."""


def check_rules(password: str, username: str) -> None:
    """Raises PasswordRefused. Length is what counts; no rules about kinds of characters."""
    password = _normal(password)
    if len(password) < MIN_CHARACTERS:
        raise PasswordRefused("password_too_short", {"min": MIN_CHARACTERS})
    if len(password) > MAX_CHARACTERS:
        raise PasswordRefused("password_too_long", {"max": MAX_CHARACTERS})
    if password.lower() == _normal(username).lower():
        raise PasswordRefused("password_is_username")


def one_time_password() -> str:
    """Four groups of four characters, 79 random bits."""
    groups = ["".join(secrets.choice(_ONE_TIME_ALPHABET) for _ in range(4)) for _ in range(4)]
    return "-".join(groups)


def hash_now(password: str) -> str:
    """argon2id hash of a password; takes some 50 ms of a core."""
    return PasswordHasher().hash(_normal(password))


class Passwords:
    """Hashing and checking for a program on asyncio."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None
        """Hash of a password that nobody knows, made with the first check."""

    async def hash(self, password: str) -> str:
        """argon2id hash of a password."""
        async with self._places:
            return await asyncio.to_thread(hash_now, password)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """True when the password has this hash. As slow without a hash, so that nobody learns who has an account."""
        async with self._places:
            if self._nobody is None:
                self._nobody = await asyncio.to_thread(hash_now, secrets.token_urlsafe())
            return await asyncio.to_thread(_matches, password, hashed or self._nobody) and hashed is not None


def _matches(password: str, hashed: str) -> bool:
    if len(password) > MAX_CHARACTERS:
        return False
    try:
        return PasswordHasher().verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """One form for texts that look the same: a Chinese input method may type full-width letters."""
    return unicodedata.normalize("NFKC", password)
