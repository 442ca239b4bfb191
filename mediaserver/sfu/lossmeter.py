# SPDX-License-Identifier: Apache-2.0
"""How much of a stream is lost on its way, before any repair: a share over the last seconds from two running totals."""

from __future__ import annotations

from collections import deque
from typing import Final

SPAN_S: Final = 5.0
STEP_S: Final = 0.25
"""Totals are noted at most this often."""
MIN_PACKETS: Final = 40
"""Fewer packets in the span say nothing."""


class LossMeter:
    """One stream on one link."""

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int, int]] = deque()  # time, packets sent, of these lost
        self.share = 0.0
        """Of the packets of the span; kept as it was while too few flow."""

    def note(self, sent: int, lost: int, now: float) -> None:
        """Totals since the stream began. A total that fell (late packets were no losses) counts as none."""
        notes = self._notes
        if notes and now - notes[-1][0] < STEP_S:
            return
        notes.append((now, sent, lost))
        while len(notes) > 2 and now - notes[1][0] >= SPAN_S:
            notes.popleft()
        packets = sent - notes[0][1]
        if packets >= MIN_PACKETS:
            self.share = min(1.0, max(0, lost - notes[0][2]) / packets)
