# SPDX-License-Identifier: Apache-2.0
"""The estimate of one receiver's link: what may be sent to it, by whatever the receiver tells.

Transport-wide feedback is the best source: delay, loss and arrived rate. Without it, reports and REMB have to do.
"""

from __future__ import annotations

import math
from typing import Any

from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth import meter
from mediaserver.sfu.bandwidth.delay import Usage
from mediaserver.sfu.bandwidth.loss import LossModel
from mediaserver.sfu.bandwidth.meter import QUEUE_MS, Summary
from mediaserver.sfu.bandwidth.probing import Prober
from mediaserver.sfu.bandwidth.rates import FLOOR_BPS, Aimd
from mediaserver.sfu.bandwidth.reported import ReportedRate

START_BPS = 1_000_000
"""Believed until the link says otherwise."""
FEEDBACK_LOST_S = 1.2
"""Sending, and no feedback for so long: the link is away or full to the brim."""
SILENCE_FACTOR = 0.5
"""What remains of the estimate for each such time."""
SILENCE_FLOOR_BPS = 250_000
PACING_FACTOR = 2.5
PACING_OPEN_BPS, PACING_LEAST_BPS = 10_000_000, 400_000
LIMIT_REMEMBERED_S = 30.0
"""A link that has shown no limit for so long gets key frames at PACING_OPEN_BPS: the first picture must not wait."""
LIMITED_S = 3.0
RTT_SMOOTHING = 0.1
"""Of each feedback."""
UNTRIED_LOSS = 0.1
"""More than this in receiver reports may be a limit."""


