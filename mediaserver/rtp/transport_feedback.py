# SPDX-License-Identifier: Apache-2.0
"""Transport-wide feedback of a receiver (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1), read.

Written for what a stranger may send: a few bytes can claim tens of thousands of packets, so the claim is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

MAX_STATUSES = 4096
"""More packets than this in one feedback is no receiver's honest report (Chromium: some dozens)."""
TICKS_PER_S = 4000
"""Arrival times count in 250 us."""
REFERENCE_TICKS = 256
WRAP_TICKS = (1 << 24) * REFERENCE_TICKS
"""The reference time has 24 bits of 64 ms: arrival times begin again after twelve days."""


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """What became of the packets `base`, `base + 1`, … (16 bit, wrapping)."""

    sender_ssrc: int
    media_ssrc: int
    base: int
    count: int
    """Number of this feedback, 8 bit: a step of more than one means that feedback was lost."""
    arrivals: tuple[int | None, ...]
    """Arrival in ticks of the receiver's clock, None for a packet that had not come."""


_TWO_BITS, _ONE_BIT = (12, 10, 8, 6, 4, 2, 0), tuple(range(13, -1, -1))
_HEAD_BYTES = 16


@lru_cache(maxsize=256)
def _all_came(total: int) -> tuple[bytes, bytes, bytes]:
    """The chunks that say that so many packets all came within a small delta, as one run, in vectors of seven, and in
    vectors of fourteen: most of what a good link says, looked at without a step for each packet."""
    sevens, fourteens = b"\xd5\x55" * (total // 7), b"\xbf\xff" * (total // 14)
    if rest := total % 7:
        sevens += (0xD555 & 0xFFFF << 14 - 2 * rest).to_bytes(2)
    if rest := total % 14:
        fourteens += (0xBFFF & 0xFFFF << 14 - rest).to_bytes(2)
    return (0x2000 | total).to_bytes(2), sevens, fourteens


_Fields = tuple[int, int, int, int, tuple[int | None, ...]]


def read(body: bytes) -> TransportFeedback | None:
    """The feedback in the body of an RTPFB packet of format 15 (after the four-byte head, padding removed); None when
    it is malformed or claims more than MAX_STATUSES packets."""
    found = _read(body)
    return None if found is None else TransportFeedback(*found)


def _python(body: bytes) -> _Fields | None:
    if len(body) < 16:
        return None
    sender, media, base, total, reference = struct.unpack_from("!IIHHI", body)
    if not 0 < total <= MAX_STATUSES:
        return None
    time = (reference >> 8) * REFERENCE_TICKS
    came: tuple[int | None, ...] | None = None
    if at := _behind_whole(body, total):  # nothing is missing, nothing was late: the deltas are bytes
        if at + total <= len(body):
            came = tuple(accumulate(body[at + 1 : at + total], initial=time + body[at]))
    else:
        symbols, at = _symbols(body, total)
        came = None if symbols is None else _arrivals(body, at, symbols, time)
    return None if came is None else (sender, media, base, reference & 0xFF, came)


def _behind_whole(body: bytes, total: int) -> int:
    """Where the deltas begin when the usual chunks say that all packets came within a small delta; else 0."""
    for chunks in _all_came(total):
        if body.startswith(chunks, _HEAD_BYTES):
            return _HEAD_BYTES + len(chunks)
    return 0


def _symbols(body: bytes, total: int) -> tuple[list[int] | None, int]:
    """Status symbols and where the deltas begin."""
    symbols: list[int] = []
    at, size = _HEAD_BYTES, len(body)
    while len(symbols) < total:
        if at + 2 > size:
            return None, at
        chunk = body[at] << 8 | body[at + 1]
        at += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13] * min(chunk & 0x1FFF, total - len(symbols))
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in _TWO_BITS]
        else:
            symbols += [chunk >> shift & 1 for shift in _ONE_BIT]
    del symbols[total:]
    return symbols, at


def _arrivals(body: bytes, at: int, symbols: list[int], time: int) -> tuple[int | None, ...] | None:
    size = len(body)
    found: list[int | None] = []
    for symbol in symbols:
        if symbol == 0:
            found.append(None)
            continue
        if symbol == 1:
            if at >= size:
                return None
            time += body[at]
            at += 1
        elif symbol == 2:
            if at + 2 > size:
                return None
            delta = body[at] << 8 | body[at + 1]
            time += delta - 0x10000 if delta & 0x8000 else delta
            at += 2
        else:
            return None  # reserved
        found.append(time)
    return tuple(found)


_read: Callable[[bytes], _Fields | None] = _python


def use(module: Any | None) -> None:
    """Take the reader of the compiled plane, or this one for None."""
    global _read
    _read = _python if module is None else module.read_feedback
