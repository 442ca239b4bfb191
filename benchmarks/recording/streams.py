# SPDX-License-Identifier: Apache-2.0
"""Participants' RTP: a clip of real VP8 and Opus at 1 Mbit/s, over and over, each participant with its own numbers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from mediaserver.recording.feed import TrackInfo
from mediaserver.rtp import packet as rtp

WIDTH, HEIGHT, FPS = 640, 360, 30
VIDEO_BPS, AUDIO_BPS = 960_000, 32_000
CLIP_S = 8
KEY_EVERY = 60
PAYLOAD_BYTES = 1150
"""Of media in a packet, as browsers fill them."""
AUDIO_MS = 20
SEED = 5
FIRST_NTP_S = 3_900_000_000
"""The publishers' clocks at the beginning."""


@dataclass(frozen=True)
class Sample:
    """One encoded frame as RTP payloads, and when it is due."""

    at_ms: float
    payloads: tuple[bytes, ...]


@functools.cache
def sound() -> tuple[Sample, ...]:
    """CLIP_S of noisy tone as Opus, a packet each 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate = AUDIO_BPS
    encoder.options = {"vbr": "off"}
    chance = np.random.default_rng(SEED)
    samples = np.sin(np.arange(48_000 * CLIP_S) * 2 * np.pi * 440 / 48_000) * 8000 + chance.normal(
        0, 2000, 48_000 * CLIP_S
    )
    packets: list[bytes] = []
    for at in range(0, len(samples), 960):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 960].astype(np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(Sample(index * AUDIO_MS, (data,)) for index, data in enumerate(packets))


@functools.cache
def picture(
    seconds: int = CLIP_S, width: int = WIDTH, height: int = HEIGHT, bps: int = VIDEO_BPS
) -> tuple[Sample, ...]:
    """A drifting texture as VP8, 30 pictures a second, with a key frame every two seconds."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate, encoder.gop_size = bps, KEY_EVERY
    rate = {"minrate": str(bps), "maxrate": str(bps), "bufsize": str(bps)}
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", **rate}
    chance = np.random.default_rng(SEED)
    texture = chance.integers(40, 216, (height // 4, width // 4), np.uint8).repeat(4, 0).repeat(4, 1)
    found = []
    for index in range(seconds * FPS):
        moved = np.roll(texture, (index * 3, index * 5), (0, 1))
        noisy = np.clip(moved + chance.integers(-12, 13, moved.shape), 0, 255).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(noisy, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        found += [Sample(index * 1000 / FPS, _payloads(bytes(packet), index)) for packet in encoder.encode(frame)]
    return tuple(found)


def _payloads(data: bytes, picture_id: int) -> tuple[bytes, ...]:
    """RFC 7741: a descriptor with a 15-bit picture id before each piece."""
    pieces = [data[at : at + PAYLOAD_BYTES] for at in range(0, len(data), PAYLOAD_BYTES)]
    number = bytes([0x80, 0x80 | picture_id >> 8 & 0x7F, picture_id & 0xFF])
    return tuple(bytes([0x90 if index == 0 else 0x80]) + number + piece for index, piece in enumerate(pieces))


class Stream:
    """Endless RTP of one track. Nothing of it depends on a clock: `take` gives what is due by a time."""

    def __init__(
        self, kind: str, number: int, phase_ms: float, clip: tuple[Sample, ...], step_ms: float, skew_ppm: float = 0.0
    ) -> None:
        """`phase_ms` is when the first sample is due; samples follow `step_ms` apart. `skew_ppm` makes the clock fast
        that samples and reports are stamped by."""
        self.kind, self.number, self.ssrc = kind, number, 1000 * (number + 1) + (kind == "video")
        self.rate = 90_000 if kind == "video" else 48_000
        self.payload_type = 96 if kind == "video" else 111
        self.packets = self.octets = 0
        """Handed out so far; octets of payload."""
        self._clip, self._step_ms = clip, step_ms
        self.phase_ms = phase_ms
        self.pace = 1 + skew_ppm * 1e-6
        self._index, self._sequence = 0, number * 997

    def due_ms(self) -> float:
        """When the next sample is due."""
        return self.phase_ms + self._index * self._step_ms

    def timestamp(self, at_ms: float) -> int:
        """RTP time of a moment."""
        return round((at_ms - self.phase_ms) * self.pace * self.rate / 1000) & 0xFFFFFFFF

    def ntp_s(self, at_ms: float) -> float:
        """What the publisher's clock says at a moment; it was right at the beginning."""
        return FIRST_NTP_S + at_ms * self.pace / 1000

    def take(self, until_ms: float) -> Iterator[bytes]:
        """Packets that are due before `until_ms`."""
        while (at_ms := self.due_ms()) < until_ms:
            sample, timestamp = self._clip[self._index % len(self._clip)], self.timestamp(at_ms)
            self._index += 1
            last = len(sample.payloads) - 1
            for place, payload in enumerate(sample.payloads):
                self._sequence = self._sequence + 1 & 0xFFFF
                self.packets += 1
                self.octets += len(payload)
                yield bytes(
                    rtp.build(
                        payload_type=self.payload_type,
                        sequence_number=self._sequence,
                        timestamp=timestamp,
                        ssrc=self.ssrc,
                        payload=payload,
                        marker=self.kind == "video" and place == last,
                    )
                )

    def info(self) -> TrackInfo:
        """The track as the mediaserver announces it."""
        peer, source = f"p{self.number}", "cam" if self.kind == "video" else "mic"
        kind, codec = ("video", "vp8") if self.kind == "video" else ("audio", "opus")
        return TrackInfo(
            f"{peer}-{source}",
            peer,
            peer,
            "",
            source,
            kind,
            codec,
            self.rate,
            self.payload_type,
            self.ssrc,  # type: ignore[arg-type]
        )


def participants(count: int) -> list[Stream]:
    """Sound and picture of `count` participants, spread over a frame's time as they are by chance in life."""
    found = []
    for number in range(count):
        phase_ms = number * 1000 / FPS / count
        found.append(Stream("audio", number, phase_ms, sound(), AUDIO_MS))
        found.append(Stream("video", number, phase_ms, picture(), 1000 / FPS))
    return found
