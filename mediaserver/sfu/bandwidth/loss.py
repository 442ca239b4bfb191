# SPDX-License-Identifier: Apache-2.0
"""Whether lost packets mean a full link or a bad one.

A rural radio link loses a tenth of the packets at any rate; a policer loses what is over its limit. Both look the same
at one rate, and differ as soon as the rate varies, as that of video always does. So the last seconds of (rate, loss)
are held against a model: every packet is lost with probability `inherent`, and what is sent over `cap` is lost besides.
The cap is believed when it explains the losses clearly better than none; a delay-based estimate works beside this one.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

OBSERVATION_S, OBSERVATION_PACKETS = 0.25, 20
REMEMBERED = 20
"""Observations: five seconds."""
FADE = 0.92
QUIET = 0.02
"""Less loss than this is no reason to look."""
EVIDENCE = 8.0
"""Log-likelihood by which a cap must be better than none: losses come in bursts, so chance alone reaches some."""
DOUBTFUL = 0.25
"""Above this loss (by all that chance allows) a full link is assumed while nothing tells the two apart: to send on
would hurt it most."""
RATES_DIFFER = 1.25
CHANGE = 0.2
KNOWN_FOR_S = 30.0


@dataclass(frozen=True, slots=True)
class Observation:
    """Rate of sending and losses over a quarter of a second and more."""

    at: float
    sent_bps: float
    packets: int
    lost: int


class LossModel:
    """`cap_bps` is infinite while loss is no sign of a full link."""

    def __init__(self) -> None:
        self.cap_bps = math.inf
        self.inherent = 0.0
        self.loss = 0.0
        """Part of all packets lost over the last seconds."""
        self._known_inherent: tuple[float, float] = (0.0, -math.inf)
        self._observations: deque[Observation] = deque(maxlen=REMEMBERED)
        self._packets = self._lost = self._bytes = 0
        self._span = 0.0

    def add(self, packets: int, lost: int, size: int, span_s: float, now: float) -> None:
        """Feedback: `packets` reported, `lost` of them missing, `size` bytes sent within `span_s`. The sum of some that
        showed no loss counts as the observations that they would have made."""
        self._packets += packets
        self._lost += lost
        self._bytes += size
        self._span += span_s
        if self._span < OBSERVATION_S or self._packets < OBSERVATION_PACKETS:
            return
        rate = self._bytes * 8 / self._span
        lost_now = min(max(0, self._lost), self._packets)
        parts = 1 if lost_now else max(1, min(int(self._span / OBSERVATION_S), self._packets // OBSERVATION_PACKETS))
        self._observations.extend([Observation(now, rate, self._packets // parts, lost_now)] * parts)
        self._packets = self._lost = self._bytes = 0
        self._span = 0.0
        if not any([o.lost for o in self._observations]):
            self.cap_bps, self.inherent, self.loss = math.inf, 0.0, 0.0
            return
        self._notice_change()
        self._fit(now)

    def _notice_change(self) -> None:
        """The same rate suffers a very different loss now: what was seen before tells of another link."""
        *before, last, newest = [None, None, *self._observations][-REMEMBERED:]
        if last is None or newest is None:
            return
        rate = (last.sent_bps + newest.sent_bps) / 2
        alike = [o for o in before if o is not None and rate / RATES_DIFFER < o.sent_bps < rate * RATES_DIFFER]
        packets = sum(o.packets for o in alike)
        if not packets:
            return
        loss = (last.lost + newest.lost) / (last.packets + newest.packets)
        if abs(loss - sum(o.lost for o in alike) / packets) > CHANGE:
            self._observations = deque((last, newest), maxlen=REMEMBERED)

    def _fit(self, now: float) -> None:
        weights = [FADE**age for age in range(len(self._observations) - 1, -1, -1)]
        seen = [(o.sent_bps, w * o.packets, w * o.lost) for o, w in zip(self._observations, weights, strict=True)]
        packets = sum(n for _, n, _ in seen)
        self.loss = sum(lost for _, _, lost in seen) / packets
        if self.loss < QUIET:
            self.cap_bps, self.inherent = math.inf, self.loss
            return
        free, inherent = _likelihood(seen, math.inf)
        best, best_cap, best_inherent = free, math.inf, inherent
        for candidate in {o.sent_bps * (1 - o.lost / o.packets) / (1 - share) for o in self._observations
                          for share in (0.0, inherent) if o.lost < o.packets}:  # fmt: skip
            value, share = _likelihood(seen, candidate)
            if value > best:
                best, best_cap, best_inherent = value, candidate, share
        if best > free + EVIDENCE * _unevenness(seen, best_cap, best_inherent):
            self.cap_bps, self.inherent = best_cap, best_inherent
        elif self._doubtful(seen, inherent, now):
            newest = self._observations[-1]
            self.cap_bps = newest.sent_bps * (1 - newest.lost / newest.packets)
        else:
            self.cap_bps, self.inherent = math.inf, inherent

    def _doubtful(self, seen: list[tuple[float, float, float]], inherent: float, now: float) -> bool:
        """Much is lost, and all at about the same rate: nothing told yet whether the rate matters."""
        rates = [rate for rate, _, _ in seen[-8:]]
        if len(rates) > 2 and max(rates) > RATES_DIFFER * min(rates):
            self._known_inherent = inherent, now
            return False
        known, at = self._known_inherent
        surely = inherent - 1 / math.sqrt(sum(n for _, n, _ in seen))
        return surely > DOUBTFUL and not (now - at < KNOWN_FOR_S and inherent < known + 0.1)

    def forget(self) -> None:
        """The link is another one now (an outage, a probe that went through)."""
        self._observations.clear()
        self.cap_bps = math.inf


def _unevenness(seen: list[tuple[float, float, float]], cap_bps: float, inherent: float) -> float:
    """How much more than chance the losses scatter about the model; 1 when they come singly, more in bursts."""
    scatter = 0.0
    for rate, n, lost in seen:
        q = min(0.998, inherent + (1 - inherent) * max(0.0, 1 - cap_bps / rate))
        scatter += (lost - n * q) ** 2 / (n * q * (1 - q))
    return max(1.0, scatter / max(1, len(seen) - 2))


def _likelihood(seen: list[tuple[float, float, float]], cap_bps: float) -> tuple[float, float]:
    """(log-likelihood, inherent loss) of the losses if the link carried `cap_bps`."""
    over = [max(0.0, 1 - cap_bps / rate) for rate, _, _ in seen]
    room = sum(n * (1 - c) for (_, n, _), c in zip(seen, over, strict=True))
    excess = sum(lost - n * c for (_, n, lost), c in zip(seen, over, strict=True))
    inherent = min(0.5, max(0.002, excess / room)) if room > 0 else 0.002
    total = 0.0
    for (_, n, lost), c in zip(seen, over, strict=True):
        q = min(0.998, inherent + (1 - inherent) * c)
        total += lost * math.log(q) + (n - lost) * math.log(1 - q)
    return total, inherent
