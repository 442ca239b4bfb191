# SPDX-License-Identifier: Apache-2.0
"""The loop over what the feed brings: the packets of known tracks go to them, everything else to `rest`. PURE.

Nearly all of the recorder's work is in here, four thousand times a second with 24 participants. `mediaserver/native`
has it in C (`straight.c`): there a packet that follows the one before is put in its place, and a frame that begins
nothing new into its part, without a call of Python's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.recording import webm
from mediaserver.recording.feed import (
    ARRIVAL,
    HEAD,
    MAX_RECORD_BYTES,
    OVERHEAD_BYTES,
    FeedFault,
    Kind,
    Record,
    kind_of,
)
from mediaserver.recording.frames import FrameAssembler
from mediaserver.recording.intake import JUMP_MS, Intake
from mediaserver.recording.pictures import MAX_FRAME_BYTES, Pictures, Vp8Pictures
from mediaserver.recording.segments import CONTINUOUS_MS, PART_MS, PICTURE_LAST_MS, Block, Cutter, Part
from mediaserver.recording.timeline import EpochScale

Rest = Callable[[Record, int], None]
"""Takes any other record, and the steady time."""


def take(data: bytes, known: dict[int, Intake], now_us: int, rest: Rest) -> int:
    """Take the records that are whole at the beginning of `data`; how many bytes they were.

    `known` are the tracks that are recorded now, by their number in the feed; `rest` may change it. Raises FeedFault at
    the first record that is none of this protocol's; those before it are taken.
    """
    return int(_take(data, known, now_us, rest))


def _python(data: bytes, known: dict[int, Intake], now_us: int, rest: Rest) -> int:
    unpack, head_bytes, packet, make = HEAD.unpack_from, HEAD.size, Kind.PACKET, tuple.__new__
    position, last = 0, len(data) - HEAD.size
    while position <= last:
        length, kind, track, number = unpack(data, position)
        if not OVERHEAD_BYTES <= length <= MAX_RECORD_BYTES:
            raise FeedFault("a feed record has an impossible length")
        end = position + 4 + length
        if end > len(data):
            break
        at = position + head_bytes
        intake = known.get(track) if kind == packet and end - at >= ARRIVAL.size else None
        if intake is not None:
            intake.arrived(number, data[at + ARRIVAL.size : end], ARRIVAL.unpack_from(data, at)[0], now_us)
        else:
            rest(make(Record, (kind_of(kind), track, number, data[at:end])), now_us)
        position = end
    return position


_take: Callable[..., Any] = _python


def use(module: Any | None) -> None:
    """Take the loop of the compiled plane and its clusters, or those here for None. Raises AttributeError, TypeError
    for another build."""
    global _take
    if module is not None:
        types = (Intake, FrameAssembler, Pictures, Vp8Pictures, EpochScale, Record, Cutter, Part, Block)
        bounds = (MAX_RECORD_BYTES, MAX_FRAME_BYTES, JUMP_MS, PART_MS, CONTINUOUS_MS, PICTURE_LAST_MS)
        module.bind_straight(types, FeedFault, {int(kind): kind for kind in Kind}, bounds, webm.MAX_BLOCK_MS)
    webm.use(module)
    _take = _python if module is None else module.take_straight


__all__ = ["Rest", "take", "use"]
