# SPDX-License-Identifier: Apache-2.0
"""Files that must survive a power cut: atomic writing, secret files, digests."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from storage import disk

_BLOCK_BYTES = 1024 * 1024
UNFINISHED = ".tmp"
"""How names of files end that are not yet in their place."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Size and both digests (lower-case hex) of one file or text. SM3 is GB/T 32905-2016."""

    bytes: int
    sha256: str
    sm3: str


def sync_folder(folder: Path) -> None:
    """Make new, renamed and removed names in `folder` durable. Raises OSError."""
    disk.door.sync_folder(folder)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data` so that a reader or a power cut sees the old or the new file whole. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    try:
        handle = disk.door.create(fresh, mode, fresh=True)
        try:
            os.fchmod(handle, mode)
            disk.door.write_at(handle, data, 0)
            disk.door.sync(handle)
        finally:
            disk.door.close(handle)
        disk.door.replace(fresh, path)
    except BaseException:
        disk.door.remove(fresh)
        raise
    sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what a kill left of `write_atomically` in this folder; nobody may be writing there. Raises OSError."""
    for path in folder.glob(f".*{UNFINISHED}"):
        disk.door.remove(path)


def secret_folder(folder: Path) -> Path:
    """Make `folder` with mode 0700 (and its parents) unless it is there; returns it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def secret_file(path: Path, make: bytes) -> bytes:
    """Content of `path`; when it is not there, `make` is written to it with mode 0600 first.

    Two programs that start together agree: the file is linked into place only where none is. Raises OSError.
    """
    secret_folder(path.parent)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(make)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
            sync_folder(path.parent)
        except FileExistsError:
            pass
    finally:
        Path(name).unlink(missing_ok=True)
    return path.read_bytes()


def digests_of_file(path: Path) -> Digests:
    """Read the file once for its size, SHA-256 and SM3. Raises OSError."""
    size, sha256, sm3 = 0, hashlib.sha256(), hashlib.new("sm3")
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            size += len(block)
            sha256.update(block)
            sm3.update(block)
    return Digests(size, sha256.hexdigest(), sm3.hexdigest())


def digests_of_bytes(data: bytes) -> Digests:
    """Size, SHA-256 and SM3 of bytes in memory."""
    return Digests(len(data), hashlib.sha256(data).hexdigest(), hashlib.new("sm3", data).hexdigest())
