# SPDX-License-Identifier: Apache-2.0
"""What one receiver's packets and its feedback amount to: the bookkeeping for each packet, and one summary for each
feedback. The estimate (sender.py) is made of summaries only.

`Meter` is the reference; the compiled plane has one that does the same in C (native/meter.c), which `use` puts here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.delay import DelayDetector, Usage
from mediaserver.sfu.bandwidth.history import SendHistory
from mediaserver.sfu.bandwidth.rates import ArrivedRate

Summary = tuple[int, int, int, int, float | None, bool, Usage, list[tuple[float, int]]]
"""Of one feedback: packets received, lost, bytes reported, the newest number reported and when it was sent (0 and None
when it told nothing new), whether an outage showed (see history.Outcome), what the delay says of the link, and
(arrival, bytes) of each received packet of the running probe."""


class Metering(Protocol):
    """What the estimate asks of either implementation. All times in monotonic seconds."""

    next_number: int
    """Transport-wide number of the next packet, not wrapped."""
    probing: int
    """Number of the probe that packets leaving now belong to, 0 for none; set by the owner."""
    awaited: int
    """Number of the probe that waits for its result, 0 for none; set by the owner."""

    @property
    def sent_bytes(self) -> int:
        """Of all packets so far."""

    @property
    def unanswered_s(self) -> float | None:
        """When the first packet after the last feedback left; None when nothing was sent since."""

    @property
    def queue_ms(self) -> float:
        """How far the delay lies above its least of late."""

    def sent(self, size: int, now: float) -> int:
        """A packet leaves: the 16-bit number to write into it."""

    def take(self, feedback: TransportFeedback) -> Summary:
        """One feedback."""

    def arrived_bps(self) -> float | None:
        """Rate that arrived lately; None while too little is known."""

    def offered_bps(self) -> float | None:
        """Rate of sending of what was reported lately."""

    def restart(self) -> None:
        """The link is another one: delay and rates begin anew; what was sent stays known."""


class Meter(SendHistory):
    """In Python."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = 0
        self.restart()

    def restart(self) -> None:
        """As Metering says."""
        self._delay = DelayDetector()
        self._arrived, self._offered = ArrivedRate(), ArrivedRate()

    @property
    def queue_ms(self) -> float:
        """As Metering says."""
        return self._delay.trendline.queue_ms

    def take(self, feedback: TransportFeedback) -> Summary:
        """As Metering says."""
        probe = self.awaited
        outcome = self.match(feedback)
        probed: list[tuple[float, int]] = []
        if outcome.newest_sent_s is not None:
            self._offered.add(outcome.newest_sent_s, outcome.total_bytes)
        self._arrived.add_all(outcome.received)
        usage = self._delay.add_all(outcome.received)
        if probe:
            probed = [(arrived, size) for _, arrived, size, cluster in outcome.received if cluster == probe]
        return (
            len(outcome.received),
            outcome.lost,
            outcome.total_bytes,
            outcome.newest_number,
            outcome.newest_sent_s,
            outcome.outage,
            usage,
            probed,
        )

    def arrived_bps(self) -> float | None:
        """As Metering says."""
        return self._arrived.bps()

    def offered_bps(self) -> float | None:
        """As Metering says."""
        return self._offered.bps()


_make: Callable[[], Metering] = Meter


def make() -> Metering:
    """A meter of the plane in use."""
    return _make()


def use(module: Any | None) -> None:
    """Take the compiled meter, or this one for None; those that are made already stay what they are."""
    global _make
    if module is None:
        _make = Meter
    else:
        module.bind_meter(Usage.NORMAL, Usage.OVER, Usage.UNDER)
        _make = module.Meter
