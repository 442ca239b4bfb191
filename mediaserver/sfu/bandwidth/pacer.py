# SPDX-License-Identifier: Apache-2.0
"""Spreads bursts to one receiver: a key frame sent at once would fill the queue of a narrow link and push sound out.

A leaky bucket. What finds it nearly empty leaves at once and costs a comparison and an addition; only the rest of a
burst waits. Sound never waits, it only fills the bucket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")

BURST_S = 0.02
"""This much of the pacing rate may leave at once: an ordinary frame."""
MAX_WAIT_S = 0.5
MAX_QUEUED = 512
"""Drop rule: when the wait would pass MAX_WAIT_S or the queue MAX_QUEUED, the oldest waiting packets of the least
important kind go first: padding, then picture, then repairs. A late picture is worth less than the one after it, and
what was dropped is still in the ring when the receiver asks for it."""


class Kind(IntEnum):
    """Order of leaving when packets wait."""

    AUDIO = 0
    REPAIR = 1
    VIDEO = 2
    PADDING = 3


class Pacer(Generic[T]):
    """The queue of one receiver."""

    __slots__ = ("_byte_s", "_bytes", "_count", "_full_until", "_queues", "dropped", "waited")

    def __init__(self, rate_bps: float) -> None:
        self.dropped = 0
        self.waited = 0
        self._byte_s = 8 / rate_bps
        self._full_until = 0.0  # when the bucket will have run empty
        self._queues: tuple[deque[tuple[T, int]], ...] = (deque(), deque(), deque(), deque())
        self._bytes = 0
        self._count = 0

    @property
    def waiting(self) -> bool:
        """Packets wait."""
        return self._count > 0

    def set_rate(self, rate_bps: float) -> None:
        """Bits per second from now on."""
        self._byte_s = 8 / rate_bps

    def passes(self, size: int, kind: Kind, now: float) -> bool:
        """True when a packet of `size` bytes may leave at once (and counts as sent); else it is to be queued."""
        full = self._full_until
        if kind and (self._count or now < full - BURST_S):
            return False
        full = (full if full > now else now) + size * self._byte_s
        most = now + MAX_WAIT_S  # a flood of sound holds pictures up no longer than that
        self._full_until = full if full < most else most
        return True

    def passes_whole(self, size_bytes: int, last_bytes: int, now: float) -> bool:
        """True when pictures of so many bytes together, of which the last has `last_bytes`, may all leave at once, as
        `passes` would say of each (and count as sent); else nothing is counted."""
        full = self._full_until
        if full < now:
            full = now
        if self._count or now < full + (size_bytes - last_bytes) * self._byte_s - BURST_S:
            return False
        full += size_bytes * self._byte_s
        most = now + MAX_WAIT_S
        self._full_until = full if full < most else most
        return True

    def queue(self, packet: T, size: int, kind: Kind) -> int:
        """Keep a packet until its turn; how many had to be given up for it."""
        before = self.dropped
        self._queues[kind].append((packet, size))
        self._bytes += size
        self._count += 1
        self.waited += 1
        while self._count > MAX_QUEUED or self._bytes * self._byte_s > MAX_WAIT_S:
            self._drop()
        return self.dropped - before

    def _drop(self) -> None:
        for queue in reversed(self._queues):
            if queue:
                self._take(queue)
                self.dropped += 1
                return

    def _take(self, queue: deque[tuple[T, int]]) -> tuple[T, int]:
        packet, size = queue.popleft()
        self._bytes -= size
        self._count -= 1
        return packet, size

    def due(self, now: float) -> list[T]:
        """Packets whose turn has come, in the order to send them."""
        out: list[T] = []
        while self._count and now >= self._full_until - BURST_S:
            queue = next(queue for queue in self._queues if queue)
            packet, size = self._take(queue)
            self._full_until = max(self._full_until, now) + size * self._byte_s
            out.append(packet)
        return out

    def next_deadline(self) -> float | None:
        """When the next packet may leave; None when none waits."""
        return self._full_until - BURST_S if self._count else None

    def drop_if(self, unwanted: Callable[[T], bool]) -> int:
        """Forget what waits and is not wanted any more; how many those were."""
        before = self.dropped
        for queue in self._queues:
            for _ in range(len(queue)):
                packet, size = self._take(queue)
                if unwanted(packet):
                    self.dropped += 1
                else:
                    queue.append((packet, size))
                    self._bytes += size
                    self._count += 1
        return self.dropped - before

    def clear(self) -> None:
        """Forget what waits: the receiver is gone or starts anew."""
        for queue in self._queues:
            queue.clear()
        self._bytes = self._count = 0
