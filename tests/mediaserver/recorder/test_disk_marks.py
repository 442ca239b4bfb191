# SPDX-License-Identifier: Apache-2.0
"""The recorder at the disk's two marks: one byte decides, and only what has not begun is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaserver.recorder.core import Recorder
from storage.settings import Settings


@pytest.mark.parametrize(("free", "state"), [(1_000, "ok"), (999, "low"), (300, "low"), (299, "full"), (0, "full")])
async def test_the_state_exactly_at_the_marks(tmp_path: Path, free: int, state: str) -> None:
    recorder = Recorder(Settings(data_dir=tmp_path, disk_low_bytes=1_000, disk_full_bytes=300))
    recorder.free_bytes = free
    assert recorder.disk_state == state
