# SPDX-License-Identifier: Apache-2.0
"""Transport-wide feedback to a publisher (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each packet came.

A publisher that negotiated it and gets none sinks to a crawl, so the first feedback goes out with the first packets.
`TwccReceiver` is the reference; the compiled plane has one that does the same in C (native/arrivals.c), which `use`
puts here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Protocol

from mediaserver.rtp.seqnum import unwrap16

INTERVAL_S = 0.05
MAX_PACKETS = 512
"""Status symbols in one feedback packet."""
MAX_PENDING = 4096
"""Arrivals kept between two feedbacks; more are dropped from the oldest, which then reads as loss."""
TICKS_PER_S = 4000
"""Arrival times count in 250 us."""
_TICKS_PER_REFERENCE = 256
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2


class Arrivals(Protocol):
    """See TwccReceiver."""

    @property
    def expected(self) -> int:
        """See TwccReceiver."""

    @property
    def came(self) -> int:
        """See TwccReceiver."""

    @property
    def pending(self) -> dict[int, int]:
        """See TwccReceiver."""

    def arrived(self, sequence_number: int, now: float, /) -> None:
        """See TwccReceiver."""

    def feedback(self, sender_ssrc: int, media_ssrc: int, *, gaps: bool = True) -> list[bytes]:
        """See TwccReceiver."""


class TwccReceiver:
    """Arrival times of one transport's packets until they are reported."""

    __slots__ = ("_arrivals", "_count", "_highest", "_reported", "came", "expected")

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}  # extended number -> tick of 250 us
        self._highest: int | None = None
        self._reported: int | None = None
        self._count = 0
        self.expected = self.came = 0
        """Packets that the publisher sent and that came, as far as they were reported."""

    def arrived(self, sequence_number: int, now: float) -> None:
        """The packet with this transport-wide number (16 bit) came at `now`."""
        highest = self._highest
        if highest is None or sequence_number == highest + 1 & 0xFFFF:
            self._highest = extended = sequence_number if highest is None else highest + 1
        else:
            extended = unwrap16(sequence_number, highest)
            self._highest = max(highest, extended)
        arrivals = self._arrivals
        if len(arrivals) >= MAX_PENDING:
            del arrivals[min(arrivals)]
        if extended not in arrivals:
            arrivals[extended] = int(now * TICKS_PER_S)

    @property
    def pending(self) -> dict[int, int]:
        """What is to be reported: by extended number, the time in ticks."""
        return dict(self._arrivals)

    def feedback(self, sender_ssrc: int, media_ssrc: int, *, gaps: bool = True) -> list[bytes]:
        """RTCP packets that report everything that came since the last call; empty when nothing did. Without `gaps`
        they say nothing of what did not come in between, neither way."""
        packets = []
        pending, at = sorted(self._arrivals), 0
        if pending:
            self.came += len(pending)
            self.expected += max(0, pending[-1] - (pending[0] - 1 if self._reported is None else self._reported))
        while at < len(pending):
            packet, at = self._one(pending, at, sender_ssrc, media_ssrc, gaps)
            packets.append(packet)
        self._arrivals.clear()
        return packets

    def _one(self, pending: list[int], at: int, sender_ssrc: int, media_ssrc: int, gaps: bool) -> tuple[bytes, int]:
        """One packet that reports from `pending[at]` on, and where the next one begins."""
        first = pending[at]
        base = first
        if gaps and self._reported is not None and 0 < first - self._reported - 1 < MAX_PACKETS // 2:
            base = self._reported + 1
        reference = self._arrivals[first] // _TICKS_PER_REFERENCE
        previous = reference * _TICKS_PER_REFERENCE
        symbols: list[int] = []
        deltas = bytearray()
        while at < len(pending):
            number = pending[at]
            if number - base >= MAX_PACKETS or (not gaps and number - base > len(symbols)):
                break
            delta = self._arrivals[number] - previous
            if not -32768 <= delta <= 32767:
                break
            symbols += [_NOT_RECEIVED] * (number - base - len(symbols))
            small = 0 <= delta <= 255
            symbols.append(_SMALL if small else _LARGE)
            deltas += bytes([delta]) if small else struct.pack("!h", delta)
            previous = self._arrivals[number]
            at += 1
        last = base + len(symbols) - 1
        self._reported = last if self._reported is None else max(self._reported, last)
        body = struct.pack(
            "!IIHHI",
            sender_ssrc,
            media_ssrc,
            base & 0xFFFF,
            len(symbols),
            (reference & 0xFFFFFF) << 8 | self._count & 0xFF,
        )
        self._count += 1
        body += _chunks(symbols) + bytes(deltas)
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes([padding])
        return struct.pack("!BBH", 0x80 | (0x20 if padding else 0) | 15, 205, len(body) // 4) + body, at


def _chunks(symbols: list[int]) -> bytes:
    """Run-length chunks for runs of seven and more, two-bit vectors of seven for the rest (section 3.1.3, 3.1.4)."""
    out = bytearray()
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < 0x1FFF:
            run += 1
        if run >= 7 or at + run == len(symbols):
            out += struct.pack("!H", symbols[at] << 13 | run)
            at += run
            continue
        word = 0xC000
        for index, symbol in enumerate(symbols[at : at + 7]):
            word |= symbol << (12 - 2 * index)
        out += struct.pack("!H", word)
        at += 7
    return bytes(out)


_make: Callable[[], Arrivals] = TwccReceiver


def make() -> Arrivals:
    """One of the plane in use."""
    return _make()


def use(module: Any | None) -> None:
    """Take the compiled one, or this one for None; those that are made already stay what they are."""
    global _make
    _make = TwccReceiver if module is None else module.TwccReceiver
