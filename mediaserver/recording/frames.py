# SPDX-License-Identifier: Apache-2.0
"""From the packets of one track to whole frames in order, with holes known. PURE.

Packets wait for repair until either everything before them came or `wait_us` went by; what is missing then is a hole.
A video frame with a hole inside is left out: the recording keeps what came whole, and the holes are listed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from mediaserver.recording.pictures import PICTURES, Picture, Vp8Pictures
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import opus_duration_us
from mediaserver.rtp.seqnum import unwrap16, unwrap32

WAIT_US = 1_000_000
"""How long a gap is waited for: as long as the media server goes on asking for the packet."""
MAX_WAITING = 4096
"""Packets of one track that wait; beyond it the oldest gap is given up."""

_FIXED = struct.Struct("!BBHI")
_EXTENSION_WORDS = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Hole:
    """RTP packets that never came: extended numbers, and the extended RTP times around them."""

    first: int
    last: int
    before_rtp: int
    after_rtp: int


class Frame(NamedTuple):
    """One Opus packet or one whole video frame."""

    rtp_time: int
    """Extended (unwrapped) RTP time."""
    data: bytes
    keyframe: bool
    last_sequence: int
    duration_us: int
    """Of an Opus packet; 0 for a picture."""
    packets: int = 1
    """RTP packets that the frame came in."""
    size: tuple[int, int] | None = None
    """(width, height) in pixels, of a key frame that tells it."""
    private: bytes = b""
    """What a file's header must hold for the decoder, of a key frame whose codec needs it."""


class Following(NamedTuple):
    """What `FrameAssembler.follows` read of a packet."""

    rtp_time: int
    marker: bool
    payload_at: int


@dataclass(slots=True)
class _Waiting:
    arrival_us: int
    rtp_time: int
    marker: bool
    payload: bytes


_following = tuple.__new__
"""Makes a named tuple at half the cost of calling its class."""


class FrameAssembler:
    """Puts one epoch of one track in order. Extended numbers begin at the first packet's number plus 65536.

    `after` continues an epoch: the extended number and RTP time of the last packet whose frame is kept.
    """

    __slots__ = ("_last_rtp", "_next", "_pictures", "_rtp_time", "_wait_us", "_waiting", "duplicates", "late")

    def __init__(self, codec: str, wait_us: int = WAIT_US, after: tuple[int, int] | None = None) -> None:
        made = PICTURES.get(codec)
        self._pictures = None if made is None else made()
        self._wait_us = wait_us
        self._waiting: dict[int, _Waiting] = {}
        self._next: int | None = None
        self._rtp_time: int | None = None
        self._last_rtp = 0
        self.duplicates = 0
        self.late = 0
        if after is not None:
            self._next, self._rtp_time, self._last_rtp = after[0] + 1, after[1], after[1]

    def follows(self, packet: bytes) -> Following | None:
        """What is needed of a packet that comes right after all others, while none waits; None for any other.

        Nearly all packets are like this, so nothing else is looked at; one with padding or CSRCs goes the other way.
        """
        size, expected = len(packet), self._next
        if size <= rtp.HEADER_BYTES or self._waiting or expected is None or self._rtp_time is None:
            return None
        first, second, sequence, timestamp = _FIXED.unpack_from(packet)
        if sequence != expected & 0xFFFF:
            return None
        payload_at = rtp.HEADER_BYTES
        if first == 0x90:  # version 2, an extension, nothing else
            if size <= payload_at + 4:
                return None
            payload_at += 4 + _EXTENSION_WORDS.unpack_from(packet, payload_at + 2)[0] * 4
            if size <= payload_at:
                return None
        elif first != 0x80:
            return None
        known = self._rtp_time
        return _following(
            Following,
            (known + ((timestamp - known + 0x80000000) & 0xFFFFFFFF) - 0x80000000, second > 127, payload_at),
        )

    def follow(self, packet: bytes, following: Following) -> tuple[int, Frame | None]:
        """Take a packet that `follows`: its extended number, and the frame that it completes, if it does.

        The same as `add` and `take` one after the other.
        """
        assert self._next is not None, "it follows something"
        number, self._next = self._next, self._next + 1
        rtp_time, marker, payload_at = following
        self._rtp_time = self._last_rtp = rtp_time
        return number, self._frame(packet[payload_at:], rtp_time, marker, number)

    def whole(self, number: int) -> Frame | None:
        """The picture that the packet of this extended number ended: the compiled plane has its pieces together."""
        assert isinstance(self._pictures, Vp8Pictures), "the compiled plane reads no other"
        return _as_frame(self._pictures.end(), number)

    def add(self, packet: bytes, arrival_us: int, header: rtp.Header | None = None) -> int | None:
        """Take one packet as it came. Returns its extended number, None when it is of no use.

        Of no use are bytes that are no RTP packet, a packet that came before, and one that came too late. `header` is
        the packet's, where it was read before.
        """
        header = header or rtp.read_header(packet)
        if header is None:
            return None
        if self._next is None:
            self._next = header.sequence_number + 0x10000
            self._rtp_time = header.timestamp + (1 << 32)
        number = unwrap16(header.sequence_number, self._next)
        if number < self._next:
            self.late += 1
            return None
        if number in self._waiting:
            self.duplicates += 1
            return None
        assert self._rtp_time is not None
        self._rtp_time = unwrap32(header.timestamp, self._rtp_time)
        payload = packet[header.payload_offset : header.payload_end]
        self._waiting[number] = _Waiting(arrival_us, self._rtp_time, header.marker, payload)
        return number

    @property
    def rtp_time(self) -> int:
        """Extended RTP time of the packet that came last; the point from which others are unwrapped."""
        return self._rtp_time or 0

    def take(self, now_us: int, *, everything: bool = False) -> list[Frame | Hole]:
        """What is in order by now; with `everything`, also what still waits behind gaps (the track ends)."""
        found: list[Frame | Hole] = []
        while self._waiting and self._next is not None:
            waiting = self._waiting.pop(self._next, None)
            if waiting is None:
                first = min(self._waiting)
                patient = now_us - self._waiting[first].arrival_us < self._wait_us
                if patient and not everything and len(self._waiting) < MAX_WAITING:
                    break
                found.append(Hole(self._next, first - 1, self._last_rtp, self._waiting[first].rtp_time))
                if self._pictures is not None:
                    self._pictures.hole()
                self._next = first
                continue
            self._last_rtp = waiting.rtp_time
            if waiting.payload:  # none: padding
                frame = self._frame(waiting.payload, waiting.rtp_time, waiting.marker, self._next)
                if frame is not None:
                    found.append(frame)
            self._next += 1
        return found

    @property
    def damaged_frames(self) -> int:
        """Video frames that had a hole inside."""
        return 0 if self._pictures is None else self._pictures.damaged

    def _frame(self, payload: bytes, rtp_time: int, marker: bool, number: int) -> Frame | None:
        if self._pictures is None:
            return sound_frame(payload, rtp_time, number)
        return _as_frame(self._pictures.take(payload, rtp_time, marker), number)


def sound_frame(payload: bytes, rtp_time: int, number: int) -> Frame:
    """An Opus packet as a frame."""
    return Frame(rtp_time, payload, True, number, opus_duration_us(payload))


def _as_frame(found: Picture | None, number: int) -> Frame | None:
    if found is None:
        return None
    return Frame(found.rtp_time, found.data, found.keyframe, number, 0, found.packets, found.size, found.private)
