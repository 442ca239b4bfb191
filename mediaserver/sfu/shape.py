# SPDX-License-Identifier: Apache-2.0
"""How the packets of one stream look, remembered: what was read of one is not read again of the next that looks alike.

A publisher sends nearly all packets of a stream with the same header extensions of the same lengths in the same order.
A shape is made of such a packet once; a later one that has the same bits in all places that are not values (`mask`) is
read, and rewritten for receivers, by places alone. The outcome is that of `intake.read` and `intake.store`, which take
every other packet: with padding, CSRCs, extensions in the two-byte form, RED, RTX.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from mediaserver.rtp import packet as rtp
from mediaserver.sfu.stored import SEND_TIME_HEAD, WIDE_SLOT, Stored, placed

if TYPE_CHECKING:
    from mediaserver.sfu.ports import Producer
    from mediaserver.sfu.uplink import Uplink

BEGINNING = struct.Struct("!BBHII3xH")
"""What is looked at first: the fixed header, and two bytes of the extension block by which shapes are told apart."""
BARE = -1
"""Stands for those two bytes in a packet without extensions."""
MOST_SHAPES = 16
"""Of one stream; a publisher with more of them is no browser."""
_HEAD = struct.Struct("!BBHIIIII")
_EXTENDED, _PADDED_OR_LISTED = 0x10, 0x2F


class Shape:
    """Of packets of one SSRC. Places are in bytes from the packet's start, 0 for none."""

    __slots__ = (
        "_block_head",
        "_descriptor",
        "_elements",
        "_frame_at",
        "_gives",
        "_payload_at",
        "_rest",
        "_slot",
        "_ssrc",
        "level_at",
        "mask",
        "number_id",
        "payload_offset",
        "value",
        "wide_at",
    )

    def __init__(self, producer: Producer, number_id: int, packet: bytes | bytearray, header: rtp.Header) -> None:
        mask = bytearray(b"\xff\x7f" + bytes(6) + b"\xff" * (header.payload_offset - 8))
        ids, elements = producer.extension_ids, []
        self.number_id, self.wide_at, self.level_at = number_id, 0, 0
        self._descriptor: tuple[int, int] | None = None
        for number, offset, length in rtp.extensions(packet, header):
            mask[offset : offset + length] = bytes(length)
            if number_id and number == number_id and length >= 2 and not self.wide_at:
                self.wide_at = offset
            if (ours := ids.get(number)) is not None:
                elements.append((ours, offset, length))
            if number == producer.level_id:
                self.level_at = offset
            elif number == producer.descriptor_id:
                self._descriptor = offset, offset + length
        self.payload_offset = header.payload_offset
        self.mask = int.from_bytes(mask)
        self.value = int.from_bytes(packet[: header.payload_offset]) & self.mask
        self._ssrc, self._gives = header.ssrc, producer.gives
        self._slot = WIDE_SLOT if producer.numbered else 0
        self._rest, self._elements, descriptor_at = placed(elements)
        self._payload_at = _HEAD.size + len(self._rest)
        self._block_head = rtp.ONE_BYTE_PROFILE << 16 | (self._payload_at - rtp.HEADER_BYTES - 4) // 4
        descriptor = self._descriptor
        long_enough = descriptor is not None and descriptor[1] - descriptor[0] >= 3
        self._frame_at = descriptor_at + 1 if descriptor_at and long_enough else 0

    def store(
        self, uplink: Uplink, packet: bytes | bytearray, second: int, timestamp: int, extended: int, now: float
    ) -> Stored:
        """As `intake.store`, of a packet of this shape; `second` is its second byte."""
        common = bytearray(
            _HEAD.pack(
                0x90,
                self._gives | second & 0x80,
                extended & 0xFFFF,
                timestamp,
                self._ssrc,
                self._block_head,
                self._slot,
                SEND_TIME_HEAD | int(now * 262144) & 0xFFFFFF,
            )
        )
        if self._elements:
            common += self._rest
            for to, to_end, begin, end in self._elements:
                common[to:to_end] = packet[begin:end]
        common += packet[self.payload_offset :]
        stored = Stored(extended, common, timestamp, second > 127, self._payload_at, now)
        descriptor = self._descriptor
        uplink.describer.describe(stored, None if descriptor is None else bytes(packet[descriptor[0] : descriptor[1]]))
        if self._frame_at:
            stored.frame_at = self._frame_at
        return stored


def remember(producer: Producer, uplink: Uplink, number_id: int, packet: bytes | bytearray, header: rtp.Header) -> None:
    """Keep the shape of a packet that is the stream's own (no RTX, no RED), if it can have one."""
    plain = header.extension_profile in (0, rtp.ONE_BYTE_PROFILE) and not packet[0] & _PADDED_OR_LISTED
    if not plain or len(packet) < BEGINNING.size:
        return
    shapes = uplink.shapes
    if len(shapes) >= MOST_SHAPES:
        shapes.clear()
    key = BEGINNING.unpack_from(packet)[5] if packet[0] & _EXTENDED else BARE
    shapes[key] = Shape(producer, number_id, packet, header)
