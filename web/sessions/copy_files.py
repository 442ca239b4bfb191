# SPDX-License-Identifier: Apache-2.0
"""Packs a copy: a zip that appears under its name only when it is whole. Blocks: runs in one of the store's threads.

Segments come out of the store block by block and are compared with what was sealed on the way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.files import digests_of_file, secret_folder, sync_folder
from storage.layout import session_folder
from storage.manifest import Manifest, Segment
from storage.objects import ObjectStore

_BLOCK_BYTES: Final = 1 << 20
_PART: Final = ".part"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Zip files know no time zones; the certificate tells the time."""


class CopyStopped(Exception):
    """Somebody cancelled it, or the program ends."""


class SegmentDamaged(Exception):
    """What the store holds is not what was sealed. The text is the segment's key."""


class NoRoom(Exception):
    """The disk has no room for the copy."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished file."""

    bytes: int
    sha256: str


class CopyFolder:
    """Where finished copies lie until they are fetched or expire."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        """`reserve_bytes` of the disk stay free: recordings come first."""
        self._folder, self._reserve_bytes = folder, reserve_bytes

    def path(self, copy_id: str) -> Path:
        """Of the finished copy."""
        return self._folder / f"{copy_id}.zip"

    def keep_only(self, ids: Iterable[str]) -> None:
        """Remove everything but the finished copies `ids`: what a killed program left, too. Raises OSError."""
        kept = {self.path(copy_id) for copy_id in ids}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path not in kept:
                    path.unlink(missing_ok=True)

    def remove(self, copy_id: str) -> None:
        """Remove a finished copy; one that is not there is no fault. Raises OSError."""
        self.path(copy_id).unlink(missing_ok=True)

    def pack(
        self,
        copy_id: str,
        store: ObjectStore,
        segments: Iterable[Segment],
        manifest: Manifest,
        others: dict[str, bytes],
        went_on: Callable[[int], None],
    ) -> Packed:
        """Write the copy; nothing stays behind when it fails. `went_on` is told of bytes and may raise CopyStopped.

        Raises CopyStopped, SegmentDamaged, NoRoom, StoreError, OSError.
        """
        segments = list(segments)
        secret_folder(self._folder)
        needed = sum(segment.bytes for segment in segments) + sum(map(len, others.values()))
        if shutil.disk_usage(self._folder).free < needed + self._reserve_bytes:
            raise NoRoom
        part = self.path(copy_id).with_suffix(_PART)
        try:
            self._write(part, store, segments, session_folder(manifest.county, manifest.session_id), others, went_on)
            found = digests_of_file(part)
            part.replace(self.path(copy_id))
            sync_folder(self._folder)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return Packed(found.bytes, found.sha256)

    @staticmethod
    def _write(
        part: Path,
        store: ObjectStore,
        segments: list[Segment],
        prefix: str,
        others: dict[str, bytes],
        went_on: Callable[[int], None],
    ) -> None:
        with part.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
                for name, data in others.items():
                    pack.writestr(zipfile.ZipInfo(name, _EPOCH), data)
                for segment in segments:
                    _add(pack, store, segment, segment.key.removeprefix(prefix), went_on)
            file.flush()
            os.fsync(file.fileno())


def _add(
    pack: zipfile.ZipFile, store: ObjectStore, segment: Segment, name: str, went_on: Callable[[int], None]
) -> None:
    digest, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, _EPOCH)
    info.file_size = segment.bytes
    with store.open_range(segment.key) as reader, pack.open(info, "w") as into:
        while block := reader.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            into.write(block)
            went_on(len(block))
    if (size, digest.hexdigest()) != (segment.bytes, segment.sha256):
        raise SegmentDamaged(segment.key)
