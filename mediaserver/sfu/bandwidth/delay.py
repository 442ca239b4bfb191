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
FAR_MS, LEAST_SPREAD = 10_000.0, 1e-9
"""Further from where they are counted from, times are too large for sums of squares."""
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


NORMAL, UNDER = Usage.NORMAL, Usage.UNDER
"""At hand: to find a member of an enumeration costs as much as what it is for."""


class Groups:
    """Packets in groups by the time of sending; gives how much longer each group took than the one before."""

    def __init__(self) -> None:
        self.first_sent = self.last_sent = self._first_arrived = self.last_arrived = 0.0
        self._previous_sent: float | None = None
        self._previous_arrived = 0.0
        self.open = False

    def add(self, sent: float, arrived: float) -> tuple[float, float, float] | None:
        """(send gap, arrival gap, arrival) of the group before, in seconds, once a new group begins. One flat piece:
        it runs for nearly every packet."""
        last_sent, last_arrived = self.last_sent, self.last_arrived
        if not self.open:
            self.open = True
            self.first_sent = self.last_sent = sent
            self._first_arrived = self.last_arrived = arrived
            return None
        if sent < self.first_sent:
            return None
        gap = arrived - last_arrived
        if sent - self.first_sent <= GROUP_S or (
            gap <= BURST_S and gap - (sent - last_sent) < 0 and arrived - self._first_arrived < BURST_LIMIT_S
        ):
            if sent > last_sent:
                self.last_sent = sent
            if arrived > last_arrived:
                self.last_arrived = arrived
            return None
        self.first_sent = self.last_sent = sent
        self._first_arrived = self.last_arrived = arrived
        previous_sent, previous_arrived = self._previous_sent, self._previous_arrived
        self._previous_sent, self._previous_arrived = last_sent, last_arrived
        if previous_sent is None:
            return None
        send_gap, arrival_gap = last_sent - previous_sent, last_arrived - previous_arrived
        if not -CLOCK_STEP_S <= arrival_gap - send_gap <= CLOCK_STEP_S:
            self._previous_sent = None
            return None
        return send_gap, arrival_gap, last_arrived  # negative when reordered: leaving it out would add up


class Line:
    """Least squares over the last WINDOW points. What a point adds to the sums is taken off when it leaves; what is
    lost by rounding does not add up, as the sums are made anew after WINDOW points."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._left = 0
        """Points until the sums are made anew."""
        self._origin = 0.0
        self._x_sum = self._y_sum = self._xx_sum = self._xy_sum = 0.0

    def add(self, x: float, y: float) -> float | None:
        """The slope with this point; None while there are fewer than WINDOW. `x` grows, nearly always."""
        points = self._points
        if len(points) < WINDOW - 1:
            points.append((x, y))
            return None
        origin = self._origin
        if self._left > 0 and -FAR_MS < x - origin < FAR_MS:
            self._left -= 1
            before, its_y = points[0]
            before -= origin
            away = x - origin
            points.append((x, y))
            x_sum = self._x_sum = self._x_sum - before + away
            y_sum = self._y_sum = self._y_sum - its_y + y
            xx_sum = self._xx_sum = self._xx_sum - before * before + away * away
            xy_sum = self._xy_sum = self._xy_sum - before * its_y + away * y
        else:
            points.append((x, y))
            self._left, self._origin = WINDOW, points[0][0]
            x_sum = y_sum = xx_sum = xy_sum = 0.0
            origin = self._origin
            for each, its_y in points:
                away = each - origin
                x_sum += away
                y_sum += its_y
                xx_sum += away * away
                xy_sum += away * its_y
            self._x_sum, self._y_sum, self._xx_sum, self._xy_sum = x_sum, y_sum, xx_sum, xy_sum
        below = xx_sum - x_sum * x_sum / WINDOW
        return (xy_sum - x_sum * y_sum / WINDOW) / below if below > LEAST_SPREAD else 0.0


class Trendline:
    """Slope of the smoothed delay over the last groups, against a threshold that follows the link's own jitter."""

    def __init__(self) -> None:
        self.usage = Usage.NORMAL
        self.queue_ms = 0.0
        """How far the delay lies above its least of the last window, a hint of the queue."""
        self._line = Line()
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
        self._accumulated += (arrival_gap - send_gap) * 1000
        smoothed = self._smoothed = SMOOTHING * self._smoothed + (1 - SMOOTHING) * self._accumulated
        lowest = self._lowest
        while lowest and lowest[-1][1] >= smoothed:
            lowest.pop()
        lowest.append((arrived, smoothed))
        while lowest[0][0] < arrived - 10.0:
            lowest.popleft()
        self.queue_ms = smoothed - lowest[0][1]
        slope = self._line.add((arrived - self._first_arrival) * 1000, smoothed)
        if slope is None:
            slope = self._slope
        count = self._count
        if count < GAIN_SAMPLES:
            count = self._count = count + 1
            if count < 2:
                return self.usage
        trend, threshold = count * slope * GAIN, self._threshold
        if trend > threshold:
            self._note_over(slope, send_gap)
        else:
            self._over_s, self._over_count = -1.0, 0
            self.usage = UNDER if trend < -threshold else NORMAL
        self._slope = slope
        if trend < 0:
            trend = -trend
        updated, self._updated = self._updated, arrived
        if updated is None or trend > threshold + OUTLIER_MS:
            return self.usage  # a step of the route, not jitter
        passed_ms = (arrived - updated) * 1000
        if passed_ms > 100.0:
            passed_ms = 100.0
        threshold += (FALL if trend < threshold else RISE) * (trend - threshold) * passed_ms
        if threshold < THRESHOLD_MIN_MS:
            threshold = THRESHOLD_MIN_MS
        self._threshold = threshold if threshold < THRESHOLD_MAX_MS else THRESHOLD_MAX_MS
        return self.usage

    def _note_over(self, slope: float, send_gap: float) -> None:
        self._over_s = send_gap / 2 if self._over_s < 0 else self._over_s + send_gap
        self._over_count += 1
        if self._over_s > OVERUSE_S and self._over_count > 1 and slope >= self._slope:
            self._over_s, self._over_count = 0.0, 0
            self.usage = Usage.OVER


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
