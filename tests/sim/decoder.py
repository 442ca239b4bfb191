# SPDX-License-Identifier: Apache-2.0
"""What a browser makes of a forwarded VP8 stream: frames put together by number, decoded by what they lean on.

It holds every rule of RFC 7741 and RFC 3550 that a decoder relies on against the stream, and counts the frames that
could be shown. Nothing of the server's own code is used to judge it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from tests.sim.encoder import BODY


@dataclass(frozen=True)
class Piece:
    """One packet as received."""

    number: int
    timestamp: int
    marker: bool
    picture: int
    bits: int
    tl0: int
    temporal: int
    key_index: int
    key: bool
    start: bool
    layer: int
    frame: int
    index: int
    count: int
    at: float


@dataclass
class Shown:
    """One decoded frame."""

    frame: int
    layer: int
    temporal: int
    timestamp: int
    key: bool
    at: float


def read(payload: bytes, number: int, timestamp: int, marker: bool, at: float) -> Piece:
    """Read a payload made by the encoder and rewritten on its way."""
    assert payload[1] == 0xF0, "the descriptor keeps its form"
    bits = 15 if payload[2] & 0x80 else 7
    offset = 4 if bits == 15 else 3
    picture = int.from_bytes(payload[2:offset]) & (1 << bits) - 1
    tl0, layers, first = payload[offset], payload[offset + 1], payload[offset + 2]
    start = bool(payload[0] & 0x10)
    layer, frame, temporal, index, count = BODY.unpack_from(payload, offset + 12)
    assert temporal == layers >> 6, "the temporal layer is the publisher's"
    key = start and not first & 1
    return Piece(
        number, timestamp, marker, picture, bits, tl0, temporal, layers & 31, key, start, layer, frame, index, count, at
    )


@dataclass
class Decoder:
    """Takes packets in any order; `finish` judges the whole stream."""

    pieces: dict[int, Piece] = field(default_factory=dict)
    empty: set[int] = field(default_factory=set)
    highest: int | None = None

    def take(self, number: int, timestamp: int, marker: bool, payload: bytes, at: float) -> bool:
        """One packet (RTX undone). False for one that came before."""
        if self.highest is None:
            self.highest = number + 0x10000
        extended = self.highest + ((number - self.highest + 0x8000) & 0xFFFF) - 0x8000
        self.highest = max(self.highest, extended)
        if extended in self.pieces or extended in self.empty:
            return False
        if not payload:
            self.empty.add(extended)
            return True
        self.pieces[extended] = read(payload, extended, timestamp, marker, at)
        return True

    def missing(self) -> list[int]:
        """Numbers that never came."""
        if self.highest is None:
            return []
        first = min(self.pieces)
        return [n for n in range(first, self.highest) if n not in self.pieces and n not in self.empty]

    def frames(self) -> list[list[Piece]]:
        """Packets with one timestamp each, in the order of their numbers; and what must hold between them."""
        found: list[list[Piece]] = []
        for number in sorted(self.pieces):
            piece = self.pieces[number]
            if found and found[-1][-1].timestamp == piece.timestamp:
                same = found[-1][-1]
                assert (same.layer, same.frame) == (piece.layer, piece.frame), "one timestamp, one picture"
                assert (same.picture, same.tl0) == (piece.picture, piece.tl0), "one picture, one picture id"
                found[-1].append(piece)
            else:
                found.append([piece])
        return found

    def whole(self, frame: list[Piece]) -> bool:
        """Every packet is there and the last has the marker."""
        numbers = [piece.index for piece in frame]
        in_row = frame[-1].number - frame[0].number == len(frame) - 1
        return numbers == list(range(frame[0].count)) and frame[-1].marker and in_row

    def finish(self) -> list[Shown]:
        """The frames that could be decoded, in order. Raises AssertionError where numbers break a rule."""
        frames = self.frames()
        self._check_numbers(frames)
        shown: list[Shown] = []
        base: dict[str, int] = {}
        layer, synced = -1, False
        for frame in frames:
            head = frame[0]
            if not self.whole(frame):
                synced = synced and head.temporal > 0
                continue
            if head.key:
                layer, synced = head.layer, True
            elif not synced or head.layer != layer:
                continue
            elif head.tl0 != (base["tl0"] + 1 & 0xFF if head.temporal == 0 else base["tl0"]):
                synced = synced and head.temporal > 0  # a base frame is missing: this leans on what is not there
                continue
            if head.temporal == 0:
                base["tl0"] = head.tl0
            shown.append(
                Shown(head.frame, head.layer, head.temporal, head.timestamp, head.key, max(p.at for p in frame))
            )
        return shown

    def _check_numbers(self, frames: list[list[Piece]]) -> None:
        for before, after in itertools.pairwise(frames):
            old, new = before[-1], after[0]
            step = (new.timestamp - old.timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            assert step > 0, f"time runs backwards: {old} {new}"
            assert old.bits == new.bits, "the width of the picture id changes"
            pictures = new.picture - old.picture & (1 << new.bits) - 1
            assert 0 < pictures < 1 << new.bits - 1, f"picture ids do not rise: {old} {new}"
            if new.number == old.number + 1:
                assert pictures == 1, f"no packet is missing but a picture id is: {old} {new}"
                assert new.tl0 == (old.tl0 + (1 if new.temporal == 0 else 0)) & 0xFF, f"TL0PICIDX: {old} {new}"
                assert new.key_index == (old.key_index + (1 if new.key else 0)) & 31, f"KEYIDX: {old} {new}"
                assert old.marker, f"a frame that was not sent to its end is hidden: {old} {new}"
