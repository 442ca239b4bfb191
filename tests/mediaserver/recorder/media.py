# SPDX-License-Identifier: Apache-2.0
"""Real sound and pictures as RTP, made by real encoders: a tone as Opus, a moving bar as VP8."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from mediaserver.rtp import packet as rtp

MTU_BYTES = 1100
AUDIO_MS = 20
VIDEO_MS = 40
WIDTH, HEIGHT = 320, 240


@dataclass(frozen=True)
class Sample:
    """One encoded frame: when, and its RTP payloads."""

    at_ms: int
    payloads: tuple[bytes, ...]
    keyframe: bool


@functools.cache
def tone(seconds: int = 10) -> tuple[Sample, ...]:
    """A 440 Hz tone, mono, in packets of 20 ms. It can be repeated seamlessly enough for a test."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate = 32_000
    samples = (np.sin(np.arange(48_000 * seconds) * 2 * np.pi * 440 / 48_000) * 12_000).astype(np.int16)
    packets: list[bytes] = []
    for at in range(0, len(samples), 960):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(Sample(index * AUDIO_MS, (data,), True) for index, data in enumerate(packets))


@functools.cache
def picture(seconds: int = 10, key_every: int = 50) -> tuple[Sample, ...]:
    """A bar that moves one step each frame, 25 frames a second, with a key frame every two seconds."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.bit_rate, encoder.gop_size = Fraction(1, 25), 400_000, key_every
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "keyint_min": str(key_every)}
    found = []
    for index in range(seconds * 1000 // VIDEO_MS):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[:, (index * 4) % WIDTH : (index * 4) % WIDTH + 40] = (200, 180, 40)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 25)
        for packet in encoder.encode(frame):
            data = bytes(packet)
            found.append(Sample(index * VIDEO_MS, _payloads(data, index), not data[0] & 1))
    return tuple(found)


def _payloads(data: bytes, picture_id: int) -> tuple[bytes, ...]:
    """RFC 7741: a descriptor with a 15-bit picture id before each piece."""
    pieces = [data[at : at + MTU_BYTES] for at in range(0, len(data), MTU_BYTES)]
    number = bytes([0x80, 0x80 | picture_id >> 8 & 0x7F, picture_id & 0xFF])
    return tuple(bytes([0x90 if index == 0 else 0x80]) + number + piece for index, piece in enumerate(pieces))


class Stream:
    """Endless RTP of one track: the clip over and over, with running numbers and times.

    `skew_ppm` makes the publisher's sample clock run fast.
    """

    def __init__(
        self,
        kind: str,
        *,
        ssrc: int = 1,
        sequence: int = 65_400,
        timestamp: int = 0xFFFF_0000,
        skew_ppm: float = 0.0,
    ) -> None:
        self.kind, self.ssrc, self.skew_ppm = kind, ssrc, skew_ppm
        self.clip = tone() if kind == "audio" else picture()
        self.rate = 48_000 if kind == "audio" else 90_000
        self.step_ms = AUDIO_MS if kind == "audio" else VIDEO_MS
        self.first_timestamp = timestamp
        self.sequence = sequence
        self.index = self._clip_from = 0

    @property
    def at_ms(self) -> int:
        """When the next sample is due."""
        return self.index * self.step_ms

    def timestamp(self, at_ms: float) -> int:
        """RTP time of a moment on the publisher's timeline."""
        return (self.first_timestamp + round(at_ms * (1 + self.skew_ppm * 1e-6) * self.rate / 1000)) & 0xFFFFFFFF

    def seek(self, at_ms: int) -> None:
        """Go on at another time, with a key frame."""
        self.index = self._clip_from = -(-at_ms // self.step_ms)

    def next(self) -> list[bytes]:
        """The packets of the next sample."""
        sample = self.clip[(self.index - self._clip_from) % len(self.clip)]
        timestamp = self.timestamp(self.at_ms)
        packets = []
        for number, payload in enumerate(sample.payloads):
            packets.append(
                bytes(
                    rtp.build(
                        payload_type=111 if self.kind == "audio" else 96,
                        sequence_number=self.sequence,
                        timestamp=timestamp,
                        ssrc=self.ssrc,
                        payload=payload,
                        marker=number == len(sample.payloads) - 1,
                    )
                )
            )
            self.sequence = self.sequence + 1 & 0xFFFF
        self.index += 1
        return packets
