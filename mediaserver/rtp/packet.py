# SPDX-License-Identifier: Apache-2.0
"""RTP packets read in place (RFC 3550 section 5.1) and their header extensions (RFC 8285)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER_BYTES = 12
ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000
"""The low four bits of the two-byte profile are free (RFC 8285 section 4.3)."""

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


class Header(NamedTuple):
    """Where the parts of one packet lie. Offsets and sizes are in bytes from the packet's start."""

    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload_offset: int
    payload_end: int
    """End of the payload, padding left out."""
    extension_profile: int
    """0 when there is no extension."""
    extension_offset: int
    extension_end: int


def read_header(packet: bytes | bytearray | memoryview) -> Header | None:
    """The header, or None when the bytes are no whole RTP version 2 packet."""
    size = len(packet)
    if size < HEADER_BYTES:
        return None
    first, second, sequence_number, timestamp, ssrc = _FIXED.unpack_from(packet)
    if first >> 6 != 2:
        return None
    offset = HEADER_BYTES + (first & 15) * 4
    profile = extension_offset = extension_end = 0
    if first & 0x10:
        if offset + 4 > size:
            return None
        profile, words = _EXTENSION.unpack_from(packet, offset)
        extension_offset = offset + 4
        offset = extension_end = extension_offset + words * 4
    end = size
    if first & 0x20:
        padding = packet[size - 1]
        if padding == 0:
            return None
        end = size - padding
    if offset > end:
        return None
    return Header(
        second > 127,
        second & 127,
        sequence_number,
        timestamp,
        ssrc,
        offset,
        end,
        profile,
        extension_offset,
        extension_end,
    )


def extensions(packet: bytes | bytearray | memoryview, header: Header) -> Iterator[tuple[int, int, int]]:
    """(id, offset, length) of each extension element; ends quietly where the block is broken (RFC 8285 section 4)."""
    at, end = header.extension_offset, header.extension_end
    if header.extension_profile == ONE_BYTE_PROFILE:
        while at < end:
            head = packet[at]
            if head == 0:
                at += 1
                continue
            number, length = head >> 4, (head & 15) + 1
            if number == 15 or at + 1 + length > end:
                return
            yield number, at + 1, length
            at += 1 + length
    elif header.extension_profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while at + 1 < end:
            number = packet[at]
            if number == 0:
                at += 1
                continue
            length = packet[at + 1]
            if at + 2 + length > end:
                return
            yield number, at + 2, length
            at += 2 + length


def build_extensions(elements: list[tuple[int, bytes]]) -> bytes:
    """An extension block with its four-byte head, in the one-byte form where that can hold all elements, else the
    two-byte form; empty for no elements. Ids are 1 to 14 (one-byte) or 1 to 255."""
    if not elements:
        return b""
    small = all(0 < number < 15 and 0 < len(value) <= 16 for number, value in elements)
    body = bytearray()
    for number, value in elements:
        body += bytes([number << 4 | (len(value) - 1)]) if small else bytes([number, len(value)])
        body += value
    body += bytes(-len(body) % 4)
    return _EXTENSION.pack(ONE_BYTE_PROFILE if small else TWO_BYTE_PROFILE, len(body) // 4) + bytes(body)


def build(
    *,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes | memoryview = b"",
    marker: bool = False,
    extension_block: bytes = b"",
) -> bytearray:
    """A packet without CSRCs and padding; `extension_block` comes from build_extensions."""
    packet = bytearray(
        _FIXED.pack(
            0x90 if extension_block else 0x80,
            payload_type | (0x80 if marker else 0),
            sequence_number & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
    )
    packet += extension_block
    packet += payload
    return packet


def rewrite(packet: bytearray, *, payload_type: int, sequence_number: int, timestamp: int, ssrc: int) -> None:
    """Change the four fields of a packet in place; the marker stays."""
    _FIXED.pack_into(
        packet,
        0,
        packet[0],
        packet[1] & 0x80 | payload_type,
        sequence_number & 0xFFFF,
        timestamp & 0xFFFFFFFF,
        ssrc,
    )
