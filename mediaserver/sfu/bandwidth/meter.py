# SPDX-License-Identifier: Apache-2.0
"""What one receiver's packets and its feedback amount to: the bookkeeping for each packet, and one summary for each
feedback, or for a few that say nothing new. The estimate (sender.py) is made of summaries only.

`Meter` is the reference; the compiled plane has one that does the same in C (native/meter.c), which `use` puts here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.delay import NORMAL, DelayDetector, Usage
from mediaserver.sfu.bandwidth.history import SendHistory
from mediaserver.sfu.bandwidth.rates import ArrivedRate

QUIET_S = 0.5
"""Quiet feedback is summed up until so much of the sending is told of: less than a second, or the loss model is left
without it."""
QUEUE_MS = 40.0
"""With more than this waiting in the link no feedback is quiet, and no probe is sent."""

Summary = tuple[int, int, int, int, float | None, bool, Usage, list[tuple[float, int]], int, float]
"""Packets received, lost, bytes reported, the newest number reported and when it was sent (0 and None when it told
nothing new), whether an outage showed (see history.Outcome), what the delay says of the link, (arrival, bytes) of each
received packet of the running probe, of how many feedbacks this is the sum, and the least time from the sending of the
newest packet of one to when it came (0 when it told nothing new)."""
Told = tuple[int, Summary, float]
"""Number of the (last) feedback, its summary, and when it came."""


class Metering(Protocol):
    """What the estimate asks of either implementation. All times in monotonic seconds."""

    next_number: int
    """Transport-wide number of the next packet, not wrapped."""
    probing: int
    """Number of the probe that packets leaving now belong to, 0 for none; set by the owner."""
    awaited: int
    """Number of the probe that waits for its result, 0 for none; set by the owner."""
    calm: bool
    """Nothing is doubtful about the link: feedback that says nothing new may be summed up; set by the owner."""

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

    def take(self, feedback: TransportFeedback, now: float) -> list[Told]:
        """One feedback: what the owner is to be told. It is quiet when it follows the one before, and shows packets
        that came, no loss, no outage, an even delay and nothing of a probe. While the link is calm such feedback is
        told as one sum once it tells of QUIET_S, and at the latest before the next that is not quiet."""

    def settle(self) -> list[Told]:
        """What was summed up so far: to be told before it is judged what the receiver says."""

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
        self.calm = False
        self._count: int | None = None
        self._told_sent_s = 0.0
        self._pending: Told | None = None
        self.restart()

    def restart(self) -> None:
        """As Metering says."""
        self._delay = DelayDetector()
        self._arrived, self._offered = ArrivedRate(), ArrivedRate()

    @property
    def queue_ms(self) -> float:
        """As Metering says."""
        return self._delay.trendline.queue_ms

    def take(self, feedback: TransportFeedback, now: float) -> list[Told]:
        """As Metering says."""
        follows = self._count is not None and feedback.count == (self._count + 1) & 0xFF
        self._count = feedback.count
        summary = self._sum_up(feedback, now)
        received, lost, size, number, sent, outage, usage, _, _, least_s = summary
        even = usage is NORMAL and self.queue_ms <= QUEUE_MS
        if not (self.calm and follows and even and received and not (lost or outage or self.awaited)):
            if sent is not None:
                self._told_sent_s = sent
            return [*self.settle(), (feedback.count, summary, now)]
        assert sent is not None, "something was received"
        before = None if self._pending is None else self._pending[1]
        if before is not None:
            received, size, feedbacks = received + before[0], size + before[2], before[8] + 1
            summary = (received, 0, size, number, sent, False, usage, [], feedbacks, min(least_s, before[9]))
        self._pending = feedback.count, summary, now
        return [] if sent - self._told_sent_s < QUIET_S else self.settle()

    def settle(self) -> list[Told]:
        """As Metering says."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        if (sent := pending[1][4]) is not None and sent > self._told_sent_s:
            self._told_sent_s = sent
        return [pending]

    def _sum_up(self, feedback: TransportFeedback, now: float) -> Summary:
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
            1,
            0.0 if outcome.newest_sent_s is None else now - outcome.newest_sent_s,
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
        module.bind_meter(Usage.NORMAL, Usage.OVER, Usage.UNDER, QUIET_S, QUEUE_MS)
        _make = module.Meter
