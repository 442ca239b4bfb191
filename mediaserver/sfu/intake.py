# SPDX-License-Identifier: Apache-2.0
"""A received packet: read, and stored as all receivers share it; once for each that comes. The compiled plane has both
in C (native/intake.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.ports import Producer
from mediaserver.sfu.stored import OUR_IDS, Stored, extension_block
from mediaserver.sfu.uplink import Uplink

Packet = bytes | bytearray


def _read(packet: Packet, number_id: int) -> tuple[rtp.Header, int] | None:
    header = rtp.read_header(packet)
    if header is None:
        return None
    if number_id:
        for number, offset, length in rtp.extensions(packet, header):
            if number == number_id and length >= 2:
                return header, packet[offset] << 8 | packet[offset + 1]
    return header, -1


def _store(
    producer: Producer, uplink: Uplink, packet: Packet, header: rtp.Header, extended: int, now: float, red: bool
) -> tuple[Stored, int | None]:
    elements: list[tuple[int, bytes]] = []
    level = descriptor = None
    if header.extension_profile:
        ids = producer.extension_ids
        for number, offset, length in rtp.extensions(packet, header):
            if (ours := ids.get(number)) is not None and length:
                elements.append((ours, bytes(packet[offset : offset + length])))
            if number == producer.level_id and length:
                level = packet[offset] & 0x7F
            elif number == producer.descriptor_id:
                descriptor = bytes(packet[offset : offset + length])
    block, descriptor_at = extension_block(elements, now, numbered=uplink.codec.kind == "video")
    payload = memoryview(packet)[header.payload_offset : header.payload_end]
    common = rtp.build(
        payload_type=codecs.RED_PAYLOAD_TYPE if red else producer.parameters.codec.payload_type,
        sequence_number=header.sequence_number,
        timestamp=header.timestamp,
        ssrc=header.ssrc,
        payload=payload,
        marker=header.marker,
        extension_block=block,
    )
    stored = Stored(extended, common, header.timestamp, header.marker, rtp.HEADER_BYTES + len(block), now)
    uplink.describer.describe(stored, descriptor)
    if descriptor_at and descriptor is not None and len(descriptor) >= 3:
        stored.frame_at = descriptor_at + 1
    return stored, level


_module: Any | None = None
_reads: Callable[[Packet, int], tuple[rtp.Header, int] | None] = _read
remembers = True
"""Whether shapes (shape.py) are kept and asked for: not where both ways here are compiled."""


def read(packet: Packet, number_id: int) -> tuple[rtp.Header, int] | None:
    """(header, transport-wide number or -1); None for bytes that are no packet. `number_id` is the extension that
    holds the number, 0 for none."""
    return _reads(packet, number_id)


def store(
    producer: Producer,
    uplink: Uplink,
    packet: Packet,
    header: rtp.Header,
    extended: int,
    now: float,
    *,
    red: bool = False,
) -> tuple[Stored, int | None]:
    """The packet with our payload type and extensions, no CSRCs and no padding: one copy serves all. And its audio
    level (RFC 6464), None without one."""
    if _module is None:
        return _store(producer, uplink, packet, header, extended, now, red)
    stored, level, descriptor, described = _module.store_received(
        packet,
        extended,
        now,
        codecs.RED_PAYLOAD_TYPE if red else producer.gives,
        producer.numbered,
        producer.reader,
        producer.extension_ids,
        producer.level_id,
        producer.descriptor_id,
    )
    if not described:
        uplink.describer.describe(stored, descriptor)
    return stored, level


def use(module: Any | None) -> None:
    """Take reading and storing of the compiled plane, or of this one for None."""
    global _module, _reads, remembers
    remembers = module is None
    if module is None:
        _module, _reads = None, _read
    else:
        module.bind_intake(rtp.Header, Stored, OUR_IDS)
        _module, _reads = module, module.read_received
