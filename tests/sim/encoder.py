# SPDX-License-Identifier: Apache-2.0
"""A simulcast camera in virtual time: VP8 layers with their own numbers, clocks and picture ids, as browsers send them.

Every packet says in clear what it is, so that a decoder model can tell whether a receiver could decode it:
after the VP8 descriptor come a byte with the key frame bit, then layer, frame number, temporal layer, index and count.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp

PATTERN = (0, 2, 1, 2)
"""Temporal layer of each frame after a key frame; the upper ones lean on the base layer only (sync)."""
BODY = struct.Struct("!BIBBB")
"""Layer, frame number of the camera, temporal layer, index and count of packets."""
HEIGHTS = (180, 360, 720)
RID_EXTENSION, MID_EXTENSION, WIDE_EXTENSION = 10, 4, 3
NTP_BASE_S = 3_900_000_000.0


def vp8_head(*, key: bool, start: bool, picture: int, bits: int, tl0: int, temporal: int, key_index: int) -> bytes:
    """A payload descriptor with every field, the upper temporal layers marked as sync points."""
    wide = bytes([0x80 | picture >> 8 & 0x7F, picture & 0xFF]) if bits == 15 else bytes([picture & 0x7F])
    layers = temporal << 6 | (0x20 if temporal else 0) | key_index & 31
    return bytes([0x90 if start else 0x80, 0xF0]) + wide + bytes([tl0 & 0xFF, layers, 0 if key else 1])


@dataclass
class Layer:
    """One encoding. `send` gives whole packets; sent ones stay at hand for repair."""

    index: int
    chance: random.Random
    packets: int
    bits: int = 15
    on: bool = True
    size: int = 60
    """Bytes of picture in each packet."""
    sent: dict[int, bytes] = field(default_factory=dict)
    key_wanted: bool = True

    def __post_init__(self) -> None:
        self.ssrc = 1000 + self.index
        self.rtx_ssrc = 2000 + self.index
        self.sequence = self.chance.choice((65_530, 0, self.chance.randrange(65536)))
        self.rtx_sequence = self.chance.randrange(65536)
        self.clock_base = self.chance.choice((0xFFFFF000, self.chance.randrange(1 << 32)))
        self.picture = self.chance.choice(((1 << self.bits) - 3, self.chance.randrange(1 << self.bits)))
        self.tl0 = self.chance.randrange(256)
        self.key_index = self.chance.randrange(32)
        self.position = 0

    def rtp_time(self, now: float) -> int:
        """The layer's clock."""
        return self.clock_base + int(now * 90_000) & 0xFFFFFFFF

    def report(self, now: float) -> bytes:
        """A Sender Report."""
        ntp = int((NTP_BASE_S + now) * (1 << 32))
        return rtcp.build_sender_report(rtcp.SenderReport(self.ssrc, ntp, self.rtp_time(now), 0, 0))

    def frame(self, number: int, now: float) -> list[tuple[int, bytes, bool]]:
        """(sequence number, payload, marker) of the packets of one frame."""
        key, self.key_wanted = self.key_wanted, False
        self.position = 0 if key else self.position + 1
        temporal = 0 if key else PATTERN[self.position % len(PATTERN)]
        if temporal == 0:
            self.tl0 += 1
        if key:
            self.key_index += 1
        self.picture = self.picture + 1 & (1 << self.bits) - 1
        count = self.packets * 2 if key else self.packets
        found = []
        for index in range(count):
            head = vp8_head(
                key=key,
                start=index == 0,
                picture=self.picture,
                bits=self.bits,
                tl0=self.tl0,
                temporal=temporal,
                key_index=self.key_index,
            )
            size = struct.pack("<HH", HEIGHTS[self.index] * 16 // 9, HEIGHTS[self.index])
            start = bytes(2) + b"\x9d\x01\x2a" + size if key and index == 0 else bytes(9)
            body = head + start + BODY.pack(self.index, number, temporal, index, count) + bytes(self.size)
            self.sent[self.sequence & 0xFFFF] = body
            found.append((self.sequence & 0xFFFF, body, index == count - 1))
            self.sequence += 1
        return found

    def packet(self, sequence: int, payload: bytes, marker: bool, timestamp: int, wide: int) -> bytes:
        """A media packet with MID and RID."""
        return bytes(
            rtp.build(
                payload_type=96,
                sequence_number=sequence,
                timestamp=timestamp,
                ssrc=self.ssrc,
                payload=payload,
                marker=marker,
                extension_block=rtp.build_extensions(
                    [
                        (MID_EXTENSION, b"0"),
                        (RID_EXTENSION, f"r{self.index}".encode()),
                        (WIDE_EXTENSION, (wide & 0xFFFF).to_bytes(2)),
                    ]
                ),
            )
        )
