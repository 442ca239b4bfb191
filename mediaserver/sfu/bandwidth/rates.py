# SPDX-License-Identifier: Apache-2.0
"""The rate that arrives, and the rate that may be sent as long as the queue does not grow (AIMD)."""

from __future__ import annotations

import math
from collections import deque

from mediaserver.sfu.bandwidth.delay import Usage

WINDOW_S = 0.5
BUCKET_S = 0.025
FLOOR_BPS = 50_000
"""Sound alone: there is nothing to win below."""
CEILING_BPS = 30_000_000
DECREASE = 0.85
GROWTH_PER_S = 1.08
GROWTH_LIMIT, GROWTH_LIMIT_BPS = 1.5, 10_000
"""The estimate grows no further than this past what really arrives: beyond, only a probe knows."""
LEAST_STEP_BPS = 4_000
CAPACITY_SMOOTHING = 0.05
APP_LIMITED = 0.8
"""Arrives this part of what is sent: the link carries that, and a queue may be another's or a probe's, so the estimate
sinks in steps,"""
APP_LIMITED_PAUSE_S = 0.2
"""each after this time."""


class ArrivedRate:
    """Bits per second over the last half second of arrivals."""

    def __init__(self) -> None:
        self._buckets: deque[list[float]] = deque()
        self._bytes = 0.0
        self._first: float | None = None

    def add(self, at: float, size: int) -> None:
        """`size` bytes came at `at`; late ones are put with the newest."""
        if self._first is None:
            self._first = at
        buckets = self._buckets
        if not buckets or at - buckets[-1][0] >= BUCKET_S:
            if buckets and at - buckets[-1][0] > 2 * WINDOW_S:  # silence: what comes now is a new stream
                buckets.clear()
                self._bytes = 0.0
                self._first = at
            buckets.append([at, 0.0])
        buckets[-1][1] += size
        self._bytes += size
        while buckets[0][0] < at - WINDOW_S:
            self._bytes -= buckets.popleft()[1]

    def add_all(self, came: list[tuple[float, float, int, int]]) -> None:
        """The same for everything that one feedback told (history.Outcome.received)."""
        buckets, latest, size_sum = self._buckets, -math.inf, 0
        begun = buckets[-1][0] if buckets else -math.inf
        for _, at, size, _ in came:
            if at - begun < BUCKET_S:
                size_sum += size
                if at > latest:
                    latest = at
                continue
            if size_sum:
                buckets[-1][1] += size_sum
                self._bytes += size_sum
                size_sum = 0
            self.add(at, size)
            begun = buckets[-1][0]
        if size_sum:
            buckets[-1][1] += size_sum
            self._bytes += size_sum
        while buckets and buckets[0][0] < latest - WINDOW_S:
            self._bytes -= buckets.popleft()[1]

    def bps(self) -> float | None:
        """None until a third of the window has passed."""
        if self._first is None or not self._buckets:
            return None
        span = min(WINDOW_S, self._buckets[-1][0] - self._first)
        return self._bytes * 8 / span if span >= WINDOW_S / 3 else None


class Aimd:
    """Down at once to what the link carried, up again slowly; near the link's known capacity more slowly."""

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = start_bps
        self._capacity: float | None = None
        self._deviation = 0.4
        self._updated: float | None = None
        self._decreased: float | None = None
        self._held = False
        self.last_overuse_s: float | None = None

    def update(self, usage: Usage, arrived_bps: float | None, sent_bps: float, rtt_s: float, now: float) -> None:
        """What the delay said at `now`."""
        passed = 0.0 if self._updated is None else min(1.0, now - self._updated)
        self._updated = now
        if usage is Usage.OVER:
            self.last_overuse_s = now
            self._held = True
            self._decrease(arrived_bps, sent_bps, rtt_s, now)
        elif usage is Usage.UNDER:
            self._held = True  # the queue empties: wait
        elif self._held:
            self._held = False
        else:
            self._increase(arrived_bps, rtt_s, passed)

    def _decrease(self, arrived_bps: float | None, sent_bps: float, rtt_s: float, now: float) -> None:
        if arrived_bps is None:
            return
        pause = min(0.2, max(0.01, rtt_s))
        recent = self._decreased is not None and now - self._decreased < pause
        if recent and arrived_bps > self.rate_bps / 2:
            return
        target = DECREASE * arrived_bps
        if arrived_bps > APP_LIMITED * sent_bps:
            if self._decreased is not None and now - self._decreased < APP_LIMITED_PAUSE_S:
                return
            target = max(target, DECREASE * self.rate_bps)
        else:
            self._learn_capacity(arrived_bps)
        self.rate_bps = max(FLOOR_BPS, min(self.rate_bps, target))
        self._decreased = now

    def _learn_capacity(self, arrived_bps: float) -> None:
        sample = arrived_bps / 1000
        if self._capacity is not None and abs(sample - self._capacity) > 3 * math.sqrt(
            self._deviation * self._capacity
        ):
            self._capacity = None
        if self._capacity is None:
            self._capacity, self._deviation = sample, 0.4
            return
        self._capacity += CAPACITY_SMOOTHING * (sample - self._capacity)
        error = sample - self._capacity
        spread = (1 - CAPACITY_SMOOTHING) * self._deviation + CAPACITY_SMOOTHING * error * error / self._capacity
        self._deviation = min(2.5, max(0.4, spread))

    def _increase(self, arrived_bps: float | None, rtt_s: float, passed: float) -> None:
        if arrived_bps is None:
            return
        limit = GROWTH_LIMIT * arrived_bps + GROWTH_LIMIT_BPS
        if self.rate_bps >= limit:
            return
        if self._near_capacity():
            response = 2 * (rtt_s + 0.1)
            frame = self.rate_bps / 8 / 30
            packet_bits = frame / max(1.0, round(frame / 1200)) * 8
            step = max(LEAST_STEP_BPS, packet_bits / response) * passed
        else:
            step = max(1_000.0 * passed, self.rate_bps * (GROWTH_PER_S**passed - 1))
        self.rate_bps = min(limit, self.rate_bps + step, CEILING_BPS)

    def _near_capacity(self) -> bool:
        if self._capacity is None:
            return False
        kbps, spread = self.rate_bps / 1000, 3 * math.sqrt(self._deviation * self._capacity)
        if kbps > self._capacity + spread:
            self._capacity = None
            return False
        return kbps > self._capacity - spread

    def set_rate(self, bps: float) -> None:
        """A probe or a limit from elsewhere knows better."""
        self.rate_bps = min(CEILING_BPS, max(FLOOR_BPS, bps))