class Sender:
    """One receiver. All times in monotonic seconds."""

    def __init__(self, now: float, start_bps: float = START_BPS) -> None:
        self.meter = meter.make()
        self.prober = Prober(now)
        self.rtt_s = 0.1
        self.padding_bytes = 0
        self.due_at = now
        """Before this time `tick` has nothing to do; feedback that shows nothing new only makes it later."""
        self.feedbacks = self.feedback_lost = 0
        self._aimd = Aimd(start_bps)
        self._loss = LossModel()
        self._reported = ReportedRate(start_bps, now)
        self._wanted_bps = 0.0
        self._sent: tuple[float, int] = (now, 0)
        self._sent_bps = 0.0
        self._last_reported_sent: float | None = None
        self._count: int | None = None
        self._feedback_at: float | None = None
        self._silence_at: float | None = None
        self._before_silence: float | None = None
        self._limited_at = self._cut_at = -math.inf

    def sent(self, size: int, now: float) -> int:
        """A packet of `size` bytes leaves: the transport-wide number (16 bit) to write into it."""
        number = self.meter.sent(size, now)
        if self.meter.probing:
            self.prober.sent(size, self.meter.next_number - 1, now)
        return number

    def feedback(self, feedback: TransportFeedback, now: float) -> None:
        """What the receiver tells of transport-wide numbers."""
        for told in self.meter.take(feedback, now):
            self.told(*told)

    def told(self, count: int, summary: Summary, now: float) -> bool:
        """What the meter made of feedback; `count` is the last one's number. True when the estimate has fallen."""
        received, lost, size, newest_number, newest_sent, outage, usage, probed, feedbacks, least_s = summary
        in_order = self._count is not None and count == (self._count + feedbacks) & 0xFF
        self.feedback_lost += not in_order and self._count is not None
        self._count = count
        self.feedbacks += feedbacks
        self.meter.calm = False
        returned, first = self._silence_at is not None, self._feedback_at is None
        self._feedback_at, self._silence_at, self.due_at = now, None, now
        if newest_sent is None:
            return first
        before = min(self._aimd.rate_bps, self._loss.cap_bps)
        rtt = now - newest_sent
        weight = 1 - (1 - RTT_SMOOTHING) ** feedbacks
        self.rtt_s = min(least_s, self.rtt_s + weight * (rtt - self.rtt_s)) if rtt < 2.0 else self.rtt_s
        for arrival, packet_bytes in probed:
            self.prober.arrived(arrival, packet_bytes)
        if outage or returned:
            self._after_outage(now)
        elif self._last_reported_sent is not None and in_order and received and newest_sent >= self._cut_at:
            span = newest_sent - self._last_reported_sent
            if 0 < span < 1.0:
                self._loss.add(received + lost, lost, size, span, now)
        self._last_reported_sent = newest_sent
        self._control(usage, newest_number, now)
        self._mark_probe()
        if not (first or returned or self.short):
            self.due_at = self._next_due(now)
            self.meter.calm = usage is Usage.NORMAL and not self.limited(now)
        return first or min(self._aimd.rate_bps, self._loss.cap_bps) < before

    def _control(self, usage: Usage, newest_number: int, now: float) -> None:
        arrived, offered = self.meter.arrived_bps(), self.meter.offered_bps() if usage is Usage.OVER else None
        queue_ms = self.meter.queue_ms
        if usage is Usage.OVER and queue_ms < QUEUE_MS and self.prober.echoes(self.rtt_s, now):
            usage = Usage.UNDER  # our own burst: wait until it is through
        self._aimd.update(usage, arrived, offered or 0.0, self.rtt_s, now)
        if self._aimd.rate_bps > self._loss.cap_bps:
            self._aimd.set_rate(self._loss.cap_bps)
            self._limited_at = now
        if usage is Usage.OVER:
            self._limited_at = now
            self.prober.hold(now)
        elif queue_ms > QUEUE_MS:
            self.prober.hold(now)
        if self.prober.cluster is None:
            return
        measured = self.prober.result(newest_number, self._aimd.rate_bps, self._loss.inherent, now)
        if measured is not None and usage is not Usage.OVER:
            self._aimd.set_rate(max(arrived or 0.0, measured))
            if self._loss.cap_bps < measured:
                self._loss.forget()

    def _after_outage(self, now: float) -> None:
        """The link is back: what was measured over the gap says nothing, what it carried before is worth a try."""
        self._loss.forget()
        self.meter.restart()
        if self._before_silence is not None:
            self._aimd.set_rate(max(self._aimd.rate_bps, self._before_silence / 2))
            self._before_silence = None
        self.prober.hurry(now)

    def _measure_sent(self, now: float) -> None:
        since, size = self._sent
        if now - since >= 0.25:
            rate = (self.meter.sent_bytes - size) * 8 / (now - since)
            self._sent_bps = rate if now - since < 1.0 else max(rate, self._sent_bps)
            self._sent = now, self.meter.sent_bytes

    def remb(self, bps: float, now: float) -> None:
        """The receiver's own estimate; counts while no transport-wide feedback comes."""
        self._reported.remb(bps, now)

    def receiver_report(self, fraction_lost: float, rtt_s: float | None, now: float) -> None:
        """Loss (0 to 1) of one stream, and the round trip if known; count while no transport-wide feedback comes."""
        if self._feedback_at is None:
            self._measure_sent(now)
            self._reported.report(fraction_lost, rtt_s, self._sent_bps, now)

    def cut(self, now: float) -> None:
        """Much less is sent from now on: what was lost of what left before tells nothing of it."""
        self._cut_at = now
        self._loss.forget()

    def wanted(self, bps: float) -> None:
        """What would be sent if the link had room for everything that is shown."""
        self._wanted_bps = bps
        if self.short:
            self.due_at = -math.inf
            self.meter.calm = False

    def tick(self, now: float) -> int:
        """To be called every 10 ms or so: bytes of padding to send now."""
        self._notice_silence(now)
        self.prober.tick(now)
        if self._feedback_at is not None and self._silence_at is None:
            self.prober.consider(self._aimd.rate_bps, self._wanted_bps, now)
        self._mark_probe()
        self.due_at = self._next_due(now)
        return self.prober.padding_due(now)

    def _mark_probe(self) -> None:
        cluster = self.prober.cluster
        self.meter.awaited = 0 if cluster is None else cluster.number
        self.meter.probing = self.prober.sending

    def _next_due(self, now: float) -> float:
        if self.prober.cluster is not None:
            return now
        if self._feedback_at is None:
            return math.inf
        if self._silence_at is not None:
            return self._silence_at + FEEDBACK_LOST_S
        unanswered = self.meter.unanswered_s
        due = (now if unanswered is None else unanswered) + FEEDBACK_LOST_S
        return min(due, self.prober.next_at) if self._wanted_bps > self._aimd.rate_bps else due

    def _notice_silence(self, now: float) -> None:
        unanswered = self.meter.unanswered_s  # before that nothing was sent: an idle link is no lost one
        if self._feedback_at is None or unanswered is None or now - unanswered < FEEDBACK_LOST_S:
            return
        for told in self.meter.settle():
            self.told(*told)  # of before
        if self._silence_at is None:
            self._before_silence = self._aimd.rate_bps
        elif now - self._silence_at < FEEDBACK_LOST_S:
            return
        self._silence_at = now
        self.meter.calm = False
        rate = self._aimd.rate_bps
        self._aimd.set_rate(min(rate, max(SILENCE_FLOOR_BPS, rate * SILENCE_FACTOR)))
        self._limited_at = now

    def limited(self, now: float) -> bool:
        """The link showed in the last seconds that it carries no more."""
        return now - self._limited_at < LIMITED_S

    @property
    def short(self) -> bool:
        """More is wanted than the link is known to carry: it is tried, by bursts that need a fine clock."""
        return self._feedback_at is not None and (
            self._wanted_bps > self._aimd.rate_bps or self.prober.cluster is not None
        )

    @property
    def untried(self) -> bool:
        """No sign of a limit yet, by feedback or by reports."""
        return self._limited_at == -math.inf and self._reported.loss < UNTRIED_LOSS

    @property
    def by_feedback(self) -> bool:
        """Transport-wide feedback comes; else reports and REMB decide."""
        return self._feedback_at is not None

    @property
    def loss(self) -> float:
        """Part of the packets that the network loses on the way to this receiver."""
        return self._loss.loss if self.by_feedback else self._reported.loss

    def estimate_bps(self, now: float) -> int:
        """What the link carries, RTP bytes with repairs and padding."""
        if not self.by_feedback:
            return int(self._reported.rate_bps(now))
        return int(max(FLOOR_BPS, min(self._aimd.rate_bps, self._loss.cap_bps)))

    def pacing_bps(self, now: float, estimate_bps: float | None = None) -> float:
        """How fast a burst may leave; the estimate may be given where it is at hand."""
        paced = PACING_FACTOR * (self.estimate_bps(now) if estimate_bps is None else estimate_bps)
        if now - self._limited_at > LIMIT_REMEMBERED_S:
            return max(PACING_OPEN_BPS, paced)
        return max(PACING_LEAST_BPS, paced)

    def stats(self, now: float) -> dict[str, Any]:
        """Figures, JSON-ready."""
        arrived = self.meter.arrived_bps()
        return {
            "estimate_bps": self.estimate_bps(now),
            "by": "transport-cc" if self.by_feedback else "reports",
            "wanted_bps": int(self._wanted_bps),
            "arrived_bps": None if arrived is None else int(arrived),
            "queue_ms": round(self.meter.queue_ms, 1),
            "loss": round(self.loss, 4),
            "rtt_ms": round(self.rtt_s * 1000, 1),
            "probes": self.prober.probes,
            "probes_succeeded": self.prober.succeeded,
            "feedbacks": self.feedbacks,
            "feedbacks_lost": self.feedback_lost,
        }
