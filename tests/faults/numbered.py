# SPDX-License-Identifier: Apache-2.0
"""Sound and pictures whose every packet carries a number of its own, and what another reader finds of them in a file.

Nobody decodes them, so they need only look like Opus (RFC 6716) and VP8 (RFC 6386, in RTP: RFC 7741) from outside.
"""

from __future__ import annotations

import io
import random
import re
from dataclasses import dataclass

import av

from mediaserver.rtp import packet as rtp

MARK = b"\x00VhN0\xff"
"""Before each number."""
_NUMBER = re.compile(re.escape(MARK) + rb"(.{6})", re.DOTALL)
AUDIO_MS, VIDEO_MS = 20, 40
KEY_EVERY = 50
"""Pictures from one key frame to the next."""
PACKETS_OF_KEY, PACKETS_OF_PICTURE = 5, 2
_OPUS_20_MS = b"\xf8"
_KEY_FRAME = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00"
"""A shown key frame of 320 x 240 pixels."""
_PICTURE = b"\x11\x00\x00"


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet that was truly sent."""

    number: int
    utc_ms: float
    run: int
    """Which of the track's streams it belongs to: each joining begins another."""
    sequence: int
    """Its extended RTP number."""


class NumberedTrack:
    """One microphone or camera. `begin` starts a new stream of it, as a browser does that joins anew."""

    def __init__(self, kind: str, chance: random.Random) -> None:
        self.kind, self._chance = kind, chance
        self.step_ms = AUDIO_MS if kind == "audio" else VIDEO_MS
        self.rate = 48_000 if kind == "audio" else 90_000
        self.sent: list[Sent] = []
        self.run = 0
        self.key_wanted = True
        self.at_ms = 0
        self.ssrc = 0
        self._sequence = self._timestamp = self._since_key = 0

    def begin(self, at_ms: float) -> None:
        """A new SSRC, new numbers and times; the first picture is a key frame."""
        self.run += 1
        self.ssrc = self._chance.randrange(1, 1 << 31)
        self._sequence, self._timestamp = self._chance.randrange(1 << 16), self._chance.randrange(1 << 32)
        self.at_ms, self.key_wanted = -(-int(at_ms) // self.step_ms) * self.step_ms, True

    def timestamp(self, at_ms: float) -> int:
        """RTP time of a moment."""
        return (self._timestamp + round(at_ms * self.rate / 1000)) & 0xFFFFFFFF

    def next(self, utc_ms: float) -> list[bytes]:
        """The packets of the sound or picture that is due, sent now."""
        stamp = self.timestamp(self.at_ms)
        self.at_ms += self.step_ms
        return self._sound(stamp, utc_ms) if self.kind == "audio" else self._picture(stamp, utc_ms)

    def _sound(self, stamp: int, utc_ms: float) -> list[bytes]:
        return [self._packet(111, stamp, _OPUS_20_MS, bytes(40), utc_ms, marker=False)]

    def _picture(self, stamp: int, utc_ms: float) -> list[bytes]:
        self._since_key += 1
        key = self.key_wanted or self._since_key >= KEY_EVERY
        if key:
            self.key_wanted, self._since_key = False, 0
        count = PACKETS_OF_KEY if key else PACKETS_OF_PICTURE
        found = []
        for place in range(count):
            begins = (_KEY_FRAME if key else _PICTURE) if place == 0 else b""
            descriptor = b"\x10" if place == 0 else b"\x00"
            found.append(self._packet(96, stamp, descriptor + begins, bytes(600), utc_ms, marker=place == count - 1))
        return found

    def _packet(self, kind: int, stamp: int, head: bytes, fill: bytes, utc_ms: float, *, marker: bool) -> bytes:
        number = len(self.sent)
        self.sent.append(Sent(number, utc_ms, self.run, self._sequence))
        built = rtp.build(
            payload_type=kind,
            sequence_number=self._sequence & 0xFFFF,
            timestamp=stamp,
            ssrc=self.ssrc,
            payload=head + MARK + number.to_bytes(6) + fill,
            marker=marker,
        )
        self._sequence += 1
        return bytes(built)


def numbers_in(data: bytes) -> list[int]:
    """The numbers in a recorded file, in its order, as ffmpeg's reader hands its frames out."""
    found: list[int] = []
    with av.open(io.BytesIO(data), "r") as container:
        for packet in container.demux(container.streams[0]):
            found += [int.from_bytes(match) for match in _NUMBER.findall(bytes(packet))]
    return found
