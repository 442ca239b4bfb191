# SPDX-License-Identifier: Apache-2.0
"""H.264 from a camera's byte stream to RTP payloads, without decoding (RFC 6184, packetization-mode 1). PURE.

Whatever the camera's profile is, its slices pass unchanged. Parameter sets are taken out of the stream and repeated in
one STAP-A before every IDR picture, so that whoever comes in at a key frame can begin there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from mediaserver.rtp.bits import BitReader, EndOfBits
from mediaserver.rtp.h264 import AUD, FU_A, IDR, PPS, SPS, STAP_A, sps_size

MAX_PAYLOAD_BYTES: Final = 1160
"""With RTP header, extension, authentication tag, UDP and IPv6 it stays below 1,280 bytes (RFC 8200 section 5)."""
MAX_PARAMETER_SETS: Final = 8
"""Of each kind; a camera has one or two. More are a broken stream: the oldest is forgotten."""
MAX_SETS_BYTES: Final = 4096
"""A larger parameter set is not kept."""

TRIED_KEY_FRAMES: Final = 3.0
"""The first may have come in the middle, or be made otherwise than those that follow."""
MAX_HELD_BYTES: Final = 8 << 20
"""No key frame is held together beyond this."""

MOST_SETS: Final = 255
"""Highest id of a parameter set (H.264 section 7.4.2.2)."""
_DROPPED: Final = frozenset({AUD, 10, 11, 12})
"""What means nothing in RTP: delimiters, ends of sequence and stream, filler."""
_START: Final = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a sequence parameter set says."""

    profile_level_id: str
    """Six hex digits as in SDP (RFC 6184 section 8.1), for example 42e01f."""
    width: int
    """Pixels that are shown, cropping done."""
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One access unit, ready for RTP: the last payload carries the marker."""

    payloads: list[bytes]
    keyframe: bool


@dataclass
class Packetizer:
    """Access units in, payloads out. Before the first key frame with its parameter sets nothing comes out."""

    max_payload_bytes: int = MAX_PAYLOAD_BYTES
    facts: PictureFacts | None = None
    """Of the newest sequence parameter set."""
    _sps: dict[int, bytes] = field(default_factory=dict)
    _pps: dict[int, bytes] = field(default_factory=dict)
    _begun: bool = False

    def learn(self, data: bytes) -> None:
        """Take parameter sets from outside the stream (the session description)."""
        for unit in split_units(data):
            self._take_set(unit)

    def wait_for_keyframe(self) -> None:
        """Something was lost: the next picture that comes out is a key frame."""
        self._begun = False

    def picture(self, access_unit: bytes) -> Picture | None:
        """Payloads of one access unit, None for one that cannot be shown (before a key frame, or without slices)."""
        units = [unit for unit in split_units(access_unit) if unit[0] & 31 not in _DROPPED]
        shown = [unit for unit in units if not self._take_set(unit)]
        keyframe = any(unit[0] & 31 == IDR for unit in shown)
        if keyframe:
            self._begun = bool(self._sps and self._pps)
        if not self._begun or not any(1 <= unit[0] & 31 <= IDR for unit in shown):
            return None
        payloads = self._sets() if keyframe else []
        for unit in shown:
            payloads += fragments(unit, self.max_payload_bytes)
        return Picture(payloads, keyframe)

    def _take_set(self, unit: bytes) -> bool:
        """True for a parameter set; a broken or huge one is let go."""
        kind = unit[0] & 31
        if kind not in (SPS, PPS):
            return False
        if len(unit) > MAX_SETS_BYTES:
            return True
        kept = self._sps if kind == SPS else self._pps
        try:
            if kind == SPS:
                number, facts = read_sps(unit)
                self.facts = facts
            else:
                number = _golomb(unit[1:])
        except ValueError:
            return True
        kept.pop(number, None)
        kept[number] = unit
        while len(kept) > MAX_PARAMETER_SETS:
            del kept[next(iter(kept))]
        return True

    def _sets(self) -> list[bytes]:
        """All parameter sets, in one STAP-A where they fit."""
        sets = [*self._sps.values(), *self._pps.values()]
        if 1 + sum(2 + len(unit) for unit in sets) > self.max_payload_bytes:
            return [payload for unit in sets for payload in fragments(unit, self.max_payload_bytes)]
        importance = max(unit[0] & 0x60 for unit in sets)
        return [bytes([importance | STAP_A]) + b"".join(len(unit).to_bytes(2) + unit for unit in sets)]


Piece = tuple[bytes, float | None, float]
"""Bytes of an access unit, the camera's own time of it (None: it gave none), and when it arrived; both in seconds."""


class Pieces:
    """Puts a key frame together that was taken apart on its way.

    A parameter set begins an access unit (H.264 section 7.4.1.2.3), so of a camera that repeats them before each slice
    of a key frame every slice comes as a unit of its own, with the same time. In RTP all of one time are one picture
    (RFC 6184 section 5.1). The first key frames of a connection are held until the next unit shows whether the camera
    does so; later ones only where it does, because a held picture is late by one.
    """

    def __init__(self) -> None:
        self._held: Piece | None = None
        self._tries = TRIED_KEY_FRAMES
        """So many key frames more are held; endless once one came in pieces."""
        self._newest_s: float | None = None

    def take(self, piece: Piece) -> list[Piece]:
        """What is whole now, in order; at most two."""
        data, camera_s, _ = piece
        again = camera_s is not None and camera_s == self._newest_s
        self._newest_s = camera_s
        if again:
            self._tries = math.inf
            held = self._held
            if held is None or len(held[0]) + len(data) > MAX_HELD_BYTES:
                return [piece]  # its beginning has gone already
            self._held = held[0] + data, held[1], held[2]
            return []
        whole = [] if self._held is None else [self._held]
        if self._tries > 0 and any(unit[0] & 31 == IDR for unit in split_units(data)):
            self._tries -= 1
            self._held = piece
        else:
            self._held = None
            whole.append(piece)
        return whole


def split_units(data: bytes) -> list[bytes]:
    """NAL units of a byte stream (ITU-T H.264 annex B), without start codes and trailing zeros."""
    units: list[bytes] = []
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        unit = data[begin : at if at >= 0 else len(data)].rstrip(b"\0")
        if unit:
            units.append(unit)
    return units


def fragments(unit: bytes, max_bytes: int) -> list[bytes]:
    """One NAL unit as a single payload, or as FU-A fragments of nearly equal size (RFC 6184 section 5.8)."""
    if len(unit) <= max_bytes:
        return [unit]
    indicator, kind = unit[0] & 0xE0 | FU_A, unit[0] & 31
    body = len(unit) - 1
    count = -(-body // (max_bytes - 2))
    payloads = []
    for number in range(count):
        begin, end = 1 + body * number // count, 1 + body * (number + 1) // count
        flags = (0x80 if number == 0 else 0) | (0x40 if number == count - 1 else 0)
        payloads.append(bytes([indicator, flags | kind]) + unit[begin:end])
    return payloads


def read_sps(unit: bytes) -> tuple[int, PictureFacts]:
    """(id, facts) of a sequence parameter set (H.264 section 7.3.2.1). Raises ValueError for a broken one."""
    size = sps_size(unit)
    if len(unit) < 5 or size is None:
        raise ValueError("broken")
    return _golomb(unit[4:]), PictureFacts(unit[1:4].hex(), *size)


def _golomb(data: bytes) -> int:
    """The number that `data` begins with."""
    try:
        number = BitReader(data).golomb()
    except EndOfBits:
        raise ValueError("ended early") from None
    if number > MOST_SETS:
        raise ValueError("no such id")
    return number
