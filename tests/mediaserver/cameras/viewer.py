# SPDX-License-Identifier: Apache-2.0
"""What a receiver makes of a camera's packets: access units put together again, and decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import av

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.h264 import FU_A, STAP_A, aggregated

START = b"\0\0\0\1"


@dataclass
class Seen:
    """One stream as it arrived, in order of sequence numbers."""

    timestamps: list[int] = field(default_factory=list)
    """Of each access unit."""
    units: list[bytes] = field(default_factory=list)
    """Access units as byte streams."""
    missing: int = 0
    """Sequence numbers that never came."""


def access_units(packets: Iterable[bytes]) -> Seen:
    """RFC 6184 backwards. A packet of another kind than mode 1 allows fails."""
    seen = Seen()
    unit = fragment = b""
    expected: int | None = None
    for data in packets:
        header = rtp.read_header(data)
        assert header is not None
        if expected is not None:
            seen.missing += header.sequence_number - expected & 0xFFFF
        expected = header.sequence_number + 1 & 0xFFFF
        payload = data[header.payload_offset : header.payload_end]
        kind = payload[0] & 31
        if kind == STAP_A:
            unit += b"".join(START + bytes(one) for one in aggregated(payload))
        elif kind == FU_A:
            if payload[1] & 0x80:
                fragment = bytes([payload[0] & 0xE0 | payload[1] & 31])
            fragment += payload[2:]
            if payload[1] & 0x40:
                unit, fragment = unit + START + fragment, b""
        else:
            assert 0 < kind < 24, kind
            unit += START + payload
        if header.marker:
            seen.units.append(unit)
            seen.timestamps.append(header.timestamp)
            unit = b""
    return seen


def decoded(units: Iterable[bytes]) -> list[Any]:
    """Pictures, from the first key frame on. Any decoder's complaint fails."""
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.options = {"err_detect": "explode"}
    decoder.thread_count = 1
    pictures = [frame for unit in units for frame in decoder.decode(av.Packet(unit))]
    return pictures + list(decoder.decode(None))
