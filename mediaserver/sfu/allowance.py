# SPDX-License-Identifier: Apache-2.0
"""How much one stream, and one peer, may send: a token bucket of packets and of bits. A flood ends here.

The limits are several times what a browser sends, so that they only meet who floods. A packet over them is dropped as
it comes, as a full link would do: it is counted, is in no transport-wide feedback, so that its sender counts it lost,
and costs the bucket nothing. The compiled plane has the bucket in C (native/allowance.c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """Packets and bits (of RTP or RTCP packets in clear, headers included) in a second."""

    packets_per_s: int
    bits_per_s: int


BURST_S: Final = 2
"""A full bucket holds so many seconds' worth: what a link held back, or the key frame of a screen, passes at once."""
STREAM: Final = {"audio": Rate(200, 1_000_000), "video": Rate(2_500, 16_000_000)}
"""Of one SSRC with its retransmissions. Sound: browsers send 50 packets in a second, 100 with frames of 10 ms; Opus has
at most 510 kbit/s, RED doubles 256 kbit/s of music. Pictures: our pages send 2.5 Mbit/s, encoders and cameras 4 to 12.
"""
PEER: Final = Rate(5_000, 32_000_000)
"""Of all that one peer sends, RTCP and what belongs to no stream included."""


class Bucket(Protocol):
    """What both planes have."""

    @property
    def refused(self) -> int:
        """Packets that were over the limit."""

    def take(self, size_bytes: int, now: float) -> bool:
        """True when a packet may pass; it is then paid for."""


class Allowance:
    """The bucket in Python. It is full at first."""

    __slots__ = (
        "_at",
        "_bytes",
        "_bytes_per_s",
        "_most_bytes",
        "_most_packets",
        "_packets",
        "_packets_per_s",
        "refused",
    )

    def __init__(self, packets_per_s: int, bits_per_s: int) -> None:
        self._packets_per_s, self._bytes_per_s = float(packets_per_s), bits_per_s / 8
        self._most_packets, self._most_bytes = self._packets_per_s * BURST_S, self._bytes_per_s * BURST_S
        self._packets, self._bytes = self._most_packets, self._most_bytes
        self._at = 0.0
        self.refused = 0

    def take(self, size_bytes: int, now: float) -> bool:
        """As Bucket says. A clock that goes back fills nothing."""
        elapsed = now - self._at
        if elapsed > 0:
            self._at = now
            packets, bytes_ = self._packets + elapsed * self._packets_per_s, self._bytes + elapsed * self._bytes_per_s
            self._packets = packets if packets < self._most_packets else self._most_packets
            self._bytes = bytes_ if bytes_ < self._most_bytes else self._most_bytes
        if self._packets < 1 or self._bytes < size_bytes:
            self.refused += 1
            return False
        self._packets -= 1
        self._bytes -= size_bytes
        return True


_make: Callable[[int, int], Bucket] = Allowance


def make(rate: Rate) -> Bucket:
    """A full bucket of the plane in use."""
    return _make(rate.packets_per_s, rate.bits_per_s)


def of_peer() -> Bucket:
    """A full bucket for all that one peer sends."""
    return make(PEER)


def use(module: Any | None) -> None:
    """Take the compiled bucket, or this one for None; those that are made already stay what they are."""
    global _make
    if module is None:
        _make = Allowance
    else:
        module.bind_allowance(BURST_S)
        _make = module.Allowance
