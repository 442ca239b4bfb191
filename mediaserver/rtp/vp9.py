# SPDX-License-Identifier: Apache-2.0
"""The VP9 payload descriptor (RFC 9628 section 4.2)."""

from __future__ import annotations

from typing import NamedTuple


class Vp9Descriptor(NamedTuple):
    """What the descriptor tells. A picture id always begins at offset 1 of the payload."""

    data_offset: int
    frame_start: bool
    frame_end: bool
    """Of the frame of one spatial layer; the marker ends the picture."""
    keyframe: bool
    """First packet of a picture that leans on no other."""
    picture_id: int | None
    picture_id_bits: int
    tl0picidx: int | None
    tl0picidx_offset: int
    temporal_layer: int
    spatial_layer: int
    switching_up: bool
    """From here on a receiver may take upper temporal layers."""
    size: tuple[int, int] | None
    """(width, height) of the highest spatial layer where a scalability structure gives it."""


def read_vp9(payload: bytes | bytearray | memoryview) -> Vp9Descriptor | None:
    """The descriptor, or None when the bytes end inside it."""
    try:
        found = _read(payload)
    except IndexError:
        return None
    return found if found.data_offset < len(payload) else None


def _read(payload: bytes | bytearray | memoryview) -> Vp9Descriptor:
    flags = payload[0]
    at = 1
    picture_id = tl0picidx = None
    bits = tl0_at = temporal = spatial = 0
    up = False
    if flags & 0x80:
        picture_id, bits = payload[at] & 0x7F, 7
        if payload[at] & 0x80:
            picture_id, bits = picture_id << 8 | payload[at + 1], 15
            at += 1
        at += 1
    if flags & 0x20:
        layers = payload[at]
        temporal, up, spatial = layers >> 5, bool(layers & 0x10), layers >> 1 & 7
        at += 1
        if not flags & 0x10:
            tl0picidx, tl0_at = payload[at], at
            at += 1
    if flags & 0x50 == 0x50:
        for _ in range(3):
            at += 1
            if not payload[at - 1] & 1:
                break
    size = None
    if flags & 0x02:
        at, size = _structure(payload, at)
    start = bool(flags & 0x08)
    key = start and not flags & 0x40 and spatial == 0
    return Vp9Descriptor(
        at, start, bool(flags & 0x04), key, picture_id, bits, tl0picidx, tl0_at, temporal, spatial, up, size
    )


def _structure(payload: bytes | bytearray | memoryview, at: int) -> tuple[int, tuple[int, int] | None]:
    head = payload[at]
    at += 1
    size = None
    if head & 0x10:
        for _ in range((head >> 5) + 1):
            size = payload[at] << 8 | payload[at + 1], payload[at + 2] << 8 | payload[at + 3]
            at += 4
    if head & 0x08:
        pictures = payload[at]
        at += 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return at, size


def vp9_size(frame: bytes | bytearray | memoryview) -> tuple[int, int] | None:
    """(width, height) in pixels of a key frame of profile 0 (VP9 bitstream section 6.2), None for any other bytes."""
    if len(frame) < 10 or frame[0] & 0xFC != 0x80 or bytes(frame[1:4]) != b"\x49\x83\x42":
        return None
    # Colour space (3 bits) and range (1), which only RGB lacks, then two numbers of 16 bits.
    bits = int.from_bytes(frame[4:9])
    return (bits >> 20 & 0xFFFF) + 1, (bits >> 4 & 0xFFFF) + 1
