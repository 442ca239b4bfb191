# SPDX-License-Identifier: Apache-2.0
"""From the packets of one track to whole frames in order, with holes known. PURE.

Packets wait for repair until either everything before them came or `wait_us` went by; what is missing then is a hole.
A video frame with a hole inside is left out: the recording keeps what came whole, and the holes are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from mediaserver.recording.pictures import PICTURES
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import opus_duration_us
from mediaserver.rtp.seqnum import unwrap16, unwrap32

WAIT_US = 1_000_000
"""How long a gap is waited for: as long as the media server goes on asking for the packet."""
MAX_WAITING = 4096
"""Packets of one track that wait; beyond it the oldest gap is given up."""


@dataclass(frozen=True, slots=True)
class Hole:
    """RTP packets that never came: extended numbers, and the extended RTP times around them."""

    first: int
    last: int
    before_rtp: int
    after_rtp: int


@dataclass(frozen=True, slots=True)
class Frame:
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


@dataclass(slots=True)
class _Waiting:
    arrival_us: int
    rtp_time: int
    marker: bool
    payload: bytes


class FrameAssembler:
    """Puts one epoch of one track in order. Extended numbers begin at the first packet's number plus 65536.

    `after` continues an epoch: the extended number and RTP time of the last packet whose frame is kept.
    """

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
            frame = self._frame(waiting, self._next) if waiting.payload else None  # none: padding
            if frame is not None:
                found.append(frame)
            self._next += 1
        return found

    @property
    def damaged_frames(self) -> int:
        """Video frames that had a hole inside."""
        return 0 if self._pictures is None else self._pictures.damaged

    def _frame(self, waiting: _Waiting, number: int) -> Frame | None:
        if self._pictures is None:
            return Frame(waiting.rtp_time, waiting.payload, True, number, opus_duration_us(waiting.payload))
        found = self._pictures.take(waiting.payload, waiting.rtp_time, waiting.marker)
        if found is None:
            return None
        return Frame(found.rtp_time, found.data, found.keyframe, number, 0, found.packets, found.size, found.private)
