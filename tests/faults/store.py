# SPDX-License-Identifier: Apache-2.0
"""A store in a folder, which may refuse, be slow, be full, or hold other bytes than it was sent.

The real stores have their own tests; here thousands of recordings are uploaded, and the faults are chosen.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from storage.files import digests_of_file
from storage.objects import ObjectMissing, StoreError
from storage.objects.protocol import StoreAway, StoreRefused
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
        data = path.read_bytes()
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
