# SPDX-License-Identifier: Apache-2.0
"""The session clock: where an RTP time lies in the recording. PURE.

While an epoch runs, its first packet's arrival fixes the mapping, and the files carry that (`EpochScale`). At the seal
two robust regressions over the Sender Reports (RFC 3550 section 6.4.1) tell how far that was off: RTP time against the
publisher's NTP clock, which both of its tracks share (so lip sync comes out exact), and that clock against the arrival
at the server, of which the least delayed reports count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import NamedTuple

MAX_RATE_PPM = 1_000.0
"""No sound card and no clock is further off; a steeper line is no line."""
RATE_SPAN_MS = 20_000.0
"""Reports over a shorter time tell an offset, not a rate."""
DELAY_SPAN_MS = 60_000.0
"""The same for the network's delay, which is noisier."""
_LEAST_TOLERANCE_MS = 5.0
_SLOPE_POINTS = 120
_DELAY_BUCKETS = 24
_TRUSTED_SHARE = 0.7
"""Share of reports that must agree on one line; below it the publisher's clock was changed and is not used."""


class Report(NamedTuple):
    """One Sender Report: the publisher's clock, its extended RTP time, and its arrival on the session clock."""

    ntp_ms: float
    rtp_time: int
    arrival_ms: float


@dataclass(frozen=True, slots=True)
class EpochScale:
    """The mapping that one epoch's files carry."""

    origin_ms: int
    rtp_origin: int
    clock_rate: int

    def pts_ms(self, rtp_time: int) -> int:
        """Time stamp in the file of an extended RTP time, never below 0."""
        return max(0, round(self.exact_ms(rtp_time)))

    def exact_ms(self, rtp_time: int) -> float:
        """The same, not rounded; may be negative."""
        return self.origin_ms + (rtp_time - self.rtp_origin) * 1000 / self.clock_rate


@dataclass(frozen=True, slots=True)
class Fit:
    """What the regression found: session time is `pts + offset + rate * (pts - epoch origin)`."""

    offset_ms: float = 0.0
    rate_ppm: float = 0.0
    sender_reports: int = 0
    """Reports that agreed; 0 when there was nothing to fit."""


class _Line(NamedTuple):
    x0: float
    y0: float
    slope: float
    used: int

    def at(self, x: float) -> float:
        return self.y0 + self.slope * (x - self.x0)


def fit(scale: EpochScale, reports: Sequence[Report], peer: Sequence[Report] = ()) -> Fit:
    """Fit one epoch. `peer` are the reports of all of the publisher's tracks during the epoch, this one's included."""
    if not reports:
        return Fit()
    points = [(scale.exact_ms(report.rtp_time), report.ntp_ms) for report in reports]
    sender = _line(points, RATE_SPAN_MS)
    if sender is not None and sender.used >= _TRUSTED_SHARE * len(points):
        server = _earliest([(report.ntp_ms, report.arrival_ms) for report in peer or reports])
        if server is not None:
            return _fit(scale, server.at(sender.at(scale.origin_ms)), sender.slope * server.slope, sender.used)
    # The publisher's clock is of no use: what arrived when is left, and is good to the network's jitter.
    direct = _earliest([(scale.exact_ms(report.rtp_time), report.arrival_ms) for report in reports])
    return Fit() if direct is None else _fit(scale, direct.at(scale.origin_ms), direct.slope, direct.used)


def _fit(scale: EpochScale, session_ms: float, slope: float, used: int) -> Fit:
    return Fit(round(session_ms - scale.origin_ms, 6), round((slope - 1) * 1e6, 6), used)


def _line(points: list[tuple[float, float]], rate_span_ms: float) -> _Line | None:
    """A line that at most three in ten points may be off; None when they lie on none."""
    if not points:
        return None
    x0 = points[0][0]
    slope = _slope(points, rate_span_ms)
    if slope is None:
        return None
    offsets = [y - x0 - slope * (x - x0) for x, y in points]
    middle = median(offsets)
    spread = median([abs(offset - middle) for offset in offsets])
    tolerance = max(_LEAST_TOLERANCE_MS, 4 * 1.4826 * spread)
    near = [point for point, offset in zip(points, offsets, strict=True) if abs(offset - middle) <= tolerance]
    if len(near) > 2 and near[-1][0] - near[0][0] >= rate_span_ms:
        slope = _least_squares(near)
        if abs(slope - 1) * 1e6 > MAX_RATE_PPM:
            return None
    y0 = x0 + median([y - x0 - slope * (x - x0) for x, y in near])
    return _Line(x0, y0, slope, len(near))


def _earliest(points: list[tuple[float, float]]) -> _Line | None:
    """A line under the points: that of the least delayed. A tenth of them may lie below it, being wrong."""
    points = sorted(point for point in points if all(map(math.isfinite, point)))
    if not points:
        return None
    width = (points[-1][0] - points[0][0]) / _DELAY_BUCKETS or 1.0
    least: dict[int, tuple[float, float]] = {}
    for x, y in points:
        bucket = int((x - points[0][0]) / width)
        if bucket not in least or y - x < least[bucket][1] - least[bucket][0]:
            least[bucket] = (x, y)
    slope = _slope(list(least.values()), DELAY_SPAN_MS)
    if slope is None:
        slope = 1.0
    x0 = points[0][0]
    delays = sorted(y - x0 - slope * (x - x0) for x, y in points)
    return _Line(x0, x0 + delays[len(delays) // 10], slope, len(points))


def _slope(points: list[tuple[float, float]], rate_span_ms: float) -> float | None:
    """Median slope of pairs that lie far apart (Theil and Sen); 1 over a short time, None when it is no clock's."""
    span = points[-1][0] - points[0][0]
    if span < rate_span_ms or len(points) < 3:
        return 1.0
    step = -(-len(points) // _SLOPE_POINTS)
    chosen = points[::step]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(chosen, 2) if b[0] - a[0] >= span / 3]
    slope = median(slopes) if slopes else 1.0
    return slope if abs(slope - 1) * 1e6 <= MAX_RATE_PPM else None


def _least_squares(points: list[tuple[float, float]]) -> float:
    x0, y0 = points[0]
    mean_x = sum(x - x0 for x, _ in points) / len(points)
    mean_y = sum(y - y0 for _, y in points) / len(points)
    above = sum((x - x0 - mean_x) * (y - y0 - mean_y) for x, y in points)
    below = sum((x - x0 - mean_x) ** 2 for x, _ in points)
    return above / below if below else 1.0
