# SPDX-License-Identifier: Apache-2.0
"""Files that must survive a power cut: atomic writing, secret files, digests."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SM3, Hash

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


class Digester:
    """Takes bytes piece by piece. Other threads run meanwhile: pieces of a mebibyte keep a core busy.

    SM3 comes from the library that brings its own OpenSSL: a fourth faster than Debian's, and there on every machine.
    """

    def __init__(self) -> None:
        self.size, self._sha256, self._sm3 = 0, hashlib.sha256(), Hash(SM3())

    def update(self, piece: bytes) -> None:
        """The next bytes."""
        self.size += len(piece)
        self._sha256.update(piece)
        self._sm3.update(piece)

    def finish(self) -> Digests:
        """Of all that was taken; nothing can follow."""
        return Digests(self.size, self._sha256.hexdigest(), self._sm3.finalize().hex())


def digests_of_file(path: Path) -> Digests:
    """Read the file once for its size, SHA-256 and SM3. Raises OSError."""
    found = Digester()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            found.update(block)
    return found.finish()


def digests_of_bytes(data: bytes) -> Digests:
    """Size, SHA-256 and SM3 of bytes in memory."""
    found = Digester()
    found.update(data)
    return found.finish()
