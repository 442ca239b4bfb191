# SPDX-License-Identifier: Apache-2.0
"""What the programs ask of an object store, whoever makes it. All calls block: use a thread from asyncio.

Browsers never talk to the store; `web` serves ranges, checks rights and logs them.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

SHA256 = "sha256"
"""Name of the user metadata that holds an object's digest (lower-case hex)."""


class StoreError(Exception):
    """Base of what a store call raises. The text is one sentence for the technician, without secrets."""


class StoreAway(StoreError):
    """The world's fault: no answer, a broken connection, overload. Trying again later is right."""


class ObjectMissing(StoreError):
    """No object has that key (or the bucket is missing)."""


class StoreRefused(StoreError):
    """The store answered no: wrong keys, no right, a locked object, a bad name. Trying again does not help."""


class DigestMismatch(StoreError):
    """What the store holds is not what was put: the size or the digest read back differs."""


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """One stored object. `sha256` is what the writer declared, empty when it declared none or in a listing."""

    key: str
    bytes: int
    modified_utc_ms: int
    sha256: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class RangeReader(Protocol):
    """An open range of an object. Iterate or read; close it (or use `with`), it holds a connection."""

    bytes: int
    total_bytes: int

    def read(self, size: int = -1) -> builtins.bytes: ...
    def __iter__(self) -> Iterator[builtins.bytes]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(Protocol):
    """One bucket of one store. Thread-safe. Every call may raise StoreAway or StoreRefused."""

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there."""

    def probe(self) -> None:
        """Write, read and delete one small object; raises DigestMismatch when what comes back differs."""

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "application/octet-stream") -> None:
        """Store a file (in pieces when it is large) with its digest as metadata. Raises OSError for the file."""

    def put_bytes(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        """Store bytes with their digest as metadata; returns the digest."""

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> RangeReader:
        """Open `length` bytes from `start` (None: to the end). Raises ObjectMissing, ValueError outside the object."""

    def read_bytes(self, key: str, limit_bytes: int = 64 * 1024 * 1024) -> bytes:
        """The whole object. Raises ObjectMissing; StoreRefused when it is larger than `limit_bytes`."""

    def stat(self, key: str) -> ObjectStat:
        """Size, time and declared digest. Raises ObjectMissing."""

    def stored_sha256(self, key: str) -> tuple[str, int]:
        """Digest and size found by reading the whole object back. Raises ObjectMissing."""

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """Objects whose key starts with `prefix`, in order of their keys."""

    def delete(self, key: str) -> None:
        """Remove one object; one that is not there is no fault."""
