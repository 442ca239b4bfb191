# SPDX-License-Identifier: Apache-2.0
"""From the packets of one track to whole frames in order, with holes known. PURE.

Packets wait for repair until either everything before them came or `wait_us` went by; what is missing then is a hole.
A VP8 frame (RFC 7741) with a hole inside is left out: the recording keeps what came whole, and the holes are
listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import opus_duration_us, read_vp8
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
    """One Opus packet or one whole VP8 frame."""

    rtp_time: int
    """Extended (unwrapped) RTP time."""
    data: bytes
    keyframe: bool
    last_sequence: int
    duration_us: int
    """Of an Opus packet; 0 for a picture."""


@dataclass(slots=True)
class _Waiting:
    arrival_us: int
    rtp_time: int
    marker: bool
    payload: bytes


class FrameAssembler:
    """Puts one epoch of one track in order. Extended numbers begin at the first packet's number plus 65536."""

    def __init__(self, codec: str, wait_us: int = WAIT_US) -> None:
        self._vp8 = codec == "vp8"
        self._wait_us = wait_us
        self._waiting: dict[int, _Waiting] = {}
        self._next: int | None = None
        self._rtp_time: int | None = None
        self._last_rtp = 0
        self._pieces: list[bytes] = []
        self._frame_rtp = 0
        self._frame_key = False
        self._broken = False
        self.duplicates = 0
        self.late = 0
        self.damaged_frames = 0

    def add(self, packet: bytes, arrival_us: int) -> None:
        """Take one packet as it came. Bytes that are no RTP packet are ignored."""
        header = rtp.read_header(packet)
        if header is None:
            return
        if self._next is None:
            self._next = header.sequence_number + 0x10000
            self._rtp_time = header.timestamp + (1 << 32)
        number = unwrap16(header.sequence_number, self._next)
        if number < self._next:
            self.late += 1
            return
        if number in self._waiting:
            self.duplicates += 1
            return
        assert self._rtp_time is not None
        self._rtp_time = unwrap32(header.timestamp, self._rtp_time)
        payload = packet[header.payload_offset : header.payload_end]
        self._waiting[number] = _Waiting(arrival_us, self._rtp_time, header.marker, payload)

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
                self._hole()
                self._next = first
                continue
            self._last_rtp = waiting.rtp_time
            frame = self._picture(waiting, self._next) if self._vp8 else self._sound(waiting, self._next)
            if frame is not None:
                found.append(frame)
            self._next += 1
        return found

    def _hole(self) -> None:
        if self._pieces:
            self.damaged_frames += 1
        self._pieces, self._broken = [], True

    def _sound(self, waiting: _Waiting, number: int) -> Frame | None:
        if not waiting.payload:
            return None  # padding
        return Frame(waiting.rtp_time, waiting.payload, True, number, opus_duration_us(waiting.payload))

    def _picture(self, waiting: _Waiting, number: int) -> Frame | None:
        descriptor = read_vp8(waiting.payload) if waiting.payload else None
        if descriptor is None:
            return None
        if descriptor.frame_start:
            if self._pieces:
                self.damaged_frames += 1
            self._pieces, self._broken = [], False
            self._frame_rtp, self._frame_key = waiting.rtp_time, descriptor.keyframe
        elif self._broken or not self._pieces:
            return None
        self._pieces.append(waiting.payload[descriptor.data_offset :])
        if not waiting.marker:
            return None
        data, self._pieces = b"".join(self._pieces), []
        return Frame(self._frame_rtp, data, self._frame_key, number, 0)
