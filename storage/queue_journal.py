# SPDX-License-Identifier: Apache-2.0
"""What a queue over the spool writes down so that its orders survive any kill: one JSON object a line, only ever added.

A torn last line is what a kill leaves; it was never promised.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from storage import disk
from storage.files import write_atomically

REWRITE_LINES = 10_000
"""A journal with more lines is worth writing anew."""
_FILE_MODE = 0o600


class QueueJournal:
    """One journal. Not thread-safe; every call that writes may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0

    @property
    def long(self) -> bool:
        """True when most of it tells of orders that are done."""
        return self._lines > REWRITE_LINES

    def entries(self) -> Iterator[dict[str, Any]]:
        """Everything that was written down, oldest first."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def append(self, entry: Mapping[str, object]) -> None:
        """When this returns, the entry survives a power cut; after an error nothing of it is there."""
        handle = disk.door.create(self._path, _FILE_MODE)
        try:
            end = os.fstat(handle).st_size
            try:
                disk.door.write_at(handle, _line(entry), end)
                disk.door.sync(handle)
            except OSError:
                disk.door.cut(self._path, end)  # half a line would spoil the next one
                raise
        finally:
            disk.door.close(handle)
        self._lines += 1

    def rewrite(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Only these from now on."""
        lines = [_line(entry) for entry in entries]
        write_atomically(self._path, b"".join(lines), _FILE_MODE)
        self._lines = len(lines)


def _line(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry).encode() + b"\n"
