# SPDX-License-Identifier: Apache-2.0
"""Whether a stream is alive, and how many bits a second it is, by temporal layer."""

from __future__ import annotations

WINDOW_S = 0.5
GONE_S = (1.5, 1.5, 1.5)
"""Silence after which a layer counts as dead (mediasoup's figure). A still screen is sent at least once a second."""
LEFT_AWAY_S = 0.5
"""An upper layer that lacks so much of what a lower one has is not waited for."""
UPPER_SETTLES_S = 0.3
"""An upper layer counts once packets came this long: the first few after a pause are no promise."""
MAX_TEMPORAL = 4


class Activity:
    """Arrivals of one stream. Layer 0 is the lowest, its first packet makes it live."""

    __slots__ = ("_begun", "_bytes", "_gone_s", "_last", "_layers", "_rates", "_settles_s", "_window_at")

    def __init__(self, layer: int) -> None:
        self._settles_s = UPPER_SETTLES_S if layer else 0.0
        self._gone_s = GONE_S[min(layer, 2)]
        self._begun: float | None = None
        self._last = 0.0
        self._window_at = 0.0
        self._bytes = [0] * MAX_TEMPORAL
        self._rates: list[float] | None = None
        self._layers = 1

    def add(self, size: int, temporal: int, now: float, *, repaired: bool = False) -> None:
        """A packet of `size` bytes came; one that was `repaired` is no sign that the layer is still sent."""
        if repaired and self._begun is not None:
            self._bytes[temporal if temporal < MAX_TEMPORAL else 0] += size
            return
        if self._begun is None or now - self._last > self._gone_s:
            self._begun = self._window_at = now
            self._bytes, self._rates = [0] * MAX_TEMPORAL, None
        elif now - self._window_at >= WINDOW_S:
            self._roll(now)
        self._last = now
        if temporal < MAX_TEMPORAL:
            if temporal >= self._layers:
                self._layers = temporal + 1
            self._bytes[temporal] += size
        else:
            self._bytes[0] += size

    def _roll(self, now: float) -> None:
        span = now - self._window_at
        fresh = [count * 8 / span for count in self._bytes]
        if self._rates is not None:
            fresh = [(old + new) / 2 for old, new in zip(self._rates, fresh, strict=True)]
        self._rates, self._bytes, self._window_at = fresh, [0] * MAX_TEMPORAL, now

    @property
    def last(self) -> float | None:
        """When the newest packet came; None before the first."""
        return None if self._begun is None else self._last

    @property
    def top_temporal(self) -> int:
        """Highest temporal layer seen."""
        return self._layers - 1

    def live(self, now: float) -> bool:
        """Packets come, and came for long enough."""
        return (
            self._begun is not None and now - self._last <= self._gone_s and self._last - self._begun >= self._settles_s
        )

    def silent_since(self, lower: Activity) -> bool:
        """Nothing came for a while in which a lower layer of the same camera went on: the publisher has left this one
        away, as it does at once when its own link narrows."""
        return self._begun is not None and lower._last - self._last > LEFT_AWAY_S

    def live_for(self, now: float) -> float:
        """Seconds since the first packet after the last silence; 0 when dead."""
        return now - self._begun if self._begun is not None and self.live(now) else 0.0

    def bitrates_bps(self, now: float) -> list[int]:
        """Cumulative by temporal layer; zeros when nothing comes."""
        if self._begun is None or now - self._last > self._gone_s:
            return [0] * self._layers
        rates = self._rates
        if rates is None:
            span = max(0.1, now - self._window_at)
            rates = [count * 8 / span for count in self._bytes]
        total, found = 0.0, []
        for rate in rates[: self._layers]:
            total += rate
            found.append(int(total))
        return found
