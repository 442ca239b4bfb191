# SPDX-License-Identifier: Apache-2.0
"""How the numbers of a stretch of an uplink become those of a downlink."""

from __future__ import annotations

import struct

from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT, Stored
from mediaserver.sfu.uplink import Uplink

OPEN = 1 << 62
"""`end` of the stretch that goes on."""
REPLAY_SPEED = 32
REPLAYED = 1 << 20
"""Clock ticks: more than the ring replays, far less than a wrap of the clock."""
_NUMBERS = struct.Struct("!HII")
_WIDE = struct.Struct("!H")


class Span:
    """Offsets for the packets `first` to `end` (without it) of one uplink, by extended number.

    What a receiver gets is the publisher's number plus the offset; so late packets and repairs get the numbers that
    applied when they were due, whatever was switched or left out since.
    """

    __slots__ = (
        "end",
        "first",
        "frame",
        "key_index",
        "offset",
        "picture",
        "replayed",
        "shifted",
        "timestamp",
        "tl0",
        "uplink",
    )

    def __init__(self, uplink: Uplink, first: int, offset: int, timestamp: int) -> None:
        self.uplink, self.first, self.end = uplink, first, OPEN
        self.offset, self.timestamp = offset, timestamp
        self.picture = self.tl0 = self.key_index = self.frame = 0
        self.shifted = False  # any of the four offsets above is not 0
        self.replayed: int | None = None  # what was taken before this RTP time came out of the ring

    def next(self, first: int, offset: int) -> Span:
        """The stretch that follows in the same uplink, with another offset of the sequence number."""
        span = Span(self.uplink, first, offset, self.timestamp)
        span.picture, span.tl0, span.key_index, span.frame = self.picture, self.tl0, self.key_index, self.frame
        span.shifted, span.replayed = self.shifted, self.replayed
        return span

    def timestamp_of(self, timestamp: int) -> int:
        """RTP time at the receiver. Pictures out of the ring are shown in a fraction of their time, in front of the
        newest: nobody is made to watch the past at its own pace."""
        if self.replayed is not None:
            ago = (self.replayed - timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if 0 < ago < REPLAYED:
                timestamp = self.replayed - ago // REPLAY_SPEED
        return timestamp + self.timestamp & 0xFFFFFFFF


def write(stored: Stored, span: Span, ssrc: int, wide: int) -> bytearray:
    """A copy of `stored` with a receiver's numbers; `wide` is its transport-wide number."""
    copy = bytearray(stored.packet)
    _NUMBERS.pack_into(copy, 2, stored.extended + span.offset & 0xFFFF, span.timestamp_of(stored.timestamp), ssrc)
    if copy[NUMBERED_AT]:
        _WIDE.pack_into(copy, TWCC_AT, wide & 0xFFFF)
    if span.shifted:
        shift(copy, stored, span)
    return copy


def shift(copy: bytearray, stored: Stored, span: Span) -> None:
    """Rewrite the picture numbers of a copy in place: VP8 and VP9 picture id and TL0PICIDX, VP8 KEYIDX, and the frame
    number of a dependency descriptor. Their widths never change."""
    if at := stored.picture_at:
        if stored.picture_bits == 15:
            _WIDE.pack_into(copy, at, stored.picture + span.picture & 0x7FFF | 0x8000)
        else:
            copy[at] = stored.picture + span.picture & 0x7F
    if at := stored.tl0_at:
        copy[at] = stored.tl0 + span.tl0 & 0xFF
    if at := stored.key_index_at:
        copy[at] = copy[at] & 0xE0 | stored.key_index + span.key_index & 0x1F
    if at := stored.frame_at:
        _WIDE.pack_into(copy, at, stored.frame_number + span.frame & 0xFFFF)
