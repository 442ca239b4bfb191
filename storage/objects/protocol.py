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
from typing import Literal, Protocol, Self

SHA256 = "sha256"
"""Name of the user metadata that holds an object's digest (lower-case hex)."""
LOCK_PROBES = ".lock-probe/"
"""Where the probe of the locks writes. Each probe removes what earlier ones had to leave under their lock."""
LockMode = Literal["governance", "compliance"]
"""governance: whoever has the store's special right may still lift it; compliance: nobody may, the root neither."""


class StoreError(Exception):
    """Base of what a store call raises. The text is one sentence for the technician, without secrets."""


class StoreAway(StoreError):
    """The world's fault: no answer, a broken connection, overload. Trying again later is right."""


class ObjectMissing(StoreError):
    """No object has that key (or the bucket is missing)."""


class StoreRefused(StoreError):
    """The store answered no: wrong keys, no right, a locked object, a bad name. Trying again does not help."""


class DigestMismatch(StoreError):
    """What the store holds is not what was put: its size, its digest or its encryption differs."""


class KeyMissing(StoreRefused):
    """The session has a key of its own which cannot be had here. The text says what to do."""


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """One stored object. `sha256` is what the writer declared, empty when it declared none or in a listing."""

    key: str
    bytes: int
    modified_utc_ms: int
    sha256: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """What protects one object. `mode` is empty and `until_utc_ms` 0 where no time was set."""

    mode: LockMode | Literal[""] = ""
    until_utc_ms: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class LockProbe:
    """What became of a locked object that was to be deleted and overwritten. `found` is one of

    `enforced`; `no_versions`, `no_lock`: the store or this bucket cannot lock; `deletes_anyway`, `overwrites_anyway`,
    `hold_ignored`: the store says that it locks, and does not.
    """

    enforced: bool
    found: Literal["enforced", "no_versions", "no_lock", "deletes_anyway", "overwrites_anyway", "hold_ignored"]


EncryptionFound = Literal["encrypted", "refused", "ignored", "unreadable"]
"""What became of an object that was to be encrypted: `ignored`: the store does not say that it did it; `unreadable`: it
took the object and did not give it back."""


class Readable(Protocol):
    """What a put reads from. A read may give less than it was asked for, and nothing only at the end."""

    def read(self, size: int = -1, /) -> builtins.bytes: ...


class RangeReader(Protocol):
    """An open range of an object. Iterate or read; close it (or use `with`), it holds a connection."""

    bytes: int
    total_bytes: int

    def read(self, size: int = -1, /) -> builtins.bytes: ...
    def __iter__(self) -> Iterator[builtins.bytes]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(Protocol):
    """One bucket of one store. Thread-safe. Every call may raise StoreAway or StoreRefused."""

    def ensure_bucket(self) -> None:
        """Make the bucket unless it is there; a new one can lock, where the store can."""

    def probe(self) -> None:
        """Write, read and delete one small object; raises DigestMismatch when what comes back differs."""

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "application/octet-stream") -> None:
        """Store a file (in pieces when it is large) with its digest as metadata. Raises OSError for the file."""

    def put_stream(self, key: str, stream: Readable, size: int, sha256: str) -> None:
        """Store `size` bytes that are read from somewhere (a range of another store) with this digest as metadata."""

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
        """Remove one object with all its versions; one that is not there is no fault. StoreRefused: it is locked."""

    def probe_encryption(self) -> EncryptionFound:
        """Write a small object as every object is written, read it back whole and in part, and delete it."""

    # Locks

    def allow_locks(self) -> None:
        """Let a bucket that was made without locks have them. Its owner decides: objects keep their versions then.

        StoreRefused: this store wants a bucket that was made for locks.
        """

    def probe_lock(self, mode: LockMode) -> LockProbe:
        """Lock a tiny object for some seconds and try to delete and overwrite it. Promises count for nothing."""

    def lock(self, key: str, until_utc_ms: int, mode: LockMode) -> None:
        """Let nobody delete this object before then; one that is locked for longer stays so. Raises ObjectMissing."""

    def hold(self, key: str, on: bool) -> None:
        """Let nobody delete this object until the hold is lifted, whatever its time. Raises ObjectMissing."""

    def lock_of(self, key: str) -> ObjectLock:
        """What protects this object now. Raises ObjectMissing."""
