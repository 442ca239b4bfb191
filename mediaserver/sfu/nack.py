# SPDX-License-Identifier: Apache-2.0
"""Which lost packets to ask for again, and when (generic NACK, RFC 4585 section 6.2.1).

A missing number is asked for at once and then once in every round trip until it comes: a browser answers a NACK at
most once within what it takes for the round trip, and a receiver's picture stands still meanwhile. Where the link loses
much, each request is followed by an echo, because the request itself may be lost; the publisher ignores a second one
that comes within its round trip.
"""

from __future__ import annotations

from collections import deque
from typing import Final

DEFAULT_RTT_S: Final = 0.1
MIN_RTT_S, MAX_RTT_S = 0.005, 0.6
RTT_SAMPLES: Final = 16
RTT_QUANTILE: Final = 0.3
"""Of how long the last repairs took: those whose first request was lost took longer, none can take less."""
MARGIN_S: Final = 0.01
"""Added to the round trip before a repeat: a browser that measures a slightly longer one would ignore it."""
ECHO_AFTER_S: Final = 0.02
ECHO_FROM_LOSS: Final = 0.01
MAX_REORDER_S: Final = 0.02
"""A link that delivers out of order makes the first request wait, at most this long."""
REORDER_DECAY: Final = 0.98
"""Of that wait, with every packet that was really lost."""
MAX_TRIES: Final = 14
MAX_AGE_S: Final = 1.5
"""After this the packet is of no use to a receiver's jitter buffer; the gap stays."""
SWAMPED_OF, SWAMPED = 32, 16
"""More missing than this of the newest numbers is a link that is too narrow now: repeats would fill it further."""
MAX_MISSING: Final = 500
"""More missing at once is an outage, not loss: a key frame repairs it more cheaply."""


class _Wanted:
    __slots__ = ("asked_at", "echoed", "first_asked_at", "noticed_at", "tries")

    def __init__(self, noticed_at: float) -> None:
        self.noticed_at = self.asked_at = self.first_asked_at = noticed_at
        self.tries = 0
        self.echoed = False


class NackGenerator:
    """Missing extended sequence numbers of one stream."""

    __slots__ = ("_missing", "_reorder_s", "_took", "fresh", "given_up", "lost", "repaired", "requested", "rtt_s")

    def __init__(self) -> None:
        self._missing: dict[int, _Wanted] = {}
        self._reorder_s = 0.0
        self._took: deque[float] = deque(maxlen=RTT_SAMPLES)
        self.rtt_s = DEFAULT_RTT_S
        """From a request to its answer."""
        self.lost = 0
        """Numbers that did not come by themselves."""
        self.requested = 0
        """NACKed numbers in all, repeats counted."""
        self.repaired = 0
        self.given_up = 0
        self.fresh = False
        """A gap was noticed since the last `due`: it is worth a call before the next tick."""

    def gap(self, first: int, last: int, now: float) -> bool:
        """Numbers first..last did not come in order. False when that is too much to repair: all are given up."""
        self.lost += last - first + 1
        if last - first + 1 + len(self._missing) > MAX_MISSING:
            self.given_up += last - first + 1 + len(self._missing)
            self._missing.clear()
            return False
        for number in range(first, last + 1):
            self._missing[number] = _Wanted(now)
        self.fresh = True
        return True

    def arrived(self, number: int, now: float, *, resent: bool = False) -> None:
        """A number came after all; `resent` when it is known to have been sent again."""
        wanted = self._missing.pop(number, None)
        if wanted is None:
            return
        late = now - wanted.noticed_at
        if not resent and (not wanted.tries or now - wanted.first_asked_at < MAX_REORDER_S):  # it was only overtaken
            self.lost -= 1
            self._reorder_s = min(MAX_REORDER_S, max(self._reorder_s, late * 1.25))
            return
        self.repaired += 1
        self._reorder_s *= REORDER_DECAY
        self._took.append(min(MAX_RTT_S, max(MIN_RTT_S, now - wanted.first_asked_at)))
        self.rtt_s = sorted(self._took)[int(len(self._took) * RTT_QUANTILE)]

    def due(self, now: float, loss: float = 0.0, queue_s: float = 0.0) -> list[int]:
        """Numbers to ask for now, rising. `loss` is the share that this link loses; `queue_s` is how much longer than
        a round trip a repair takes now."""
        self.fresh = False
        echoes = loss >= ECHO_FROM_LOSS and not queue_s
        asked: list[int] = []
        for number, wanted in list(self._missing.items()):
            since = now - wanted.asked_at
            if wanted.tries == 0:
                ask = since >= self._reorder_s
            elif wanted.tries >= MAX_TRIES or now - wanted.noticed_at > MAX_AGE_S:
                del self._missing[number]
                self.given_up += 1
                continue
            else:
                ask = since >= self.rtt_s + MARGIN_S + queue_s
            if ask:
                if not wanted.tries:
                    wanted.first_asked_at = now
                wanted.tries += 1
                wanted.asked_at = now
                wanted.echoed = False
                asked.append(number)
            elif echoes and not wanted.echoed and wanted.tries and since >= ECHO_AFTER_S:
                wanted.echoed = True
                asked.append(number)
        self.requested += len(asked)
        return sorted(asked)

    def swamped(self, highest: int) -> bool:
        """Most of the newest numbers, up to `highest`, are missing."""
        return sum(number > highest - SWAMPED_OF for number in self._missing) > SWAMPED

    def expire(self, now: float) -> None:
        """Give up what is of no use any more, without asking for the rest."""
        old = [number for number, wanted in self._missing.items() if now - wanted.noticed_at > MAX_AGE_S]
        self.given_up += len(old)
        for number in old:
            del self._missing[number]

    def forget(self) -> None:
        """Nobody needs what is missing any more."""
        self.given_up += len(self._missing)
        self._missing.clear()

    def __len__(self) -> int:
        return len(self._missing)
