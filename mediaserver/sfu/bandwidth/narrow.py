# SPDX-License-Identifier: Apache-2.0
"""When a publisher's own link has become too narrow, its upper layers are stopped for a while by order.

The browser notices by itself, but only after its estimate has fallen, and what it had queued until then (of the upper
layers mostly) goes out first: at a tenth of the rate that takes seconds, in which the lowest layer's key frame waits.
So they are switched off before that, while it still sends as fast as they come: by the first sign, which is the queue
of the link as it fills up, in a tenth of the time that the first lost packet takes to be missed; by loss where that did
not show. When the upper layers may come again, it is the browser's estimate that decides whether they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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
TURN_S = 0.08
"""The order to switch off goes by the page, and takes so much longer than a request for a key frame: one that is obeyed
before would be answered by large key frames of all layers."""
OVERFLOW_S = 0.45
"""So long after a rest has begun, what was sent before is still missed."""
RISE_S, RISE_MOST_S = 0.015, 1.0
"""A stream that comes later than at the look before by more than this shows a queue that fills up (by more than
RISE_MOST_S another clock);"""
FILLED_S = 0.1
"""so much later in LOOKS looks in a row or more (after a pause of the link only its first packet comes late),"""
STARVED = 0.5
"""while less than this part comes of what came before: a key frame makes a queue, too, but comes no slower."""
FILLED_REST_S = 2.0
"""Of a queue alone, that no loss follows."""
USUAL_WEIGHT = 0.05
"""Of one look in what usually comes: about a second."""
LOSS_WEIGHT = 0.1
MUCH_LOST = 0.06
"""More than this may be a limit without a queue; and a browser that is told of it only once all its layers come again
soon leaves the uppermost away again."""
QUEUE_S, EMPTIED_S = 0.3, 1.2
"""What a full queue commonly holds, and how long it takes to run empty."""


class NarrowLink:
    """Of one publishing transport."""

    def __init__(self) -> None:
        self._expected = self._came = 0
        self._found = 0
        self._lost_share = 0.0
        self._rest_s = REST_S
        self.began = self._until = -math.inf
        self._transits: dict[int, float] = {}
        self._bytes = 0
        self._looked_at = 0.0
        self._usual_bps = 0.0
        self._rise_s = self._rising_s = 0.0
        self._rise_bytes = self._rises = 0

    def look(self, expected: int, came: int, now: float) -> None:
        """Of `expected` packets that the publisher sent until now, `came` came; both only rise. To be called about
        twenty times a second.
        """
        fresh = expected - self._expected
        if fresh >= PACKETS:
            missing = 2 * (came - self._came) < fresh
            self._lost_share += LOSS_WEIGHT * (1 - (came - self._came) / fresh - self._lost_share)
            self._expected, self._came = expected, came
            self._found = self._found + 1 if missing else 0
            if self._found >= LOOKS:
                self._narrow(now, REST_S)

    def delayed(self, transits_s: Mapping[int, float], received_bytes: int, now: float) -> None:
        """`transits_s` is, for each stream, when its newest packet came less its own time stamp; `received_bytes` of
        all of them only rises. To be called with `look`."""
        before, self._transits = self._transits, dict(transits_s)
        fresh, self._bytes = received_bytes - self._bytes, received_bytes
        passed_s, self._looked_at = now - self._looked_at, now
        steps = [step for key, transit in transits_s.items() if (step := transit - before.get(key, transit))]
        if passed_s <= 0 or fresh < 0:
            return  # a stream has ended
        if steps and RISE_S < max(steps) < RISE_MOST_S:
            self._rises += 1
            self._rise_s += max(steps)
            self._rising_s += passed_s
            self._rise_bytes += fresh
            starved = self._rise_bytes * 8 < STARVED * self._usual_bps * self._rising_s
            if self._rises >= LOOKS and self._rise_s >= FILLED_S and starved:
                self._narrow(now, FILLED_REST_S)
            return
        if steps:
            self._rise_s = self._rising_s = 0.0
            self._rise_bytes = self._rises = 0
        self._usual_bps += USUAL_WEIGHT * (fresh * 8 / passed_s - self._usual_bps)

    def rests(self, now: float) -> bool:
        """True while upper layers must not be sent."""
        return now < self._until

    def turns(self, now: float) -> bool:
        """The publisher has been ordered to switch off just now, and may not have done so yet."""
        return now - self.began < TURN_S

    def overflows(self, now: float) -> bool:
        """What is missed was sent before the publisher obeyed."""
        return now - self.began < OVERFLOW_S

    @property
    def loses_little(self) -> bool:
        """What is lost is more likely lost at any rate than for want of room."""
        return self._lost_share < MUCH_LOST

    def queue_s(self, now: float) -> float:
        """How much longer than a round trip the way takes because of the full queue."""
        return QUEUE_S if now - self.began < EMPTIED_S else 0.0

    def _narrow(self, now: float, least_s: float) -> None:
        if now >= self._until:
            again = now - self._until < QUIET_S
            self._rest_s = min(2 * self._rest_s, MOST_REST_S) if again else least_s
            self.began = now
        self._rest_s = max(self._rest_s, least_s)
        self._until = max(self._until, now + self._rest_s)
