# SPDX-License-Identifier: Apache-2.0
"""Whether the queue on the way grows (Google congestion control, draft-ietf-rmcat-gcc-02 section 5, in the trendline
form that libwebrtc uses today)."""

from __future__ import annotations

from collections import deque
from enum import Enum

GROUP_S = 0.005
"""Packets sent within this time are one group: what they were delayed by is one measurement."""
BURST_S, BURST_LIMIT_S = 0.005, 0.1
"""Arrivals this close after the previous one, earlier than their sending asks for, left a queue together."""
CLOCK_STEP_S = 3.0
WINDOW = 20
LOWEST = 2048
"""Groups that the least delay is looked for in: more than ten seconds of any honest stream."""
SMOOTHING = 0.9
GAIN, GAIN_SAMPLES = 4.0, 60
THRESHOLD_MS, THRESHOLD_MIN_MS, THRESHOLD_MAX_MS = 12.5, 6.0, 600.0
RISE, FALL = 0.0087, 0.039
OUTLIER_MS = 15.0
OVERUSE_S = 0.01


class Usage(Enum):
    """What the delay says of the link."""

    NORMAL = "normal"
    OVER = "over"
    UNDER = "under"


class Groups:
    """Packets in groups by the time of sending; gives how much longer each group took than the one before."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.first_sent = self.last_sent = self._first_arrived = self.last_arrived = 0.0
        self._previous: tuple[float, float] | None = None
        self.open = False

    def add(self, sent: float, arrived: float) -> tuple[float, float, float] | None:
        """(send gap, arrival gap, arrival) of the group before, in seconds, once a new group begins."""
        if not self.open:
            self._begin(sent, arrived)
            return None
        if sent < self.first_sent:
            return None
        if sent - self.first_sent <= GROUP_S or self._is_burst(sent, arrived):
            self.last_sent = max(self.last_sent, sent)
            self.last_arrived = max(self.last_arrived, arrived)
            return None
        found = self._close()
        if self.open:
            self._previous = self.last_sent, self.last_arrived
        self._begin(sent, arrived)
        return found

    def _is_burst(self, sent: float, arrived: float) -> bool:
        gap = arrived - self.last_arrived
        earlier = gap - (sent - self.last_sent) < 0
        return earlier and gap <= BURST_S and arrived - self._first_arrived < BURST_LIMIT_S

    def _begin(self, sent: float, arrived: float) -> None:
        self.first_sent = self.last_sent = sent
        self._first_arrived = self.last_arrived = arrived
        self.open = True

    def _close(self) -> tuple[float, float, float] | None:
        if self._previous is None:
            return None
        send_gap = self.last_sent - self._previous[0]
        arrival_gap = self.last_arrived - self._previous[1]
        if abs(arrival_gap - send_gap) > CLOCK_STEP_S:
            self._reset()
            return None
        return send_gap, arrival_gap, self.last_arrived  # negative when reordered: leaving it out would add up


class Trendline:
    """Slope of the smoothed delay over the last groups, against a threshold that follows the link's own jitter."""

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.queue_ms = 0.0
        """How far the delay lies above its least of the last window, a hint of the queue."""
        self._samples: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._count = 0
        self._first_arrival: float | None = None
        self._accumulated = self._smoothed = 0.0
        self._lowest: deque[tuple[float, float]] = deque(maxlen=LOWEST)
        self._threshold = THRESHOLD_MS
        self._updated: float | None = None
        self._over_s = -1.0
        self._over_count = 0
        self._slope = 0.0

    def add(self, send_gap: float, arrival_gap: float, arrived: float) -> Usage:
        """One measurement of Groups."""
        if self._first_arrival is None:
            self._first_arrival = arrived
        self._count = min(self._count + 1, 1000)
        self._accumulated += (arrival_gap - send_gap) * 1000
        self._smoothed = SMOOTHING * self._smoothed + (1 - SMOOTHING) * self._accumulated
        self._note_queue(arrived)
        self._samples.append(((arrived - self._first_arrival) * 1000, self._smoothed))
        slope = _slope(self._samples) if len(self._samples) == WINDOW else self._slope
        self._detect(slope, send_gap, arrived)
        return self.usage

    def _note_queue(self, arrived: float) -> None:
        lowest = self._lowest
        while lowest and lowest[-1][1] >= self._smoothed:
            lowest.pop()
        lowest.append((arrived, self._smoothed))
        while lowest[0][0] < arrived - 10.0:
            lowest.popleft()
        self.queue_ms = self._smoothed - lowest[0][1]

    def _detect(self, slope: float, send_gap: float, arrived: float) -> None:
        if self._count < 2:
            return
        trend = min(self._count, GAIN_SAMPLES) * slope * GAIN
        if trend > self._threshold:
            self._over_s = send_gap / 2 if self._over_s < 0 else self._over_s + send_gap
            self._over_count += 1
            if self._over_s > OVERUSE_S and self._over_count > 1 and slope >= self._slope:
                self._over_s, self._over_count = 0.0, 0
                self.usage = Usage.OVER
        else:
            self._over_s, self._over_count = -1.0, 0
            self.usage = Usage.UNDER if trend < -self._threshold else Usage.NORMAL
        self._slope = slope
        self._adapt(abs(trend), arrived)

    def _adapt(self, trend: float, arrived: float) -> None:
        passed_ms = 0.0 if self._updated is None else min(100.0, (arrived - self._updated) * 1000)
        self._updated = arrived
        if trend > self._threshold + OUTLIER_MS:
            return  # a step of the route, not jitter
        gain = FALL if trend < self._threshold else RISE
        threshold = self._threshold + gain * (trend - self._threshold) * passed_ms
        self._threshold = min(THRESHOLD_MAX_MS, max(THRESHOLD_MIN_MS, threshold))


def _slope(samples: deque[tuple[float, float]]) -> float:
    """Least squares, milliseconds of delay for each millisecond of time."""
    first = samples[0][0]
    x_sum = y_sum = xx_sum = xy_sum = 0.0
    for x, y in samples:
        away = x - first
        x_sum += away
        y_sum += y
        xx_sum += away * away
        xy_sum += away * y
    count = len(samples)
    below = xx_sum - x_sum * x_sum / count
    return (xy_sum - x_sum * y_sum / count) / below if below > 1e-9 else 0.0


class DelayDetector:
    """Groups and trendline together."""

    def __init__(self) -> None:
        self._groups = Groups()
        self.trendline = Trendline()

    def add(self, sent: float, arrived: float) -> Usage:
        """One packet's times of sending and arrival (two clocks), in the order of numbers."""
        measured = self._groups.add(sent, arrived)
        return self.trendline.usage if measured is None else self.trendline.add(*measured)

    def add_all(self, came: list[tuple[float, float, int, int]]) -> Usage:
        """The same for everything that one feedback told (history.Outcome.received)."""
        groups = self._groups
        for sent, arrived, _, _ in came:
            if groups.open and 0 <= sent - groups.first_sent <= GROUP_S:  # as Groups.add would find
                if sent > groups.last_sent:
                    groups.last_sent = sent
                if arrived > groups.last_arrived:
                    groups.last_arrived = arrived
            elif (measured := groups.add(sent, arrived)) is not None:
                self.trendline.add(*measured)
        return self.trendline.usage
