# SPDX-License-Identifier: Apache-2.0
"""The estimate for a receiver without transport-wide feedback: loss and round trip of its reports, and its REMB."""

from __future__ import annotations

from collections import deque

from mediaserver.sfu.bandwidth.rates import CEILING_BPS, FLOOR_BPS

LOW_LOSS, HIGH_LOSS = 0.02, 0.10
GROWTH, GROWTH_BPS = 1.08, 1_000
GROWTH_LIMIT = 1.5
"""Past this multiple of what is really sent nothing was tried, so nothing is believed."""
DECREASE_EVERY_S, INCREASE_EVERY_S = 0.3, 1.0
QUEUE_S = 0.05
"""A round trip this far above the least of the last half minute means a queue: then loss is a full link."""
RTT_REMEMBERED_S = 30.0
REMB_VALID_S = 8.0


class ReportedRate:
    """Like libwebrtc's and Galene's loss control, but loss at a flat round trip up to twice HIGH_LOSS only holds."""

    def __init__(self, start_bps: float, now: float) -> None:
        self.loss = 0.0
        self._rate = start_bps
        self._remb: tuple[float, float] | None = None
        self._increased = self._decreased = now
        self._rtts: deque[tuple[float, float]] = deque()

    def remb(self, bps: float, now: float) -> None:
        """The receiver's own estimate."""
        self._remb = max(FLOOR_BPS, bps), now
        if bps > self._rate:
            self._rate = min(CEILING_BPS, bps)  # the receiver measured delay, which we cannot

    def report(self, fraction_lost: float, rtt_s: float | None, sent_bps: float, now: float) -> None:
        """One receiver report; reports of several streams of one receiver may follow each other at once."""
        self.loss += 0.3 * (fraction_lost - self.loss)
        queued = self._queued(rtt_s, now)
        if fraction_lost > HIGH_LOSS and now - self._decreased >= DECREASE_EVERY_S:
            if not queued and fraction_lost <= 2 * HIGH_LOSS:
                return
            self._rate = max(FLOOR_BPS, min(self._rate, 1.2 * sent_bps) * (1 - fraction_lost / 2))
            self._decreased = now
        elif fraction_lost < LOW_LOSS and not queued and now - self._increased >= INCREASE_EVERY_S:
            self._increased = now
            limit = max(self._rate, GROWTH_LIMIT * sent_bps)
            self._rate = min(CEILING_BPS, limit, self._rate * GROWTH + GROWTH_BPS)

    def _queued(self, rtt_s: float | None, now: float) -> bool:
        if rtt_s is None:
            return False
        while self._rtts and (self._rtts[-1][1] >= rtt_s or self._rtts[0][0] < now - RTT_REMEMBERED_S):
            if self._rtts[-1][1] >= rtt_s:
                self._rtts.pop()
            else:
                self._rtts.popleft()
        self._rtts.append((now, rtt_s))
        return rtt_s > self._rtts[0][1] + QUEUE_S

    def rate_bps(self, now: float) -> float:
        """The smaller of both."""
        if self._remb is not None and now - self._remb[1] < REMB_VALID_S:
            return min(self._rate, self._remb[0])
        return self._rate
