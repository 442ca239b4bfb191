# SPDX-License-Identifier: Apache-2.0
"""How long a receiver should hold a stream back so that repair comes in time.

A packet lost once on the publisher's way and once on the receiver's is whole again after a round trip of each; lost
twice, after two. Only the server sees both ways, so it tells the page, and the page its browser. Without loss nothing
is held back beyond what the browser does by itself.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from mediaserver.sfu.nack import DEFAULT_RTT_S

ROUNDS: Final = ((0.0, 0.0), (0.004, 0.0), (0.012, 1.1), (0.05, 1.5), (0.1, 2.4), (0.2, 3.5))
"""Round trips to wait for, by the share that a way loses; straight between the points."""
MAX_DELAY_MS: Final = 600
STEP_MS: Final = 20
RISE_MS: Final = 30
"""A wish higher by this is told at once."""
FALL_MS, FALL_AFTER_S = 60, 8.0
"""A wish lower by this is told when it stayed so low for so long."""


def rounds(loss: float) -> float:
    """Round trips worth waiting for."""
    for (low, before), (high, after) in pairwise(ROUNDS):
        if loss < high:
            return before + (after - before) * (loss - low) / (high - low)
    return ROUNDS[-1][1]


class Patience:
    """Of one receiver for one stream."""

    def __init__(self) -> None:
        self.delay_ms = 0
        """As last told."""
        self._low_since: float | None = None

    def due(
        self, now: float, *, up_loss: float, up_rtt_s: float, down_loss: float, down_rtt_s: float | None
    ) -> int | None:
        """The delay to tell the receiver now, in milliseconds; None when what was told still holds."""
        down_rtt_s = DEFAULT_RTT_S if down_rtt_s is None else down_rtt_s
        wish_s = rounds(up_loss) * up_rtt_s + rounds(down_loss) * down_rtt_s
        wish = min(MAX_DELAY_MS, round(wish_s * 1000 / STEP_MS) * STEP_MS)
        if wish >= self.delay_ms + RISE_MS:
            self._low_since = None
            self.delay_ms = wish
            return wish
        if wish > self.delay_ms - FALL_MS:
            self._low_since = None
            return None
        if self._low_since is None:
            self._low_since = now
        if now - self._low_since < FALL_AFTER_S:
            return None
        self._low_since = None
        self.delay_ms = wish
        return wish
