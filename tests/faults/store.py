# SPDX-License-Identifier: Apache-2.0
"""A store in a folder, which may refuse, be slow, be full, or hold other bytes than it was sent.

The real stores have their own tests; here thousands of recordings are uploaded, and the faults are chosen.
"""

from __future__ import annotations

import hashlib
import io
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from storage.files import digests_of_file
from storage.objects import ObjectMissing, ObjectStat, StoreAway, StoreError, StoreRefused
from storage.objects.protocol import Readable
from tests.faults.disk_log import LoggedDisk

FAULTS = ("refuses", "away", "slow", "corrupts", "full")


class FolderStore:
    """The part of an object store that uploading needs."""

    def __init__(self, folder: Path, *, log: LoggedDisk | None = None, fault: str = "", seed: int = 0) -> None:
        self.folder, self.log, self.fault = folder, log, fault
        self.chance = random.Random(seed)
        self.faults = 0
        self._lock = threading.Lock()

    def ensure_bucket(self) -> None:
        """There is one."""

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "") -> None:
        """Keep a copy, or do what the fault says, half of the time."""
        self._put(key, path.read_bytes())

    def put_stream(self, key: str, stream: Readable, size: int, sha256: str) -> None:
        """The same of what is read."""
        data = stream.read()
        assert len(data) == size
        self._put(key, data)

    def put_bytes(self, key: str, data: bytes, content_type: str = "") -> str:
        """The same of bytes."""
        self._put(key, data)
        return hashlib.sha256(data).hexdigest()

    def _put(self, key: str, data: bytes) -> None:
        with self._lock:
            faulty = bool(self.fault) and self.chance.random() < 0.5
            self.faults += faulty
        if faulty:
            data = self._do_wrong(data)
        target = self.folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if self.log is not None:
            self.log.note("put", (key, data))

    def _do_wrong(self, data: bytes) -> bytes:
        match self.fault:
            case "refuses":
                raise StoreRefused("The store refused.")
            case "away":
                raise StoreAway("The store is away.")
            case "full":
                raise StoreError("The store is full.")
            case "slow":
                time.sleep(0.05)
                return data
            case _:
                return data[:-1] + bytes([data[-1] ^ 1])

    def stored_sha256(self, key: str) -> tuple[str, int]:
        """What is there."""
        try:
            found = digests_of_file(self.folder / key)
        except FileNotFoundError:
            raise ObjectMissing(f"There is no {key}.") from None
        return found.sha256, found.bytes

    # What reading asks of it

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> FolderRange:
        """A part of what is there."""
        data = self._read(key)
        end = len(data) if length is None else start + length
        if not 0 <= start <= end <= len(data):
            raise ValueError("outside")
        return FolderRange(data[start:end], len(data))

    def read_bytes(self, key: str, limit_bytes: int = 0) -> bytes:
        """All of it."""
        return self._read(key)

    def stat(self, key: str) -> ObjectStat:
        """Its size."""
        return ObjectStat(key, len(self._read(key)), 0)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """In order of the names."""
        files = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        yield from (ObjectStat(key, files[key].stat().st_size, 0) for key in sorted(files) if key.startswith(prefix))

    def _read(self, key: str) -> bytes:
        try:
            return (self.folder / key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(f"There is no {key}.") from None


class FolderRange(io.BytesIO):
    """See RangeReader."""

    def __init__(self, data: bytes, total_bytes: int) -> None:
        super().__init__(data)
        self.bytes, self.total_bytes = len(data), total_bytes
