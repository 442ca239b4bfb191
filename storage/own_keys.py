# SPDX-License-Identifier: Apache-2.0
"""A session's own key: random, and kept wrapped by the installation's key beside what it opens.

`own-key.json` is no secret without `secrets/recording.key`. It is bound to its session: beside another one it does not
open. Whoever makes keys may make the installation's key, too; whoever only reads must not, for a new one opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.keyed_format import KEY_BYTES
from storage.secret_files import secret_bytes

KEY_NAME: Final = "recording.key"
LIMIT_BYTES: Final = 4096
"""No own-key.json is longer."""
_FORMAT: Final = "video-home-own-key/1"
_WRAPPING: Final = "AES-256-GCM"
_NONCE_BYTES: Final = 12


class KeyUnreadable(Exception):
    """A session's own key cannot be had. The text is one sentence that says what to do."""


class KeyGarbled(KeyUnreadable):
    """It is none that was made for this session, or a damaged one."""


def fingerprint(installation_key: bytes) -> str:
    """Names an installation's key without giving it away: 16 hex digits."""
    return hashlib.sha256(b"video-home recording key\n" + installation_key).hexdigest()[:16]


def installation_key(secrets_dir: Path) -> bytes:
    """The key that opens all session keys. Raises KeyUnreadable where it is not there: it is never made here."""
    path = secrets_dir / KEY_NAME
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        raise KeyUnreadable(f"The key file {path} is missing; put it back from your backup.") from None
    except OSError as error:
        raise KeyUnreadable(f"The key file {path} cannot be read ({error.strerror}).") from None
    if len(found) != KEY_BYTES:
        raise KeyUnreadable(f"The key file {path} is damaged; put it back from your backup.")
    return found


def new_own_key(secrets_dir: Path, session_id: str, *, may_make: bool) -> str:
    """Text of `own-key.json` with a new random key in it. `may_make`: the installation's key, where there is none yet;
    a media node gets it and makes none. Raises KeyUnreadable, OSError.
    """
    if may_make:
        secret_bytes(secrets_dir / KEY_NAME)
    by, nonce = installation_key(secrets_dir), secrets.token_bytes(_NONCE_BYTES)
    wrapped = AESGCM(by).encrypt(nonce, secrets.token_bytes(KEY_BYTES), _bound_to(session_id))
    text = {
        "format": _FORMAT, "session_id": session_id, "wrapping": _WRAPPING, "wrapped_by": fingerprint(by),
        "nonce": nonce.hex(), "wrapped_key": wrapped.hex(),
    }  # fmt: skip
    return json.dumps(text, indent=1) + "\n"


def open_own_key(secrets_dir: Path, session_id: str, stored: bytes) -> bytes:
    """The session's key out of its `own-key.json`. Raises KeyUnreadable."""
    try:
        text = json.loads(stored)
        known = (text["format"], text["wrapping"]) == (_FORMAT, _WRAPPING)
        by, nonce, wrapped = str(text["wrapped_by"]), bytes.fromhex(text["nonce"]), bytes.fromhex(text["wrapped_key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeyGarbled(f"The own key of session {session_id} in the store is damaged.") from None
    if not known:
        raise KeyUnreadable(f"The own key of session {session_id} was made by another version of Video Home.")
    own = installation_key(secrets_dir)
    if by != fingerprint(own):
        raise KeyUnreadable(
            f"The key file {secrets_dir / KEY_NAME} is not the one that session {session_id} was recorded under "
            f"(it has {fingerprint(own)}, {by} is needed); put that one back from your backup."
        )
    try:
        return AESGCM(own).decrypt(nonce, wrapped, _bound_to(session_id))
    except (InvalidTag, ValueError):
        raise KeyGarbled(f"The own key of session {session_id} in the store is damaged or another's.") from None


def _bound_to(session_id: str) -> bytes:
    return f"{_FORMAT}\n{session_id}".encode()
