# SPDX-License-Identifier: Apache-2.0
"""The recording of a session as it lies in the store, read back with nothing of the product but names and manifest.

Segments are joined as the manifest promises: the first of an epoch whole, later ones from their `header_bytes` on.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from storage import manifest, seal
from storage.layout import manifest_key
from storage.manifest import Epoch, Manifest, Track
from storage.objects import ObjectStore, open_store
from storage.settings import Settings
from tests.acceptance.picture import read_number
from tests.acceptance.speech import RATE


@dataclass(frozen=True)
class Sound:
    """A decoded audio track: `samples` at RATE start at `start_s` of the session clock, gaps are silence."""

    start_s: float
    samples: NDArray[np.float32]
    decoded_s: float
    """Length of what was really decoded, without the silence put into gaps."""

    @property
    def end_s(self) -> float:
        """Where the last sample ends on the session clock."""
        return self.start_s + len(self.samples) / RATE


@dataclass(frozen=True)
class Picture:
    """One decoded picture and its place on the session clock."""

    at_s: float
    number: int
    width: int
    height: int


class Recorded:
    """One sealed recording."""

    def __init__(self, data_dir: Path, session_id: str) -> None:
        settings = Settings(data_dir=data_dir)
        self.store: ObjectStore = open_store(settings)
        self.manifest: Manifest = manifest.from_bytes(self.store.read_bytes(manifest_key(settings.county, session_id)))
        public = seal.load_key(settings.secrets_dir).public_key().public_bytes_raw().hex()
        seal.verify(self.manifest, public)

    def track(self, peer_id: str, source: str) -> Track:
        """The track that `peer_id` published from `source`."""
        return next(t for t in self.manifest.tracks if t.peer_id == peer_id and t.source == source)

    def joined(self, epoch: Epoch) -> bytes:
        """All segments of an epoch as one file; every stored byte is checked against the manifest's digest."""
        pieces = []
        for index, segment in enumerate(epoch.segments):
            data = self.store.read_bytes(segment.key)
            assert len(data) == segment.bytes, segment.key
            assert hashlib.sha256(data).hexdigest() == segment.sha256, segment.key
            pieces.append(data[segment.header_bytes :] if index else data)
        return b"".join(pieces)

    def sound(self, track: Track) -> Sound:
        """All epochs of an audio track, decoded."""
        placed: list[tuple[float, NDArray[np.float32]]] = []
        for epoch in track.epochs:
            for frame in self._frames(epoch, "audio"):
                assert isinstance(frame, AudioFrame)
                mono = frame.to_ndarray().astype(np.float32)
                mono = mono.reshape(-1, len(frame.layout.channels)).mean(axis=1) if mono.shape[0] == 1 else mono.mean(0)
                if frame.format.name.startswith("s16"):
                    mono /= 32768.0
                assert frame.sample_rate == RATE
                placed.append((self._at_s(epoch, frame), mono))
        start_s = placed[0][0]
        end_s = placed[-1][0] + len(placed[-1][1]) / RATE
        samples = np.zeros(round((end_s - start_s) * RATE) + 1, np.float32)
        for at_s, mono in placed:
            first = round((at_s - start_s) * RATE)
            room = samples[first : first + len(mono)]
            room[:] = mono[: len(room)]
        return Sound(start_s, samples, sum(len(mono) for _, mono in placed) / RATE)

    def pictures(self, track: Track) -> list[Picture]:
        """All pictures of a video track, decoded."""
        found = []
        for epoch in track.epochs:
            for frame in self._frames(epoch, "video"):
                assert isinstance(frame, VideoFrame)
                luma = frame.to_ndarray(format="gray")
                found.append(Picture(self._at_s(epoch, frame), read_number(luma), frame.width, frame.height))
        return found

    def _frames(self, epoch: Epoch, kind: str) -> Iterator[AudioFrame | VideoFrame]:
        with av.open(io.BytesIO(self.joined(epoch))) as box:
            stream = (box.streams.audio if kind == "audio" else box.streams.video)[0]
            yield from box.decode(stream)  # type: ignore[misc]

    @staticmethod
    def _at_s(epoch: Epoch, frame: AudioFrame | VideoFrame) -> float:
        assert frame.pts is not None and frame.time_base is not None
        return epoch.clock.session_ms(float(frame.pts * frame.time_base) * 1000, epoch.origin_ms) / 1000
