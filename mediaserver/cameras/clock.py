# SPDX-License-Identifier: Apache-2.0
"""The clock of one camera: its time stamps on a line of our own that never jumps back, and that line on ours. PURE.

A camera counts from wherever it likes, counts anew after every reconnection and drifts. `line` begins where we are,
follows the camera's own steps, and goes on after a break as if the camera had counted through it. `now` is monotonic
seconds, given by the caller.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

JUMP_S: Final = 3.0
"""A time stamp further than this from where the clock is belongs to another count."""
STEP_S: Final = 0.001
"""Least step of a stream's line: two pictures never have one time."""
WINDOW_S: Final = 15.0
"""How long the quickest delivery counts; drift of 100 ppm moves 1.5 ms in that time."""


class CameraClock:
    """One camera, all its streams."""

    def __init__(self) -> None:
        self._shift: float | None = None
        self._shifts: dict[Hashable, float] = {}
        self._last: dict[Hashable, float] = {}
        self._lag: float | None = None
        self._earlier_lag: float | None = None
        self._window_began = 0.0
        self.jumps = 0

    def begin(self) -> None:
        """A new connection: the camera counts from elsewhere, the line goes on."""
        self._shift = None
        self._shifts.clear()

    def line(self, stream: Hashable, camera_s: float | None, now: float) -> float:
        """The stream's time on the line, always later than its last one; a missing time stamp is now."""
        time_s = now if camera_s is None else self._shifted(stream, camera_s, now)
        time_s = max(time_s, self._last.get(stream, time_s - STEP_S) + STEP_S)
        self._last[stream] = time_s
        self._observe(now - time_s, now)
        return time_s

    def _shifted(self, stream: Hashable, camera_s: float, now: float) -> float:
        if self._shift is None:
            self._shift = now - camera_s
        shift = self._shifts.setdefault(stream, self._shift)
        if abs(camera_s + shift - now) > JUMP_S:
            self.jumps += 1
            shift = self._shifts[stream] = now - camera_s
        return camera_s + shift

    def _observe(self, lag: float, now: float) -> None:
        if self._lag is None or now - self._window_began > WINDOW_S:
            self._earlier_lag, self._lag, self._window_began = self._lag, lag, now
        self._lag = min(self._lag, lag)

    def on_line(self, now: float) -> float:
        """Where the camera's line is at `now`: the quickest deliveries of late took no time."""
        known = [lag for lag in (self._lag, self._earlier_lag) if lag is not None]
        return now - min(known, default=0.0)


def rtp_time(line_s: float, clock_rate: int, offset: int) -> int:
    """RTP time stamp (32 bit) of a time on the line."""
    return round(line_s * clock_rate) + offset & 0xFFFFFFFF
