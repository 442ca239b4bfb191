# SPDX-License-Identifier: Apache-2.0
"""What an SFU and a recorder may read of a payload without decoding: VP8 (RFC 7741)."""

from __future__ import annotations

from typing import NamedTuple


class Vp8Descriptor(NamedTuple):
    """The VP8 payload descriptor (RFC 7741 section 4.2) and what the frame's first bytes tell."""

    data_offset: int
    """Where the VP8 data begins within the payload."""
    frame_start: bool
    """First packet of a frame: S bit set and partition 0."""
    keyframe: bool
    """First packet of a key frame (P bit of the frame header clear, section 4.3)."""
    picture_id: int | None
    picture_id_bits: int
    """7 or 15, 0 without a picture id."""
    tl0picidx: int | None
    temporal_layer: int | None


def read_vp8(payload: bytes | bytearray | memoryview) -> Vp8Descriptor | None:
    """The descriptor, or None when the bytes end inside it."""
    size = len(payload)
    if size < 1:
        return None
    first = payload[0]
    at = 1
    picture_id = tl0picidx = temporal_layer = None
    bits = 0
    if first & 0x80:
        if size < 2:
            return None
        flags = payload[1]
        at = 2
        need = (1 if flags & 0x80 else 0) + (1 if flags & 0x40 else 0) + (1 if flags & 0x30 else 0)
        if size < at + need:
            return None
        if flags & 0x80:
            picture_id, bits = payload[at] & 0x7F, 7
            if payload[at] & 0x80:
                if size < at + need + 1:
                    return None
                picture_id, bits = picture_id << 8 | payload[at + 1], 15
                at += 1
            at += 1
        if flags & 0x40:
            tl0picidx = payload[at]
            at += 1
        if flags & 0x30:
            temporal_layer = payload[at] >> 6
            at += 1
    if at >= size:
        return None
    start = bool(first & 0x10) and not first & 0x0F
    return Vp8Descriptor(at, start, start and not payload[at] & 1, picture_id, bits, tl0picidx, temporal_layer)


def vp8_size(frame: bytes | bytearray | memoryview) -> tuple[int, int] | None:
    """(width, height) in pixels of a whole VP8 key frame (RFC 6386 section 9.1), None for any other bytes."""
    if len(frame) < 10 or frame[0] & 1 or bytes(frame[3:6]) != b"\x9d\x01\x2a":
        return None
    return (frame[6] | frame[7] << 8) & 0x3FFF, (frame[8] | frame[9] << 8) & 0x3FFF


_OPUS_FRAME_US = (10_000, 20_000, 40_000, 60_000) * 3 + (10_000, 20_000) * 2 + (2_500, 5_000, 10_000, 20_000) * 4


def opus_duration_us(packet: bytes | bytearray | memoryview) -> int:
    """Length of an Opus packet's sound in microseconds (RFC 6716 section 3.1); 0 for an empty or broken packet."""
    if len(packet) < 1:
        return 0
    toc = packet[0]
    code = toc & 3
    if code == 3 and len(packet) < 2:
        return 0
    frames = 1 if code == 0 else 2 if code < 3 else packet[1] & 63
    return _OPUS_FRAME_US[toc >> 3] * frames
