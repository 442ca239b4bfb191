# SPDX-License-Identifier: Apache-2.0
"""Which lost packets to ask for again, and when (generic NACK, RFC 4585 section 6.2.1)."""

from __future__ import annotations

FIRST_DELAY_S = 0.02
"""A packet that is merely late by reordering gets this long before it is asked for."""
REPEAT_GROWTH = 1.25
REPEAT_MIN_S, REPEAT_MAX_S = 0.02, 0.4
DEFAULT_RTT_S = 0.1
MAX_TRIES = 10
MAX_AGE_S = 1.5
"""After this the packet is of no use to a receiver's jitter buffer; the gap stays."""
MAX_MISSING = 500
"""More missing at once is an outage, not loss: a key frame repairs it more cheaply."""


class NackGenerator:
    """Missing extended sequence numbers of one stream."""

    def __init__(self) -> None:
        self._missing: dict[int, list[float]] = {}  # number -> [first seen missing, tries, next at]
        self.requested = 0
        """NACKed numbers in all, repeats counted."""
        self.repaired = 0
        self.given_up = 0

    def gap(self, first: int, last: int, now: float) -> bool:
        """Numbers first..last did not come in order. False when that is too much to repair: all are given up."""
        if last - first + 1 + len(self._missing) > MAX_MISSING:
            self.given_up += last - first + 1 + len(self._missing)
            self._missing.clear()
            return False
        for number in range(first, last + 1):
            self._missing[number] = [now, 0, now + FIRST_DELAY_S]
        return True

    def arrived(self, number: int) -> None:
        """A number came after all."""
        entry = self._missing.pop(number, None)
        if entry is not None and entry[1]:
            self.repaired += 1

    def due(self, now: float, rtt_s: float = DEFAULT_RTT_S) -> list[int]:
        """Numbers to ask for now, rising. Each repeat waits the round trip times 1.25 to the power of its tries."""
        asked: list[int] = []
        for number, entry in list(self._missing.items()):
            if entry[1] >= MAX_TRIES or now - entry[0] > MAX_AGE_S:
                del self._missing[number]
                self.given_up += 1
            elif entry[2] <= now:
                wait = min(REPEAT_MAX_S, max(REPEAT_MIN_S, rtt_s * REPEAT_GROWTH ** entry[1]))
                entry[1] += 1
                entry[2] = now + wait
                asked.append(number)
        self.requested += len(asked)
        return sorted(asked)

    def __len__(self) -> int:
        return len(self._missing)
