# SPDX-License-Identifier: Apache-2.0
"""The upload queue's journal on a disk that is full."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.objects import StoreAway
from storage.uploads import JOURNAL, Uploader
from tests.small_disk import fill, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk.img", tmp_path / "spool", megabytes=2) as mounted:
        yield mounted


def no_store() -> None:
    raise StoreAway("The store is away.")


def test_an_order_that_cannot_be_written_is_refused_whole(disk: Path) -> None:
    """No half line stays behind that would spoil the next order."""
    uploader = Uploader(disk, no_store, parallel=0)  # type: ignore[arg-type]
    paths = []
    for number in range(3):
        path = disk / f"file-{number}"
        path.write_bytes(bytes([number]) * 100)
        paths.append(path)
    uploader.add(paths[0], "a/0", hashlib.sha256(paths[0].read_bytes()).hexdigest())
    kept = (disk / JOURNAL).read_bytes()
    ballast = fill(disk)
    with pytest.raises(OSError, match="No space left"):
        for _ in range(100):  # the block in hand still has room for some lines
            uploader.add(paths[1], "a/1", "1" * 64)
    written = (disk / JOURNAL).read_bytes()
    assert written.startswith(kept) and written.endswith(b"\n")
    ballast.unlink()
    uploader.add(paths[2], "a/2", hashlib.sha256(paths[2].read_bytes()).hexdigest())
    again = Uploader(disk, no_store, parallel=0)  # type: ignore[arg-type]
    again.start()
    assert again.waiting("a/").uploads == 3
    assert again.waiting("a/2").bytes == 100
