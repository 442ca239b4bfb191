# SPDX-License-Identifier: Apache-2.0
"""One packet as an uplink's ring keeps it: the copy that all receivers share, and what forwarding must know of it."""

from __future__ import annotations

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp

TWCC_AT = 18
"""Where the transport-wide sequence number lies in every picture packet for a receiver: its slot comes first."""
NUMBERED_AT = 17
"""0 here: a packet without transport-wide number. Sound has none, because it is sent again under its own sequence
number: SRTP must then see the very same bytes, or it would use one keystream for two packets (RFC 3711 section 9.1)."""
NEVER = 99
"""Temporal layer of a packet that no receiver gets: padding without payload."""

_TWCC = codecs.EXTENSION_IDS[codecs.TRANSPORT_CC_URI]
_SEND_TIME = codecs.EXTENSION_IDS[codecs.ABS_SEND_TIME_URI]
_DESCRIPTOR = codecs.EXTENSION_IDS[codecs.DEPENDENCY_DESCRIPTOR_URI]
OUR_IDS = _TWCC, _SEND_TIME, _DESCRIPTOR


_SLOTS = bytes((0, _TWCC << 4 | 1, 0, 0, _SEND_TIME << 4 | 2))
WIDE_SLOT = int.from_bytes(_SLOTS[:4])
SEND_TIME_HEAD = _SLOTS[4] << 24
"""The first two words of a block in the one-byte form, the second to be completed by the send time."""
_HEAD = rtp.ONE_BYTE_PROFILE.to_bytes(2) + (2).to_bytes(2)
_BARE, _BARE_UNNUMBERED = _HEAD + _SLOTS, _HEAD + bytes(4) + _SLOTS[4:]
"""The block of a packet without extensions of its publisher, but for the send time."""


class Stored:
    """Plain fields, so that a compiled loop can mirror them. Offsets are from the packet's first byte, 0 for none."""

    __slots__ = (
        "arrival",
        "extended",
        "frame_at",
        "frame_end",
        "frame_number",
        "key_index",
        "key_index_at",
        "keyframe",
        "marker",
        "packet",
        "payload_at",
        "picture",
        "picture_at",
        "picture_bits",
        "plain",
        "spatial",
        "start",
        "sync",
        "temporal",
        "timestamp",
        "tl0",
        "tl0_at",
    )

    def __init__(
        self, extended: int, packet: bytearray, timestamp: int, marker: bool, payload_at: int, arrival: float
    ) -> None:
        self.extended, self.packet, self.payload_at, self.arrival = extended, packet, payload_at, arrival
        self.timestamp, self.marker = timestamp, marker
        self.spatial = 0  # only of a stream that holds several spatial layers
        self.temporal = 0
        self.start = False  # first packet of a frame
        self.frame_end = marker  # last packet of a frame of one spatial layer
        self.keyframe = False  # first packet of a key frame
        self.sync = False  # an upper temporal layer may begin here
        self.picture = self.picture_bits = self.picture_at = 0
        self.tl0 = self.tl0_at = 0
        self.key_index = self.key_index_at = 0
        self.frame_number = self.frame_at = 0
        self.plain: Stored | None = None  # the same sound without its RED copies, for those who do not know RED

    @property
    def payload(self) -> memoryview:
        """What its publisher sent behind the header."""
        return memoryview(self.packet)[self.payload_at :]


def extension_block(elements: list[tuple[int, bytes]], now: float, *, numbered: bool = True) -> tuple[bytes, int]:
    """(block with its head, offset in the packet of the dependency descriptor or 0) of a packet for receivers.

    The slots for the transport-wide number (to be written at TWCC_AT) and the absolute send time come first; a pad
    byte in the one-byte form keeps the number at one place in both forms (RFC 8285 section 4). Without `numbered` the
    first slot holds pad bytes.
    """
    send_time = (int(now * 262144) & 0xFFFFFF).to_bytes(3)
    if not elements:
        return (_BARE if numbered else _BARE_UNNUMBERED) + send_time, 0
    small = all(len(value) <= 16 for _, value in elements)
    body = bytearray(_SLOTS if small else (_TWCC, 2, 0, 0, _SEND_TIME, 3))
    body += send_time
    if not numbered:
        body[:4] = bytes(4)
    descriptor_at = 0
    for number, value in elements:
        body += bytes((number << 4 | len(value) - 1,) if small else (number, len(value)))
        if number == _DESCRIPTOR:
            descriptor_at = rtp.HEADER_BYTES + 4 + len(body)
        body += value
    body += bytes(-len(body) % 4)
    profile = rtp.ONE_BYTE_PROFILE if small else rtp.TWO_BYTE_PROFILE
    return profile.to_bytes(2) + (len(body) // 4).to_bytes(2) + bytes(body), descriptor_at


def placed(elements: list[tuple[int, int, int]]) -> tuple[bytes, tuple[tuple[int, int, int, int], ...], int]:
    """What follows the send time in `extension_block` for elements of 1 to 16 bytes, each given as our id, offset in
    its publisher's packet, and length: the bytes with the values left out; from where to where each value goes in our
    packet, and where it lies in the publisher's; and the offset of the dependency descriptor or 0."""
    body, moves, descriptor_at = bytearray(), [], 0
    for number, offset, length in elements:
        body.append(number << 4 | length - 1)
        at = TWCC_AT + 6 + len(body)
        if number == _DESCRIPTOR:
            descriptor_at = at
        moves.append((at, at + length, offset, offset + length))
        body += bytes(length)
    return bytes(body) + bytes(-len(body) % 4), tuple(moves), descriptor_at
