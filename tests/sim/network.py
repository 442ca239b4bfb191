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
    burst: float = 1.0
    """Losses come in runs of this many on average (Gilbert's model); 1: each by itself."""
    duplicate: float = 0.0
    delay_s: float = 0.02
    jitter_s: float = 0.0
    """Up to this much is added at random: more than a packet's spacing reorders."""
    rate_bps: float = 0.0
    """0: as wide as one likes. May be changed while packets are on their way."""
    queue_s: float = 0.3
    """What would wait longer than this for a narrow link is dropped (tail drop)."""
    up: bool = True
    """False: everything is lost."""
    overflowed: int = 0
    delivered: int = 0
    lost: int = 0
    _queue: list[tuple[float, int, bytes]] = field(default_factory=list)
    _count: int = 0
    _busy_until: float = 0.0
    _losing: bool = False
    _drop: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def send(self, packet: bytes, now: float) -> None:
        """Hand a packet to the network."""
        if self._drop:
            self._drop -= 1
            self.lost += 1
            return
        if self._is_lost() or not self.up:
            self.lost += 1
            return
        waits = self._waits(len(packet), now)
        if waits is None:
            self.overflowed += 1
            return
        for _ in range(2 if self._random.random() < self.duplicate else 1):
            self._count += 1
            at = now + waits + self.delay_s + self._random.random() * self.jitter_s
            heapq.heappush(self._queue, (at, self._count, packet))

    def _is_lost(self) -> bool:
        chance = self._random.random()
        if self.burst <= 1:
            return chance < self.loss
        stays = 1 - 1 / self.burst
        begins = self.loss * (1 - stays) / (1 - self.loss)
        self._losing = chance < (stays if self._losing else begins)
        return self._losing

    def _waits(self, size: int, now: float) -> float | None:
        """Seconds in the queue and on the wire, None when the queue is full."""
        if not self.rate_bps:
            return 0.0
        waits = max(0.0, self._busy_until - now)
        if waits > self.queue_s:
            return None
        self._busy_until = now + waits + size * 8 / self.rate_bps
        return self._busy_until - now

    def drop_next(self, packets: int) -> None:
        """Lose this many packets in a row."""
        self._drop = packets

    def forget(self) -> None:
        """Lose everything that is on its way."""
        self.lost += len(self._queue)
        self._queue.clear()

    def due(self, now: float) -> list[bytes]:
        """Packets that have arrived by `now`, in order of arrival."""
        return [packet for _, packet in self.arrivals(now)]

    def arrivals(self, now: float) -> list[tuple[float, bytes]]:
        """The same, each with the time at which it arrived."""
        out = []
        while self._queue and self._queue[0][0] <= now:
            at, _, packet = heapq.heappop(self._queue)
            out.append((at, packet))
            self.delivered += 1
        return out


class Sealed:
    """What left under an index of a stream. Under AES-GCM and AES-CM two contents under one index give both away
    (RFC 7714 section 8.4, RFC 3711 section 9.1), so a packet that goes out again must be the same to the last bit.

    For fewer than 65,536 packets of a stream, because it does not count how often the numbers wrapped.
    """

    def __init__(self) -> None:
        self._left: dict[bytes, bytes] = {}

    def leaves(self, packet: bytes) -> None:
        """Raises AssertionError where another packet left under that number."""
        index = packet[2:4] + packet[8:12]
        assert self._left.setdefault(index, packet) == packet, "two packets under one index"
