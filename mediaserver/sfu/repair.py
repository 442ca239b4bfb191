# SPDX-License-Identifier: Apache-2.0
"""How generously a receiver's losses are repaired: what its link loses, how often a request is answered, and which
packets are sent twice before anybody asks.

Loss is no congestion while the round trip stays flat: then bytes are cheap and round trips dear. A second copy of the
base layer and of all sound spares the receiver most of the 100 ms and more that asking costs. When the round trip
grows, a queue is filling up, and every repeated byte would make it worse: then each request is answered once.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from mediaserver.sfu.lossmeter import LossMeter

RESEND_SPACING_S: Final = 0.03
"""The same packet is not sent again within this time where the round trip is not known."""
RESEND_LIMIT: Final = 12
REMEMBERED: Final = 512
"""Packets of a stream whose resends are counted; the oldest is forgotten first."""
TWICE_FROM_LOSS: Final = 0.02
"""From this loss on a request is answered with two copies."""
EARLY_FROM_LOSS: Final = 0.01
EARLY_SHARES: Final = ((0.03, 0.75), (EARLY_FROM_LOSS, 0.45))
"""From this loss on so many bytes are repeated in all, by the media's: answers first, then copies unasked, the base
layer first. With headers the leg stays below twice the media."""
HOPELESS_LOSS: Final = 0.3
"""A link that loses more than this is not repaired by sending more."""
CREDIT_BYTES: Final = 12_000
LAYER_CREDIT: Final = (-6_000, 2_000, 6_000)
"""A packet of this temporal layer is repeated only with more credit than this."""
QUEUE_S: Final = 0.08
"""A round trip longer than the shortest by this much means that a queue fills up."""
FULL_QUEUE_S: Final = 0.3
"""So much longer a repair takes through a queue that has filled up. Round trips are told once a second only."""
RTT_FORGOTTEN_PER_S: Final = 0.002
"""The shortest round trip rises by this much per second, so that a new path is learned."""
REPORT_SMOOTHING: Final = 0.3
LOOK_S: Final = 0.25
QUIET_LOOK_S: Final = 1.0
"""A way that loses nothing is looked at as seldom as it gets reports."""
LEFT_OUT_S: Final = 2.5
"""So long a receiver may tell of what we left out: reports come once a second, and tell of the second before."""
DOUBTED_LOOKS: Final = 2
"""Losses count after so many looks more: that long it may take until they turn out to be overflow."""


class Link:
    """What is known of the way to one receiver, over all its streams. The room looks at it every LOOK_S, more seldom
    while nothing is lost, and asks for early copies only while it is `generous`: a good link costs nothing."""

    def __init__(self) -> None:
        self.next_look_at = 0.0
        self.generous = False
        self.limited = False
        """The estimate says that the link carries no more: what is lost is its overflow, and tells nothing of what it
        loses at any rate."""
        self.filled = False
        """Besides, its queue has filled up: what is asked for again is still in it, or would only lengthen it."""
        self.epoch = 0
        """How often it became generous."""
        self.lost = 0
        """Packets of all streams that were sent and asked for again, each counted once."""
        self.rtt_s: float | None = None
        self._rtt_min: float | None = None
        self._rtt_at = 0.0
        self._meter = LossMeter()
        self._reported = 0.0
        self._left_out, self._left_out_at = 0, -math.inf
        self._seen: deque[tuple[int, int]] = deque()  # totals not believed yet: the estimate falls after the losses
        self._before = (0, 0)
        self._believed = (0, 0)

    @property
    def loss(self) -> float:
        """Share lost of what was sent once."""
        return max(self._meter.share, self._reported)

    @property
    def base_rtt_s(self) -> float | None:
        """The round trip without queues."""
        return self._rtt_min

    @property
    def congested(self) -> bool:
        """A queue is filling up: loss may be its overflow."""
        return self.rtt_s is not None and self._rtt_min is not None and self.rtt_s > self._rtt_min + QUEUE_S

    def round_trip(self, rtt_s: float, now: float) -> None:
        """A receiver report told a round trip."""
        self.rtt_s = rtt_s if self.rtt_s is None else self.rtt_s + (rtt_s - self.rtt_s) / 2
        if self._rtt_min is None:
            self._rtt_min = rtt_s
        else:
            self._rtt_min = min(rtt_s, self._rtt_min + RTT_FORGOTTEN_PER_S * (now - self._rtt_at))
        self._rtt_at = now

    def left_out(self, packets: int, now: float) -> None:
        """So many were never sent, as they would have had to wait too long: the receiver misses them, but it is not its
        link that has lost them."""
        if packets:
            self._left_out += packets
            self._left_out_at = now

    def asked_for(self, now: float) -> None:
        """A packet that the receiver had not asked for before."""
        if now - self._left_out_at > LEFT_OUT_S:
            self._left_out = 0
        if self._left_out:
            self._left_out -= 1
        else:
            self.lost += 1

    def reported(self, fraction: float, now: float) -> None:
        """A receiver report's fraction lost: what its repair left over, so the least that it can be."""
        if not self.limited and now - self._left_out_at > LEFT_OUT_S:
            self._reported += (fraction - self._reported) * REPORT_SMOOTHING

    def look(self, sent: int, now: float) -> None:
        """Look at the totals; `sent` counts packets of all streams, repeats left out."""
        fresh = sent - self._before[0], self.lost - self._before[1]
        self._before = sent, self.lost
        self._seen.append(fresh)
        if self.limited:
            self._seen.clear()
        elif len(self._seen) > DOUBTED_LOOKS:
            packets, lost = self._seen.popleft()
            self._believed = self._believed[0] + packets, self._believed[1] + lost
        self._meter.note(*self._believed, now)
        quiet = not self.loss and not fresh[1] and not any([lost for _, lost in self._seen])
        self.next_look_at = now + (QUIET_LOOK_S if quiet else LOOK_S)
        generous = self.loss >= EARLY_FROM_LOSS and self.early_share > 0
        self.epoch += generous and not self.generous
        self.generous = generous

    def look_soon(self, now: float) -> bool:
        """Something was lost: True when the next look comes sooner by this."""
        if self.next_look_at <= now + LOOK_S:
            return False
        self.next_look_at = now + LOOK_S
        return True

    @property
    def answers(self) -> int:
        """Copies for one request."""
        return 2 if TWICE_FROM_LOSS <= self.loss < HOPELESS_LOSS and not (self.congested or self.filled) else 1

    @property
    def early_share(self) -> float:
        """Share of the bytes to send twice unasked."""
        if self.congested or self.filled or self.loss >= HOPELESS_LOSS:
            return 0.0
        return next((share for loss, share in EARLY_SHARES if self.loss >= loss), 0.0)


