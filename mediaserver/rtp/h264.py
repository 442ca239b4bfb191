# SPDX-License-Identifier: Apache-2.0
"""H264 payloads (RFC 6184) as far as an SFU and a recorder look into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mediaserver.rtp.bits import BitReader, EndOfBits

IDR, SPS, PPS, AUD = 5, 7, 8, 9
STAP_A, FU_A = 24, 28


class H264Payload(NamedTuple):
    """What one packet holds."""

    parameter_sets: bool
    """A sequence parameter set: a key frame begins with it."""
    idr_start: bool
    """The first byte of an IDR slice."""
    sps: bytes
    """The sequence parameter set itself, empty without one."""


def read_h264(payload: bytes | bytearray | memoryview) -> H264Payload | None:
    """What the packet holds; None where it is broken or of a kind that packetization mode 1 does not allow."""
    if len(payload) < 2:
        return None
    kind = payload[0] & 31
    if kind == FU_A:
        first = bool(payload[1] & 0x80)
        return H264Payload(False, first and payload[1] & 31 == IDR, b"")
    if kind == STAP_A:
        sps, idr = b"", False
        for unit in aggregated(payload):
            if unit[0] & 31 == SPS and not sps:
                sps = bytes(unit)
            idr = idr or unit[0] & 31 == IDR
        return H264Payload(bool(sps), idr, sps)
    if not 0 < kind < 24:
        return None
    return H264Payload(kind == SPS, kind == IDR, bytes(payload) if kind == SPS else b"")


def aggregated(payload: bytes | bytearray | memoryview) -> Iterator[bytes | bytearray | memoryview]:
    """The units of a STAP-A, none of them empty; ends quietly where the payload is broken."""
    at, size = 1, len(payload)
    while at + 2 < size:
        length = payload[at] << 8 | payload[at + 1]
        at += 2
        if length == 0 or at + length > size:
            return
        yield payload[at : at + length]
        at += length


def sps_size(sps: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels, cropping applied, of a sequence parameter set with its header byte (H.264 section
    7.3.2.1.1); None where it is broken."""
    try:
        return _sps_size(BitReader(sps[1:].replace(b"\0\0\3", b"\0\0")))
    except EndOfBits:
        return None


_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def _sps_size(bits: BitReader) -> tuple[int, int] | None:
    profile = bits.read(8)
    bits.read(16)
    bits.golomb()
    chroma = _chroma(bits) if profile in _WITH_CHROMA else 1
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.flag()
        bits.signed_golomb()
        bits.signed_golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.signed_golomb()
    bits.golomb()
    bits.flag()
    width, map_units = bits.golomb() + 1, bits.golomb() + 1
    fields = 1 if bits.flag() else 2
    if fields == 2:
        bits.flag()
    bits.flag()
    left = right = top = bottom = 0
    if bits.flag():
        left, right, top, bottom = (bits.golomb() for _ in range(4))
    step_x = 2 if chroma in (1, 2) else 1
    step_y = (2 if chroma == 1 else 1) * fields
    size = width * 16 - (left + right) * step_x, map_units * 16 * fields - (top + bottom) * step_y
    return size if 0 < size[0] <= 16384 and 0 < size[1] <= 16384 else None


def _chroma(bits: BitReader) -> int:
    chroma = bits.golomb()
    if chroma == 3:
        bits.flag()
    bits.golomb()
    bits.golomb()
    bits.flag()
    if bits.flag():
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last
