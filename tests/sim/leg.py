# SPDX-License-Identifier: Apache-2.0
"""The leg from the server to one receiver in virtual time: an estimate steers a camera's layers over a narrow link."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mediaserver.rtp import rtcp
from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.sender import Sender
from mediaserver.sfu.twcc import TwccReceiver
from tests.sim.network import Link

STEP_S = 0.005
FEEDBACK_S = 0.065
"""As Chromium does."""
LAYERS_BPS = (150_000.0, 500_000.0, 1_500_000.0)


def layered(estimate_bps: float) -> float:
    """The highest layer that fits into nine tenths of the estimate; below the lowest nothing but sound."""
    return max((rate for rate in LAYERS_BPS if rate <= 0.9 * estimate_bps), default=0.0)


@dataclass
class Leg:
    """Sound of 40 kbit/s always; video at `source(estimate)`, 30 frames/s of varying size, repaired once when lost."""

    down: Link
    source: Callable[[float], float] = layered
    wanted_bps: float = LAYERS_BPS[-1]
    back_loss: float = 0.0
    now: float = 100.0
    with_feedback: bool = True
    sound: bool = True
    first_number: int = 1
    seen: list[tuple[float, float, float, float]] = field(default_factory=list)
    """(time, estimate, video rate, queue in seconds), ten times a second."""

    def __post_init__(self) -> None:
        self.sender = Sender(self.now)
        self.sender.meter.next_number = self.first_number
        self.sender.wanted(self.wanted_bps * 1.2)
        self.back = Link(self.down.seed + 1, delay_s=self.down.delay_s, loss=self.back_loss)
        self.receiver = TwccReceiver()
        self._chance = random.Random(self.down.seed + 2)
        self._next = {"frame": self.now, "sound": self.now, "feedback": self.now, "note": self.now}
        self.padding_bytes = self.media_bytes = 0

    def _due(self, what: str, every_s: float) -> bool:
        if self.now < self._next[what]:
            return False
        self._next[what] += every_s
        return True

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self._step()
            self.now += STEP_S

    def _step(self) -> None:
        now = self.now
        estimate = self.sender.estimate_bps(now)
        if self._due("frame", 1 / 30) and (rate := self.source(estimate)):
            size = int(rate / 8 / 30 * self._chance.uniform(0.6, 1.4))
            packets = max(1, -(-size // 1200))
            for _ in range(packets):
                self._send(max(100, size // packets))
        if self.sound and self._due("sound", 0.02):
            self._send(100)
        padding = self.sender.tick(now)
        while padding > 0:
            self.padding_bytes += 600
            self._send(600, padding=True)
            padding -= 600
        for packet in self.down.due(now):
            self.receiver.arrived(int.from_bytes(packet[:2]), now + 5_000)  # another clock
        if self._due("feedback", FEEDBACK_S) and self.with_feedback:
            for packet in self.receiver.feedback(1, 2):
                self.back.send(packet, now)
        for packet in self.back.due(now):
            for report in rtcp.parse(packet)[0]:
                assert isinstance(report, TransportFeedback)
                self.sender.feedback(report, now)
        if self._due("note", 0.1):
            self.seen.append((now, estimate, self.source(estimate), max(0.0, self.down._busy_until - now)))

    def _send(self, size: int, *, padding: bool = False) -> None:
        self.media_bytes += 0 if padding else size
        number = self.sender.sent(size, self.now)
        self.down.send(number.to_bytes(2) + bytes(size - 2), self.now)

    def least(self, since: float) -> float:
        """Lowest estimate since then."""
        return min(estimate for at, estimate, _, _ in self.seen if at >= since)

    def first(self, since: float, holds: Callable[[float], bool]) -> float:
        """Seconds from `since` until the video rate first held; infinite when it never did."""
        return next((at - since for at, _, rate, _ in self.seen if at >= since and holds(rate)), float("inf"))
