# SPDX-License-Identifier: Apache-2.0
"""What an SFU and a recorder may read of a payload without decoding: VP8 (RFC 7741), Opus, RED (RFC 2198)."""

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
    layer_sync: bool = False
    """This frame leans on the base layer only: an upper temporal layer may begin here."""
    key_index: int | None = None
    tl0picidx_offset: int = 0
    """Where TL0PICIDX lies within the payload, 0 without one. A picture id always begins at 2."""
    key_index_offset: int = 0


def _vp8_places(what: int) -> tuple[int, int, int]:
    at = 2
    if what & 8:
        at += 2 if what & 16 else 1
    layers_at = at + (what >> 2 & 1)
    return at, layers_at, layers_at + (what & 3 > 0)


VP8_PLACES = tuple(_vp8_places(what) for what in range(32))
"""Where TL0PICIDX, the byte of layer and key index, and the data lie in an extended descriptor, or would lie: by its
flags I, L, T, K (8, 4, 2, 1), and 16 for a picture id of 15 bits."""


def read_vp8(payload: bytes | bytearray | memoryview) -> Vp8Descriptor | None:
    """The descriptor, or None when the bytes end inside it."""
    try:
        found = _read_vp8(payload)
    except IndexError:
        return None
    return found


def _read_vp8(payload: bytes | bytearray | memoryview) -> Vp8Descriptor:
    first = payload[0]
    at = 1
    picture_id = tl0picidx = temporal_layer = key_index = None
    bits = tl0_at = key_at = 0
    sync = False
    if first & 0x80:
        flags = payload[1]
        at = 2
        if flags & 0x80:
            picture_id, bits = payload[at] & 0x7F, 7
            if payload[at] & 0x80:
                picture_id, bits = picture_id << 8 | payload[at + 1], 15
                at += 1
            at += 1
        if flags & 0x40:
            tl0picidx, tl0_at = payload[at], at
            at += 1
        if flags & 0x30:
            layers = payload[at]
            if flags & 0x20:
                temporal_layer, sync = layers >> 6, bool(layers & 0x20)
            if flags & 0x10:
                key_index, key_at = layers & 0x1F, at
            at += 1
    start = bool(first & 0x10) and not first & 0x0F
    key = start and not payload[at] & 1  # not evaluated for a later packet, whose data must be there all the same
    if at >= len(payload):
        raise IndexError("the descriptor has no data behind it")
    return Vp8Descriptor(at, start, key, picture_id, bits, tl0picidx, temporal_layer, sync, key_index, tl0_at, key_at)


def vp8_data_offset(payload: bytes) -> int:
    """`data_offset` of `read_vp8` alone, 0 where that gives None: all that the middle of a frame is asked for."""
    size, at = len(payload), 1
    if size < 4:
        found = read_vp8(payload)
        return 0 if found is None else found.data_offset
    if payload[0] & 0x80:
        flags, at = payload[1], 2
        if flags & 0x80:
            at = 4 if payload[2] & 0x80 else 3
        if flags & 0x40:
            at += 1
        if flags & 0x30:
            at += 1
    return at if at < size else 0


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


def red_primary(payload: bytes | bytearray | memoryview) -> tuple[int, int] | None:
    """(payload type, offset) of the newest block of a RED payload (RFC 2198 section 3); None where it is broken."""
    at, skipped, size = 0, 0, len(payload)
    while at < size:
        if not payload[at] & 0x80:
            offset = at + 1 + skipped
            return (payload[at], offset) if offset <= size else None
        if at + 4 > size:
            return None
        skipped += (payload[at + 2] & 3) << 8 | payload[at + 3]
        at += 4
    return None
