# SPDX-License-Identifier: Apache-2.0
"""A network in virtual time: packets go in with a time, and come out later, twice, or never, by a seed."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field


@dataclass
class Link:
    """One direction. Times in seconds."""

    seed: int
    loss: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.02
    jitter_s: float = 0.0
    """Up to this much is added at random: more than a packet's spacing reorders."""
    delivered: int = 0
    lost: int = 0
    _queue: list[tuple[float, int, bytes]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def send(self, packet: bytes, now: float) -> None:
        """Hand a packet to the network."""
        if self._random.random() < self.loss:
            self.lost += 1
            return
        for _ in range(2 if self._random.random() < self.duplicate else 1):
            self._count += 1
            at = now + self.delay_s + self._random.random() * self.jitter_s
            heapq.heappush(self._queue, (at, self._count, packet))

    def due(self, now: float) -> list[bytes]:
        """Packets that have arrived by `now`, in order of arrival."""
        out = []
        while self._queue and self._queue[0][0] <= now:
            out.append(heapq.heappop(self._queue)[2])
            self.delivered += 1
        return out
