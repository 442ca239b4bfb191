# SPDX-License-Identifier: Apache-2.0
"""What the player's bar shows of the whole session: how loud each voice is when, and small pictures of the grid."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from storage.manifest import Manifest
from transcribe.audio import ReadSegment
from transcribe.derive.captions import Captions
from transcribe.derive.composer import Composer, Style, Tell
from transcribe.derive.lettering import JPEG_QUALITY, jpeg
from transcribe.derive.pictures import PictureTrack
from transcribe.derive.scenes import plan
from transcribe.derive.sound import RATE_HZ, SoundTrack

PEAKS_PER_SECOND = 20
PICTURE_EVERY_MS = 10_000
PICTURE_LATER_MS = 500
"""The picture stands for a stretch: what is there a moment after its beginning."""
WIDTH, HEIGHT = 160, 90
COLUMNS, ROWS = 10, 6
"""Pictures of one sheet: ten minutes."""
_READ_S = 30
File = tuple[str, Path, str]
"""Name in the store, where it lies, content type."""
_SAMPLES = RATE_HZ // PEAKS_PER_SECOND


class Overview:
    """Peaks and pictures of one recording; a unit is one voice or one sheet."""

    def __init__(self, recording: Manifest, captions: Captions, read: ReadSegment) -> None:
        self._voices = [track for track in recording.tracks if track.kind == "audio" and track.segments()]
        self._sounds = [SoundTrack(track, read) for track in self._voices]
        videos = [track for track in recording.tracks if track.kind == "video" and track.segments()]
        pictures = {track.track_id: PictureTrack(track, read) for track in videos}
        self._composer = Composer(Style(WIDTH, HEIGHT, 0, 0), captions, pictures)
        self._scenes = plan(recording, PEAKS_PER_SECOND).scenes
        self._end_ms = self._scenes[-1].to_ms if self._scenes else 0
        self._count = -(-self._end_ms // PICTURE_EVERY_MS) if videos else 0
        self.units = len(self._voices) + -(-self._count // (COLUMNS * ROWS))

    def options(self) -> dict[str, Any]:
        """See Recipe."""
        return {
            "peaks_per_second": PEAKS_PER_SECOND,
            "picture_every_ms": PICTURE_EVERY_MS,
            "width": WIDTH,
            "height": HEIGHT,
            "columns": COLUMNS,
            "rows": ROWS,
            "jpeg_quality": JPEG_QUALITY,
        }

    def unit_name(self, n: int) -> str:
        """See Recipe."""
        voices = len(self._voices)
        return f"peaks-{n:03d}.bin" if n < voices else f"sheet-{n - voices:03d}.jpg"

    def make(self, n: int, path: Path, tell: Tell) -> None:
        """See Recipe."""
        if n < len(self._voices):
            path.write_bytes(self._peaks(self._sounds[n], tell))
        else:
            path.write_bytes(self._sheet(n - len(self._voices), tell))

    def finish(self, units: Sequence[Path], folder: Path, tell: Tell) -> tuple[list[File], dict[str, Any]]:
        """See Recipe."""
        voices, sheets = units[: len(self._voices)], units[len(self._voices) :]
        body = {
            "duration_ms": self._end_ms,
            "peaks_per_second": PEAKS_PER_SECOND,
            "voices": [
                {"track_id": track.track_id, "peer_id": track.peer_id, "peaks": _text(path.read_bytes())}
                for track, path in zip(self._voices, voices, strict=True)
            ],
            "pictures": {
                "every_ms": PICTURE_EVERY_MS, "count": self._count, "width": WIDTH, "height": HEIGHT,
                "columns": COLUMNS, "rows": ROWS, "sheets": len(sheets),
            },
        }  # fmt: skip
        path = folder / "overview.json"
        path.write_text(json.dumps(body, separators=(",", ":")), "utf-8")
        files = [("overview.json", path, "application/json")]
        return files + [(sheet.name, sheet, "image/jpeg") for sheet in sheets], {"pictures": self._count}

    def _peaks(self, sound: SoundTrack, tell: Tell) -> bytes:
        """The loudest sample of each twentieth of a second, 0 to 255."""
        count = -(-self._end_ms * PEAKS_PER_SECOND // 1000)
        found = np.zeros(count, np.uint8)
        step = _READ_S * PEAKS_PER_SECOND
        for first in range(0, count, step):
            tell(first / count)
            some = min(step, count - first)
            samples = sound.read(first * 1000 / PEAKS_PER_SECOND, some * _SAMPLES)
            loudest = np.abs(samples.reshape(some, _SAMPLES)).max(axis=1)
            found[first : first + some] = np.minimum(255, np.rint(loudest * 255)).astype(np.uint8)
        return found.tobytes()

    def _sheet(self, number: int, tell: Tell) -> bytes:
        first = number * COLUMNS * ROWS
        some = min(COLUMNS * ROWS, self._count - first)
        sheet = np.zeros((-(-some // COLUMNS) * HEIGHT, COLUMNS * WIDTH, 3), np.uint8)
        for n in range(some):
            tell(n / some)
            at_ms = min((first + n) * PICTURE_EVERY_MS + PICTURE_LATER_MS, self._end_ms - 1)
            scene = self._scenes[bisect_right(self._scenes, at_ms, key=lambda one: one.from_ms) - 1]
            row, column = divmod(n, COLUMNS)
            picture = self._composer.draw(scene, at_ms).frame().to_ndarray(format="rgb24")
            sheet[row * HEIGHT : (row + 1) * HEIGHT, column * WIDTH : (column + 1) * WIDTH] = picture
        return jpeg(sheet)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
