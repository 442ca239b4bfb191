# SPDX-License-Identifier: Apache-2.0
"""AV1 payloads and the dependency descriptor (RTP Payload Format For AV1, sections 4.4 and appendix A)."""

from __future__ import annotations

from typing import NamedTuple

from mediaserver.rtp.bits import BitReader, EndOfBits

OBU_SEQUENCE_HEADER, OBU_TEMPORAL_DELIMITER, OBU_TILE_LIST, OBU_PADDING = 1, 2, 8, 15


class Av1Payload(NamedTuple):
    """The aggregation header: one byte in front of the OBU elements."""

    continues: bool
    """The first element goes on from the packet before (Z)."""
    unfinished: bool
    """The last element goes on in the next packet (Y)."""
    elements: int
    """How many there are; 0 when every one has its length in front (W)."""
    keyframe: bool
    """First packet of a coded video sequence (N)."""


def read_av1(payload: bytes | bytearray | memoryview) -> Av1Payload | None:
    """The aggregation header, or None for an empty payload."""
    if len(payload) < 2:
        return None
    first = payload[0]
    return Av1Payload(bool(first & 0x80), bool(first & 0x40), first >> 4 & 3, bool(first & 0x08) and not first & 0x80)


def obu_elements(payload: bytes | bytearray | memoryview) -> list[bytes]:
    """The OBU elements of one packet in order; what is broken ends the list."""
    found: list[bytes] = []
    head = read_av1(payload)
    if head is None:
        return found
    at, size = 1, len(payload)
    while at < size:
        length = size - at
        if head.elements == 0 or len(found) + 1 < head.elements:
            length, at = _leb128(payload, at)
            if at + length > size:
                break
        found.append(bytes(payload[at : at + length]))
        at += length
    return found


def _leb128(payload: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        if at + index >= len(payload):
            break
        byte = payload[at + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    return len(payload), at


class SequenceHeader(NamedTuple):
    """What a file must say of an AV1 stream (AV1 specification section 5.5)."""

    profile: int
    level: int
    tier: int
    width: int
    height: int


def read_sequence_header(obu: bytes) -> SequenceHeader | None:
    """Reads a sequence header OBU with its header byte(s); None for anything else or where it is broken."""
    if not obu or obu[0] >> 3 & 15 != OBU_SEQUENCE_HEADER:
        return None
    try:
        bits = BitReader(obu[2 if obu[0] & 4 else 1 :])
        if obu[0] & 2:
            bits.leb128()
        return _sequence(bits)
    except EndOfBits:
        return None


def _sequence(bits: BitReader) -> SequenceHeader:
    profile = bits.read(3)
    bits.flag()
    if bits.flag():
        level, tier = bits.read(5), 0
    else:
        level, tier = _operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return SequenceHeader(profile, level, tier, bits.read(width_bits) + 1, bits.read(height_bits) + 1)


def _operating_points(bits: BitReader) -> tuple[int, int]:
    decoder_model, delay_bits = False, 0
    if bits.flag():
        bits.read(64)
        if bits.flag():
            bits.golomb()
        decoder_model = bits.flag()
        if decoder_model:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    display_delay = bits.flag()
    level = tier = 0
    for index in range(bits.read(5) + 1):
        bits.read(12)
        this_level = bits.read(5)
        this_tier = bits.read(1) if this_level > 7 else 0
        if decoder_model and bits.flag():
            bits.read(2 * delay_bits + 1)
        if display_delay and bits.flag():
            bits.read(4)
        if index == 0:
            level, tier = this_level, this_tier
    return level, tier


class Dependency(NamedTuple):
    """One packet's dependency descriptor; layers are -1 until the stream's structure is known."""

    frame_start: bool
    frame_end: bool
    frame_number: int
    spatial: int
    temporal: int
    structure: bool
    """It carries the structure: this frame begins a key picture."""


class DependencyReader:
    """Reads the dependency descriptors of one stream, remembering the structure that its key frames carry."""

    def __init__(self) -> None:
        self._first_template = 0
        self._layers: list[tuple[int, int]] = []

    def read(self, value: bytes | bytearray | memoryview) -> Dependency | None:
        """The descriptor in an extension's bytes; None where it is broken."""
        if len(value) < 3:
            return None
        start, end, template = bool(value[0] & 0x80), bool(value[0] & 0x40), value[0] & 0x3F
        structure = False
        if len(value) > 3 and value[3] & 0x80:
            structure = True
            try:
                self._structure(BitReader(value[3:]))
            except EndOfBits:
                return None
        index = (template - self._first_template) % 64
        spatial, temporal = self._layers[index] if index < len(self._layers) else (-1, -1)
        return Dependency(start, end, value[1] << 8 | value[2], spatial, temporal, structure)

    def _structure(self, bits: BitReader) -> None:
        bits.read(5)
        first = bits.read(6)
        bits.read(5)
        layers: list[tuple[int, int]] = []
        spatial = temporal = 0
        while len(layers) < 64:
            layers.append((spatial, temporal))
            step = bits.read(2)
            if step == 3:
                break
            if step == 1:
                temporal += 1
            elif step == 2:
                spatial, temporal = spatial + 1, 0
        self._first_template, self._layers = first, layers
