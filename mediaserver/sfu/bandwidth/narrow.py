# SPDX-License-Identifier: Apache-2.0
"""When a publisher's own link has become too narrow, its upper layers are stopped for a while by order.

The browser notices by itself, but only after its estimate has fallen, and what it had queued until then (of the upper
layers mostly) goes out first: at a tenth of the rate that takes seconds, in which the lowest layer's key frame waits.
A layer that is switched off is taken out of that queue at once, and the lowest one begins anew with a small key frame.
When the upper layers may come again, it is the browser's estimate that decides whether they do.
"""

from __future__ import annotations

import math

PACKETS = 12
"""So many, at least, make one look."""
LOOKS = 2
"""So many looks, one after the other, must find that most is missing. An outage, however long, is one look: what it
took is missed when the first packet after it comes."""
REST_S = 4.0
"""So long the upper layers rest after the last sign of a narrow link; a browser's estimate has fallen by then."""
MOST_REST_S = 16.0
"""A link that is narrow again at once lets them rest twice as long, at most this."""
QUIET_S = 10.0
"""After so long without a sign the next one counts as the first again."""


class NarrowLink:
    """Of one publishing transport."""

    def __init__(self) -> None:
        self._expected = self._came = 0
        self._found = 0
        self._rest_s = REST_S
        self._until = -math.inf

    def look(self, expected: int, came: int, now: float) -> None:
        """Of `expected` packets that the publisher sent until now, `came` came; both only rise. To be called about
        twenty times a second.
        """
        fresh = expected - self._expected
        if fresh >= PACKETS:
            missing = 2 * (came - self._came) < fresh
            self._expected, self._came = expected, came
            self._found = self._found + 1 if missing else 0
            if self._found >= LOOKS:
                self._narrow(now)

    def rests(self, now: float) -> bool:
        """True while upper layers must not be sent."""
        return now < self._until

    def _narrow(self, now: float) -> None:
        if now >= self._until:
            again = now - self._until < QUIET_S
            self._rest_s = min(2 * self._rest_s, MOST_REST_S) if again else REST_S
        self._until = now + self._rest_s
