# SPDX-License-Identifier: Apache-2.0
"""A composite of cameras that speak H264, VP9 and AV1, recorded from RTP by the recorder's own code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from storage.manifest import Epoch
from tests.mediaserver.recorder.chromium_reader import chromium_page, read_by_chromium
from tests.mediaserver.recorder.codecs import FRAMES_PER_S as RATE
from tests.mediaserver.recorder.codecs import recorded
from tests.transcribe.derive.test_captions import captions
from transcribe.derive.composer import Style
from transcribe.derive.film import FRAMES_PER_SECOND, Film, join
from transcribe.derive.grid import Rect, fitted, grid

CODECS = ("h264", "vp9", "av1")
WIDTH, HEIGHT = 320, 180
FRAMES = 45


async def test_cameras_of_three_codecs_are_all_to_be_seen_at_their_time(tmp_path: Path) -> None:
    made, store = await recorded(tmp_path, CODECS, FRAMES, (WIDTH, HEIGHT))
    assert [track.epochs[0].codec for track in made.tracks] == sorted(CODECS) and made.complete
    film = Film(made, captions(), lambda key: (store.folder / key).read_bytes())
    chunk, path = tmp_path / "chunk.mkv", tmp_path / "composite.mp4"
    film.make(0, chunk, lambda share: None)
    assert join([chunk], path, {}, lambda share: None) == film.plan.frames
    whole = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True
    )
    assert (whole.returncode, whole.stderr) == (0, b"")
    asked = ["-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
    probed = subprocess.run(["ffprobe", "-v", "error", *asked], capture_output=True, text=True, check=True)
    assert probed.stdout.split() == ["h264", "aac"]
    async with chromium_page() as page:
        said = await read_by_chromium(page, path, "video/mp4")
    assert said["end_s"] == pytest.approx(film.plan.frames / FRAMES_PER_SECOND, abs=1 / FRAMES_PER_SECOND), said
    style = Style()
    cells = grid(len(CODECS), Rect(0, style.bar_height, style.width, style.height - style.bar_height))
    epochs = {track.track_id: track.epochs[0] for track in made.tracks}
    with av.open(str(path)) as box:
        pictures = [frame.to_ndarray(format="gray") for frame in box.decode(video=0)]
    for at in range(2, film.plan.frames - 2, FRAMES_PER_SECOND // 3):
        tiles = film.plan.scene_at(at).tiles
        assert {tile.track_id for tile in tiles} == set(epochs)
        for tile, cell in zip(tiles, cells, strict=True):
            assert tile.track_id is not None
            expected = bar(epochs[tile.track_id], film.plan.session_ms(at))
            found = shown(pictures[at], cell)
            assert min(abs(found - each) for each in expected) <= 8, (tile.track_id, at, found, expected)


def bar(epoch: Epoch, session_ms: float) -> list[int]:
    """Lengths that the bar may have then, in pixels of the camera: the frame of that time, or the one beside it."""
    index = round((session_ms - epoch.start_ms) * RATE / 1_000)
    return [each * 9 % WIDTH for each in (index - 1, index, index + 1) if 0 <= each < FRAMES]


def shown(picture: np.ndarray[Any, np.dtype[np.uint8]], cell: Rect) -> float:
    """Length of the bar in a cell, in pixels of the camera."""
    at = fitted(16, 9, Rect(cell.x + 2, cell.y + 2, cell.width - 4, cell.height - Style().label_height - 4))
    row = picture[at.y + at.height * 9 // 10, at.x : at.x + at.width]
    return float((row > 55).sum()) * WIDTH / at.width
