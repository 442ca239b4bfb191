# SPDX-License-Identifier: Apache-2.0
"""What was sent to one receiver under transport-wide numbers, until feedback tells what became of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import repeat

from mediaserver.rtp.seqnum import unwrap16
from mediaserver.rtp.transport_feedback import TICKS_PER_S, WRAP_TICKS, TransportFeedback

SLOTS = 4096
"""Packets remembered: four seconds of a full downlink in 52 KiB. Older ones are overwritten, and count as unknown."""
OUTAGE_S = 0.4
"""Nothing at all came for so long: a link that is away, not one that is full (a full one lets something through)."""
_MASK = SLOTS - 1
_HALF = WRAP_TICKS // 2
_FREE, _SENT, _LOST = 0, 1, 2
_ALL_SENT = bytes((_SENT,)) * SLOTS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one feedback told."""

    received: list[tuple[float, float, int, int]]
    """(sent s, arrived s by the receiver's clock, bytes, probe cluster or 0), by number."""
    lost: int
    """Newly reported missing, less those that turned up after all; runs longer than OUTAGE_S not counted."""
    total_bytes: int
    """Of everything newly reported, lost or not, runs longer than OUTAGE_S left out."""
    newest_number: int
    newest_sent_s: float | None
    """When the newest reported packet had been sent: now less this is the round trip and the report's wait."""
    outage: bool
    """A run of losses longer than OUTAGE_S ended or goes on in it."""


class SendHistory:
    """Numbers run on without wrapping here; packets and feedback carry their low 16 bits."""

    def __init__(self) -> None:
        self.next_number = 1
        self.probing = 0
        self.unanswered_s: float | None = None
        self.sent_bytes = 0
        self.last_sent_s: float | None = None
        self._times = array("d", bytes(8 * SLOTS))
        self._sizes = array("I", bytes(4 * SLOTS))
        self._states = bytearray(SLOTS)
        self._clusters: dict[int, int] = {}
        self._reference: int | None = None

    def sent(self, size: int, now: float) -> int:
        """A packet of `size` bytes leaves at `now`: the 16-bit number to write into it."""
        if self.unanswered_s is None:
            self.unanswered_s = now
        number = self.next_number
        slot = number & _MASK
        self._times[slot], self._sizes[slot], self._states[slot] = now, size, _SENT
        if self._clusters:
            self._clusters.pop(number - SLOTS, None)
        if self.probing:
            self._clusters[number] = self.probing
        self.next_number = number + 1
        self.sent_bytes += size
        self.last_sent_s = now
        return number & 0xFFFF

    def sent_run(self, sizes: array[int], times: array[float], size_bytes: int) -> int:
        """Packets of `sizes`, `size_bytes` together, leave at `times`, and belong to no probe: the number of the first,
        not wrapped."""
        first, count = self.next_number, len(sizes)
        slot = first & _MASK
        end = slot + count
        if end > SLOTS or self._clusters or self.probing:
            for size, now in zip(sizes, times, strict=True):
                self.sent(size, now)
            return first
        if self.unanswered_s is None:
            self.unanswered_s = times[0]
        self._times[slot:end], self._sizes[slot:end], self._states[slot:end] = times, sizes, _ALL_SENT[:count]
        self.next_number = first + count
        self.sent_bytes += size_bytes
        self.last_sent_s = times[-1]
        return first

    def match(self, feedback: TransportFeedback) -> Outcome:
        """Pair feedback with what was sent. Numbers never sent, forgotten, or told before are passed over."""
        self.unanswered_s = None
        base = unwrap16(feedback.base, self.next_number - 1)
        return self._match_whole(feedback.arrivals, base) or self._match_each(feedback.arrivals, base)

    def _match_each(self, arrivals: tuple[int | None, ...], base: int) -> Outcome:
        received: list[tuple[float, float, int, int]] = []
        lost = total = newest_number = 0
        run = run_bytes = 0  # losses in a row
        run_from = newest = 0.0
        outage = False
        oldest = max(1, self.next_number - SLOTS)
        states, times, sizes = self._states, self._times, self._sizes
        next_number, reference = self.next_number, self._reference
        for number, ticks in enumerate(arrivals, base):
            if not oldest <= number < next_number:
                continue
            slot = number & _MASK
            state = states[slot]
            if state == _FREE or (state == _LOST and ticks is None):
                continue
            newest, newest_number, size = times[slot], number, sizes[slot]
            if ticks is None:
                states[slot] = _LOST
                if not run:
                    run_from = newest
                run += 1
                run_bytes += size
                continue
            if run:
                if newest - run_from > OUTAGE_S:
                    outage = True
                else:
                    lost += run
                    total += run_bytes
                run = run_bytes = 0
            if state == _LOST:
                lost -= 1
            else:
                total += size
            states[slot] = _FREE
            cluster = self._clusters.pop(number, 0) if self._clusters else 0
            if reference is None:
                reference = ticks
            reference += (ticks - reference + _HALF) % WRAP_TICKS - _HALF  # the receiver's clock without its wrap
            received.append((newest, reference / TICKS_PER_S, size, cluster))
        self._reference = reference
        if run and newest - run_from > OUTAGE_S:
            outage = True
        elif run:
            lost += run
            total += run_bytes
        return Outcome(received, lost, total, newest_number, newest if newest_number else None, outage)

    def _match_whole(self, arrivals: tuple[int | None, ...], base: int) -> Outcome | None:
        """The same where every packet came and none of them was told of before; None where that is not so. Most
        feedback of a good link is of this kind: no step of it is taken for each packet."""
        reference, count, slot = self._reference, len(arrivals), base & _MASK
        end, first = slot + count, arrivals[0]
        if reference is None or first is None or self._clusters or end > SLOTS:
            return None
        if base < 1 or base <= self.next_number - 1 - SLOTS or base + count > self.next_number:
            return None
        if self._states.count(_SENT, slot, end) != count or None in arrivals:
            return None
        # Deltas are small beside half the wrap: what holds for the first tick holds for all.
        away = (first - reference + _HALF) % WRAP_TICKS - _HALF + reference - first
        ticks: list[int] = [tick + away for tick in arrivals]  # type: ignore[operator]  # none of them is None
        times, sizes = self._times[slot:end], self._sizes[slot:end]
        self._reference = ticks[-1]
        self._states[slot:end] = bytes(count)
        came = list(zip(times, [tick / TICKS_PER_S for tick in ticks], sizes, repeat(0)))
        return Outcome(came, 0, sum(sizes), base + count - 1, times[-1], False)
