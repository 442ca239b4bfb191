# SPDX-License-Identifier: Apache-2.0
"""The file that makes a machine a media node: its certificate and the installation's keys, sealed by a one-time secret.

The secret travels another way than the file (it is read out, or written down). The file is good for a day, and removed
by the machine that took it.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from storage.camera_passwords import KEY_FILE as CAMERA_KEY
from storage.files import secret_folder, write_atomically
from storage.nodes import NODE_FILES
from storage.own_keys import KEY_NAME as RECORDING_KEY
from storage.seal import KEY_NAME as SEAL_KEY

GOOD_FOR_S: Final = 24 * 3600
MOST_BYTES: Final = 64 * 1024
SHARED_KEYS: Final = ("control.key", "room_token.key", "door_token.key", CAMERA_KEY, RECORDING_KEY, SEAL_KEY)
"""Orders and tokens are checked with these on every machine, and every recording is sealed by the same key, its own key
wrapped by the same one."""
_FORMAT: Final = "video-home-node/1"
_SECRET_BYTES: Final = 15


class BundleRefused(Exception):
    """The file cannot be taken. The text is one sentence for the technician."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a node needs of the installation."""

    name: str
    county: str
    issued_utc_s: int
    files: dict[str, bytes]
    """By path below the data folder."""


def new_secret() -> str:
    """120 random bits in groups of four letters and digits."""
    text = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def pack(bundle: Bundle, secret: str) -> bytes:
    """The sealed file (AES-256-GCM under a key of the secret)."""
    files = {path: base64.b64encode(data).decode("ascii") for path, data in bundle.files.items()}
    body = {"name": bundle.name, "county": bundle.county, "issued_utc_s": bundle.issued_utc_s, "files": files}
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = AESGCM(_key(secret, salt)).encrypt(nonce, json.dumps(body).encode(), _FORMAT.encode())
    parts = {"salt": salt.hex(), "nonce": nonce.hex(), "sealed": base64.b64encode(sealed).decode("ascii")}
    return json.dumps({"format": _FORMAT, **parts}).encode()


def unpack(data: bytes, secret: str) -> Bundle:
    """The content. Raises BundleRefused."""
    try:
        outer = json.loads(data)
        if outer["format"] != _FORMAT:
            raise BundleRefused("This file was made by another version of Video Home.")
        salt, nonce = bytes.fromhex(outer["salt"]), bytes.fromhex(outer["nonce"])
        body = json.loads(
            AESGCM(_key(secret, salt)).decrypt(nonce, base64.b64decode(outer["sealed"]), _FORMAT.encode())
        )
        files = {str(path): base64.b64decode(text) for path, text in body["files"].items()}
        return Bundle(str(body["name"]), str(body["county"]), int(body["issued_utc_s"]), files)
    except InvalidTag:
        raise BundleRefused("The secret is not the one of this file, or the file was changed.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BundleRefused("This is no file that videohome node add has made.") from None


def install(bundle: Bundle, data_dir: Path, name: str, county: str, now_utc_s: float) -> None:
    """Put the files in place. Raises BundleRefused and changes nothing then; OSError."""
    if bundle.name != name:
        raise BundleRefused(f"The file is for the node {bundle.name}; here node_name is {name or 'not set'}.")
    if bundle.county != county:
        raise BundleRefused(f"The file is of the county {bundle.county}; here county is {county}.")
    if not -GOOD_FOR_S < now_utc_s - bundle.issued_utc_s < GOOD_FOR_S:
        raise BundleRefused("The file is older than a day, or this machine's clock is wrong; make a new file.")
    known = {f"node/{file}" for file in NODE_FILES} | {f"secrets/{file}" for file in SHARED_KEYS}
    if set(bundle.files) != known:
        raise BundleRefused("This file was made by another version of Video Home.")
    for path, data in bundle.files.items():
        there = data_dir / path
        if path.startswith("secrets/") and there.exists() and there.read_bytes() != data:
            raise BundleRefused(
                f"The data folder {data_dir} belongs to another installation ({there.name} differs); "
                "choose an empty data_dir for the node."
            )
    for path, data in bundle.files.items():
        secret_folder((data_dir / path).parent)
        write_atomically(data_dir / path, data, 0o600)


def _key(secret: str, salt: bytes) -> bytes:
    typed = "".join(secret.split()).replace("-", "").upper()
    return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(typed.encode())
