# SPDX-License-Identifier: Apache-2.0
"""A small recording as the recorder stores it: WebM segments of ~10 s in parts of ~1 s.

Session time is in every picture and every sound, so that what is seen and heard tells which moment is being played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from mediaserver.recording import webm
from mediaserver.recording.segments import Block
from tests.acceptance.picture import frame

FPS = 15
WIDTH, HEIGHT = 160, 90
RATE = 48_000
PART_MS = 1_000
SEGMENT_MS = 10_000
TONE_STEP_MS = 200
TONES = 32
"""The tone changes every TONE_STEP_MS and begins again after TONES steps."""


def tone_hz(time_ms: float) -> int:
    """The tone that sounds at a session time."""
    return 400 + 50 * (int(time_ms // TONE_STEP_MS) % TONES)


def number_at(time_ms: float) -> int:
    """The number (0 to 255) that the picture shows at a session time."""
    return int(time_ms * FPS / 1000 + 1e-6) % 256


def nothing_lost(time_ms: int) -> bool:
    """For a stretch that came whole."""
    return False


@dataclass(frozen=True)
class Stretch:
    """One epoch: what a publisher sent without a break. Times on the session clock."""

    start_ms: int
    end_ms: int
    offset_ms: int = 0
    """What has to be added to the file's time stamps to have session time."""
    lost: Callable[[int], bool] = nothing_lost
    """Whether the packet or picture of that time never came."""
    keyframe_every_ms: int = 60_000


class Packet(NamedTuple):
    """One picture or 20 ms of sound."""

    time_ms: int
    keyframe: bool
    data: bytes


@dataclass
class Recording:
    """Writes files into `folder` and lists them as the playback answer does."""

    folder: Path
    tracks: list[dict[str, Any]] = field(default_factory=list)

    def add(self, track_id: str, kind: str, *stretches: Stretch) -> None:
        """Record one track."""
        peer_id, source = track_id.rsplit("-", 1)
        epochs = [self._epoch(track_id, kind, number, one) for number, one in enumerate(stretches, 1)]
        self.tracks.append({"track_id": track_id, "peer_id": peer_id, "source": source, "kind": kind, "epochs": epochs})

    def bytes_of(self, segment: dict[str, Any]) -> bytes:
        """The file of a listed segment."""
        return (self.folder / segment["url"].rsplit("/", 1)[1]).read_bytes()

    def _epoch(self, track_id: str, kind: str, epoch: int, stretch: Stretch) -> dict[str, Any]:
        packets = _audio(stretch) if kind == "audio" else _video(stretch)
        segments = []
        for n, held in enumerate(_cut(packets, SEGMENT_MS)):
            name = f"{track_id}-e{epoch}-s{n}.webm"
            segment = _segment(self.folder / name, kind, held, stretch.offset_ms)
            segments.append({"n": n, "url": f"/segments/{name}"} | segment)
        return {
            "epoch": epoch,
            "codec": "opus" if kind == "audio" else "vp8",
            "mime": 'audio/webm; codecs="opus"' if kind == "audio" else 'video/webm; codecs="vp8"',
            "timestamp_offset_ms": stretch.offset_ms,
            "rate_ppm": 0.0,
            "origin_ms": stretch.start_ms - stretch.offset_ms,
            "start_ms": stretch.start_ms,
            "end_ms": stretch.end_ms,
            "segments": segments,
        }


def _segment(path: Path, kind: str, packets: list[Packet], offset_ms: int) -> dict[str, Any]:
    data = header = webm.header(webm.Sound(1) if kind == "audio" else webm.Picture(WIDTH, HEIGHT))
    parts = []
    for held in _cut(iter(packets), PART_MS):
        blocks = [Block(packet.time_ms - offset_ms, packet.keyframe, packet.data) for packet in held]
        cluster = webm.cluster(blocks[0].pts_ms, blocks)
        parts.append(
            {
                "offset": len(data),
                "bytes": len(cluster),
                "start_ms": held[0].time_ms,
                "keyframe": any(packet.keyframe for packet in held),
            }
        )
        data += cluster
    path.write_bytes(data)
    return {
        "start_ms": packets[0].time_ms,
        "end_ms": packets[-1].time_ms + (20 if kind == "audio" else 1000 // FPS),
        "bytes": len(data),
        "header_bytes": len(header),
        "parts": parts,
    }


def _cut(packets: Iterator[Packet], length_ms: int) -> Iterator[list[Packet]]:
    held: list[Packet] = []
    for packet in packets:
        if held and packet.time_ms >= held[0].time_ms + length_ms:
            yield held
            held = []
        held.append(packet)
    if held:
        yield held


def _video(stretch: Stretch) -> Iterator[Packet]:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.framerate, encoder.time_base, encoder.bit_rate = FPS, Fraction(1, 1000), 100_000
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "100000"}
    last_key_ms: int | None = None
    for n in range(-(-stretch.start_ms * FPS // 1000), stretch.end_ms * FPS // 1000):
        time_ms = -(-n * 1000 // FPS)
        if stretch.lost(time_ms):
            continue
        key = last_key_ms is None or time_ms >= last_key_ms + stretch.keyframe_every_ms
        last_key_ms = time_ms if key else last_key_ms
        picture = av.VideoFrame.from_ndarray(small(frame(n % 256, 70)), format="gray").reformat(format="yuv420p")
        picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
        picture.pict_type = PictureType.I if key else PictureType.NONE
        for packet in encoder.encode(picture):
            yield Packet(time_ms, packet.is_keyframe, bytes(packet))


def small(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at a quarter of its size: the strip stays readable, and encoding is quick."""
    return np.ascontiguousarray(luma[::4, ::4])


def _audio(stretch: Stretch) -> Iterator[Packet]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = RATE, "s16", "mono"
    encoder.options, encoder.bit_rate = {"frame_duration": "20", "application": "audio"}, 32_000
    phase = 0.0
    times = iter(range(stretch.start_ms, stretch.end_ms, 20))
    for time_ms in range(stretch.start_ms, stretch.end_ms, 20):
        angles = phase + 2 * np.pi * tone_hz(time_ms) / RATE * np.arange(1, RATE // 50 + 1)
        phase = float(angles[-1] % (2 * np.pi))
        wave = (np.sin(angles) * 12_000).astype(np.int16)[None, :]
        sound = av.AudioFrame.from_ndarray(wave, "s16", "mono")
        sound.sample_rate, sound.pts = RATE, (time_ms - stretch.start_ms) * RATE // 1000
        for packet in encoder.encode(sound):
            at_ms = next(times)
            if not stretch.lost(at_ms):
                yield Packet(at_ms, True, bytes(packet))
