# SPDX-License-Identifier: Apache-2.0
"""A camera's sound (G.711, AAC and the like) to Opus packets of 20 ms, by PyAV. Blocking, a fraction of a millisecond
for each packet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import av
import av.error
import numpy as np

RATE_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
BITS_PER_S: Final = 32_000
GAP_S: Final = 0.2
"""Sound this far from where it should be begins anew at its own time."""
SILENCE_DBOV: Final = 127


@dataclass(frozen=True, slots=True)
class OpusPacket:
    """20 ms of sound that begin at `line_s` on the camera's line; `level` is 0 (loudest) to 127 (RFC 6464)."""

    line_s: float
    data: bytes
    level: int


class Sound:
    """Decoder, resampler and encoder of one connection."""

    def __init__(self, stream: Any) -> None:
        self._decoder = stream.codec_context
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        self._fifo = av.AudioFifo()
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = RATE_HZ, "mono", "s16"
        self._encoder.bit_rate = BITS_PER_S
        self._encoder.options = {"application": "voip", "frame_duration": "20", "vbr": "on", "fec": "1"}
        self._next_s: float | None = None
        self.bad = 0

    def packets(self, packet: Any, line_s: float) -> list[OpusPacket]:
        """The Opus packets that are full with this one. Sound that cannot be decoded is counted and left out."""
        try:
            frames = [out for frame in self._decoder.decode(packet) for out in self._resampler.resample(frame)]
        except (av.error.FFmpegError, ValueError):
            self.bad += 1
            return []
        waiting_s = self._fifo.samples / RATE_HZ
        if self._next_s is None or abs(line_s - waiting_s - self._next_s) > GAP_S:
            self._fifo = av.AudioFifo()
            self._next_s = line_s
        for frame in frames:
            frame.pts = None
            self._fifo.write(frame)
        return self._encoded()

    def _encoded(self) -> list[OpusPacket]:
        found = []
        assert self._next_s is not None
        while (frame := self._fifo.read(FRAME_SAMPLES)) is not None:
            level = _level(frame)
            frame.pts = None
            for packet in self._encoder.encode(frame):
                found.append(OpusPacket(self._next_s, bytes(packet), level))
                self._next_s += FRAME_SAMPLES / RATE_HZ
        return found


def _level(frame: Any) -> int:
    """Loudness of a frame in -dBov."""
    samples = frame.to_ndarray().astype(np.float64)
    power = float(np.mean(samples * samples)) / 32768**2
    return SILENCE_DBOV if power <= 0 else min(SILENCE_DBOV, max(0, round(-10 * math.log10(power))))
