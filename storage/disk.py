# SPDX-License-Identifier: Apache-2.0
"""The one door through which files change that must survive a power cut: the recording's spool and its queues.

Nothing here is clever. It is one place so that a test may write down every change in its order, and rebuild what a disk
can look like that lost its power in between. All methods raise OSError.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """Changes of files and names. What was written is safe after `sync`, a name after `sync_folder` of its folder."""

    def create(self, path: Path, mode: int, *, fresh: bool = False) -> int:
        """Open for writing, made with `mode` where it is not there; `fresh`: FileExistsError where it is."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if fresh else 0), mode)

    def close(self, handle: int) -> None:
        """Give a handle of `create` back."""
        os.close(handle)

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        """All of `data`. After an error a part of it may be there."""
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, handle: int) -> None:
        """Make the bytes of a file, and its length, durable."""
        os.fdatasync(handle)

    def cut(self, path: Path, length: int) -> None:
        """Shorten a file."""
        os.truncate(path, length)

    def sync_folder(self, folder: Path) -> None:
        """Make new, renamed and removed names durable."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def make_folder(self, folder: Path, mode: int) -> None:
        """A new folder; one that is there is no fault."""
        folder.mkdir(mode=mode, exist_ok=True)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over what is there."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Take a file's name away; one that is not there is no fault."""
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        """Take an empty folder away."""
        folder.rmdir()


door = Disk()
"""The one in use."""