class Repair:
    """One stream to one receiver. Numbers are its own, extended."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._resent: dict[int, tuple[float, int]] = {}
        self._credit = 0.0
        self._early_next: int | None = None
        self._epoch = 0
        self.early = 0
        """Packets sent twice unasked."""
        self.repeated = 0
        """Copies in all, for whatever reason."""

    def answer(self, number: int, now: float) -> int:
        """How many copies to send of a packet that was asked for."""
        entry = self._resent.get(number)
        if entry is None:
            self.link.asked_for(now)
            count = 0
        else:
            last, count = entry
            queue_s = FULL_QUEUE_S if self.link.filled else 0.0
            spacing_s = max(RESEND_SPACING_S, 0.8 * (self.link.rtt_s or 0.0)) + queue_s
            if count >= RESEND_LIMIT or now - last < spacing_s:
                return 0
        self._remember(number, now, count + 1)
        return self.link.answers

    def late(self, number: int, now: float) -> bool:
        """A packet goes out after its successors, because it was lost before it came to us. True: send it twice. The
        receiver has asked for it already, and is answered by it."""
        self._remember(number, now, 1)
        return self.link.early_share > 0

    def _remember(self, number: int, now: float, count: int) -> None:
        if len(self._resent) >= REMEMBERED and number not in self._resent:
            del self._resent[next(iter(self._resent))]
        self._resent[number] = now, count

    def spend(self, size: int) -> None:
        """A packet of this size is repeated, for whatever reason."""
        self.repeated += 1
        self._credit = max(-CREDIT_BYTES, self._credit - size)

    def to_look_at(self, highest: int) -> range:
        """Numbers up to `highest` that have not been thought about since the last call."""
        if self._epoch != self.link.epoch:
            self._epoch, self._early_next, self._credit = self.link.epoch, None, 0.0
        first = highest if self._early_next is None else self._early_next
        self._early_next = highest + 1
        return range(max(first, highest - 200), highest + 1)

    def send_sound_early(self) -> bool:
        """Whether a packet of sound is worth sending twice: it is small, and cannot wait."""
        self.early += 1
        return True

    def send_early(self, size: int, layer: int) -> bool:
        """Whether a packet is worth sending twice. `layer` 0 is what all others depend on."""
        share = self.link.early_share
        self._credit = min(CREDIT_BYTES, self._credit + share * size)
        if not share or self._credit <= LAYER_CREDIT[min(layer, 2)]:
            return False
        self.early += 1
        return True
