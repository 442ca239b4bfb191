# SPDX-License-Identifier: Apache-2.0
"""One direction of a bad link: a token-bucket rate with a tail-drop queue, seeded random loss, and a fixed delay."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, fields


@dataclass
class Conditions:
    """How bad a direction is; may be changed while it runs."""

    loss: float = 0.0
    """Share of packets that vanish."""
    delay_ms: float = 0.0
    rate_kbps: float = 0.0
    """0: as fast as it comes."""
    queue_ms: float = 300.0
    """A packet that would wait longer than this for the rate is dropped."""

    def change(self, values: dict[str, float]) -> None:
        """Take over some of the fields."""
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(name)
            setattr(self, name, value)


class Pipe:
    """Packets in, the same packets later. Times are seconds of one clock that the caller reads."""

    def __init__(self, seed: int) -> None:
        self.conditions = Conditions()
        self.counters = {"packets": 0, "bytes": 0, "lost": 0, "overflowed": 0}
        """What was put in: packets and bytes; of these lost at random and dropped by the full queue."""
        self._chance = random.Random(seed)
        self._free_at = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()

    def push(self, packet: bytes, now: float) -> None:
        """A packet enters."""
        conditions = self.conditions
        self.counters["packets"] += 1
        self.counters["bytes"] += len(packet)
        leaves = now
        if conditions.rate_kbps:
            starts = max(now, self._free_at)
            if (starts - now) * 1000 > conditions.queue_ms:
                self.counters["overflowed"] += 1
                return
            leaves = self._free_at = starts + len(packet) * 8 / (conditions.rate_kbps * 1000)
        if self._chance.random() < conditions.loss:
            self.counters["lost"] += 1
            return
        at = leaves + conditions.delay_ms / 1000
        if self._waiting and self._waiting[-1][0] > at:
            at = self._waiting[-1][0]  # a better link does not overtake what is under way
        self._waiting.append((at, packet))

    def due(self, now: float) -> list[bytes]:
        """Packets that come out by `now`, in order."""
        out = []
        while self._waiting and self._waiting[0][0] <= now:
            out.append(self._waiting.popleft()[1])
        return out

    @property
    def next_at(self) -> float | None:
        """When the next packet comes out."""
        return self._waiting[0][0] if self._waiting else None
