# SPDX-License-Identifier: Apache-2.0
"""Passwords of IP cameras, sealed by a key of the data folder (AES-256-GCM), so that no copy of the database opens one.

A sealed password belongs to its camera: moved to another row it does not open.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.secret_files import secret_bytes

KEY_FILE: Final = "camera_passwords.key"
_NONCE_BYTES: Final = 12


class PasswordLost(Exception):
    """The sealed password does not open: its key was replaced, or it is another camera's."""


def seal_password(secrets_dir: Path, camera_id: str, password: str) -> str:
    """Text for the database; empty for an empty password. Raises OSError when the key cannot be read."""
    if not password:
        return ""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(secret_bytes(secrets_dir / KEY_FILE)).encrypt(nonce, password.encode(), camera_id.encode())
    return base64.b64encode(nonce + sealed).decode("ascii")


def open_password(secrets_dir: Path, camera_id: str, sealed: str) -> str:
    """The password. Raises PasswordLost, OSError."""
    if not sealed:
        return ""
    try:
        data = base64.b64decode(sealed, validate=True)
        key = AESGCM(secret_bytes(secrets_dir / KEY_FILE))
        return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], camera_id.encode()).decode()
    except (InvalidTag, ValueError):
        raise PasswordLost from None
