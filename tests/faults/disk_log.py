# SPDX-License-Identifier: Apache-2.0
"""Every change of the recording's files in its order, and the disks that a power cut in between may leave.

The model is the least that POSIX promises: of what was written since a file's last sync any beginning may be there, its
last write torn; of the names made, moved or removed since a folder's last sync each by itself may be there or not.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.disk import Disk

KEEPS_A_NAME = 0.5


@dataclass(frozen=True)
class Entry:
    """One change: what, of which path (relative), of which file, and the rest."""

    what: str
    path: str = ""
    file: int = 0
    data: bytes = b""
    number: int = 0
    facts: Any = None


class LoggedDisk(Disk):
    """A disk that writes down what is done under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[Entry] = []
        self.lock = threading.RLock()
        self._files: dict[Path, int] = {}
        self._handles: dict[int, int] = {}
        self._count = 0

    def note(self, what: str, facts: Any) -> None:
        """Something that a test wants to know the moment of."""
        with self.lock:
            self.entries.append(Entry(what, facts=facts))

    def _log(self, what: str, path: Path | None = None, **rest: Any) -> None:
        if path is not None and not path.is_relative_to(self.root):
            return
        relative = "" if path is None else path.relative_to(self.root).as_posix()
        self.entries.append(Entry(what, relative, **rest))

    def create(self, path: Path, mode: int, *, fresh: bool = False) -> int:
        with self.lock:
            handle = super().create(path, mode, fresh=fresh)
            if path not in self._files:
                self._count += 1
                self._files[path] = self._count
                self._log("name", path, file=self._count)
            self._handles[handle] = self._files[path]
            return handle

    def close(self, handle: int) -> None:
        with self.lock:
            del self._handles[handle]
            super().close(handle)

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        with self.lock:
            super().write_at(handle, data, offset)
            self._log("write", file=self._handles[handle], data=bytes(data), number=offset)

    def sync(self, handle: int) -> None:
        with self.lock:
            super().sync(handle)
            self._log("sync", file=self._handles[handle])

    def cut(self, path: Path, length: int) -> None:
        with self.lock:
            super().cut(path, length)
            self._log("cut", file=self._files[path], number=length)

    def sync_folder(self, folder: Path) -> None:
        with self.lock:
            super().sync_folder(folder)
            self._log("sync_folder", folder)

    def make_folder(self, folder: Path, mode: int) -> None:
        with self.lock:
            super().make_folder(folder, mode)
            self._log("name", folder)

    def replace(self, source: Path, target: Path) -> None:
        with self.lock:
            super().replace(source, target)
            self._files[target] = self._files.pop(source)
            self._log("replace", source, file=self._files[target], facts=target.relative_to(self.root).as_posix())

    def remove(self, path: Path) -> None:
        with self.lock:
            super().remove(path)
            if self._files.pop(path, None) is not None:
                self._log("gone", path)

    def remove_folder(self, folder: Path) -> None:
        with self.lock:
            super().remove_folder(folder)
            self._log("gone", folder)


@dataclass
class _File:
    changes: list[Entry] = field(default_factory=list)
    synced: int = 0


def after_power_cut(entries: list[Entry], chance: random.Random, root: Path) -> None:
    """Write into the empty folder `root` what a disk may hold whose power failed after these changes."""
    files: dict[int, _File] = defaultdict(_File)
    names: dict[str, int] = {}
    pending: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        match entry.what:
            case "write" | "cut":
                files[entry.file].changes.append(entry)
            case "sync":
                files[entry.file].synced = len(files[entry.file].changes)
            case "name" | "replace" | "gone":
                pending[entry.path.rpartition("/")[0]].append(entry)
            case "sync_folder":
                for change in pending.pop("" if entry.path == "." else entry.path, []):
                    _rename(names, change)
            case _:
                pass
    for changes in pending.values():
        for change in changes:
            if chance.random() < KEEPS_A_NAME:
                _rename(names, change)
    _materialise(names, files, chance, root)


def _materialise(names: dict[str, int], files: dict[int, _File], chance: random.Random, root: Path) -> None:
    for path in sorted(names):
        target = root / path
        if not target.parent.is_dir():
            continue  # the folder's own name was lost
        if names[path]:
            target.write_bytes(_content(files[names[path]], chance))
        else:
            target.mkdir()


def _rename(names: dict[str, int], change: Entry) -> None:
    if change.what == "name":
        names[change.path] = change.file
    else:
        names.pop(change.path, None)
    if change.what == "replace":
        names[change.facts] = change.file


def _content(file: _File, chance: random.Random) -> bytes:
    kept = chance.randint(file.synced, len(file.changes))
    data = bytearray()
    for change in file.changes[:kept]:
        _apply(data, change, len(change.data))
    if kept < len(file.changes) and chance.random() < 0.5:
        torn = file.changes[kept]
        if torn.what == "write":
            _apply(data, torn, chance.randint(0, len(torn.data)))
    return bytes(data)


def _apply(data: bytearray, change: Entry, length: int) -> None:
    if change.what == "cut":
        del data[change.number :]
        return
    data.extend(bytes(max(0, change.number - len(data))))
    data[change.number : change.number + length] = change.data[:length]
