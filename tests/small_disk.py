# SPDX-License-Identifier: Apache-2.0
"""A real file system of a few megabytes, to be filled up. Needs root (as the whole suite has in CI)."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(image: Path, mount_point: Path, megabytes: int = 12) -> Iterator[Path]:
    """Make and mount a file system; it is unmounted at the end."""
    mount_point.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount_point)], check=True)
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "-l", str(mount_point)], check=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """A file that takes all room but `leave_bytes`."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        with contextlib.suppress(OSError):
            while file.write(bytes(512)):
                pass
        file.flush()
        file.truncate(max(0, file.tell() - leave_bytes))
        os.fsync(file.fileno())
    return ballast
