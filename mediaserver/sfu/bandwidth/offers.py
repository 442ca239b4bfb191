# SPDX-License-Identifier: Apache-2.0
"""What each producer of video has to offer: the layers that come, and those that would come if anybody wanted them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mediaserver.sfu.bandwidth.demand import Demand
from mediaserver.sfu.bandwidth.view import Offer
from mediaserver.sfu.ports import Producer

USUAL_BPS = (150_000.0, 500_000.0, 1_500_000.0)
"""Of a layer that has not come yet."""
COMES_WITHIN_S = 3.0
"""A layer that was asked for and has not come after this time is one that the publisher cannot send now. It is asked
for anew: to be told so makes Chromium try what its link carries, which by itself it hardly does."""
LATER_S, MOST_S = 0.5, 6.0
"""The next try waits longer by LATER_S, MOST_S at most: each costs key frames of the layers that do come."""
PEAK_SHARE, PEAK_HALVES_S = 0.85, 10.0
RAMP_S = 4.0
"""A layer that has just begun costs less than it soon will: for this time, and before it comes, it counts as nearly
what it was at its peak of late."""


WAVERING = 0.1
"""A layer whose cost differs by less than this part is the same to a receiver that has it."""


def _alike(one: Offer, other: Offer) -> bool:
    if one is other:
        return True
    costs, others = sum(one.layers, ()), sum(other.layers, ())
    return (
        (one.heights, one.spatials, one.paused, one.rank) == (other.heights, other.spatials, other.paused, other.rank)
        and len(costs) == len(others)
        and all(abs(a - b) <= WAVERING * b for a, b in zip(costs, others, strict=True))
    )


class Offers:
    """Of one room."""

    def __init__(self) -> None:
        self._usual: dict[str, list[tuple[float, ...]]] = {}
        self._announced: dict[str, int] = {}
        self._peaks: dict[str, list[float]] = {}
        self._noted_at = 0.0
        self._asked: dict[str, float] = {}
        self._patience: dict[
            str, tuple[float, int]
        ] = {}  # seconds for the next try, and the layer that came at the last
        self._ranks: dict[str, int] = {}
        self._of: dict[str, tuple[float, Offer]] = {}
        self._seen: list[Offer] = []

    def spoke(self, peer_id: str) -> None:
        """This peer is the active speaker: among equals its picture comes first."""
        self._ranks[peer_id] = min(self._ranks.values(), default=0) - 1
        self._of.clear()

    def note(self, producers: Iterable[Producer], demands: Mapping[str, Demand], now: float) -> None:
        """Remember what the layers cost while they come."""
        self._of = {name: (-math.inf, offer) for name, (_, offer) in self._of.items()}
        fade = 0.5 ** ((now - self._noted_at) / PEAK_HALVES_S)
        self._noted_at = now
        for producer in producers:
            if producer.kind != "video":
                continue
            usual = self._usual.get(producer.producer_id)
            if usual is None:
                usual = [(USUAL_BPS[min(layer, 2)],) for layer in range(len(producer.uplinks))]
                self._usual[producer.producer_id] = usual
                self._asked[producer.producer_id] = now
                self._peaks[producer.producer_id] = [0.0] * len(usual)
            peaks = self._peaks[producer.producer_id]
            demand = demands.get(producer.producer_id)
            self._announced[producer.producer_id] = len(usual) - 1 if demand is None else demand.announced
            for layer, uplink in enumerate(producer.uplinks):
                settled = uplink.activity.live_for(now) >= RAMP_S
                rates: Sequence[float] = uplink.bitrate_bps(now) if uplink.live(now) else usual[layer]
                if rates and rates[-1] > 0:
                    if uplink.live(now):
                        peaks[layer] = max(peaks[layer] * (fade if settled else 1.0), PEAK_SHARE * rates[-1])
                    share = 1.0 if settled or not peaks[layer] else max(1.0, peaks[layer] / rates[-1])
                    usual[layer] = tuple(rate * share for rate in rates)

    def asked(self, producer: Producer, highest: int, now: float) -> None:
        """The publisher was told to send up to this layer."""
        self._announced[producer.producer_id] = highest
        self._asked[producer.producer_id] = now
        self._of.pop(producer.producer_id, None)

    def missed(self, producer: Producer, now: float) -> int | None:
        """The highest layer that comes, where the publisher was told long enough ago to send more; else None."""
        name = producer.producer_id
        announced = self._announced.get(name, 0)
        coming = max((uplink.layer for uplink in producer.uplinks if uplink.live(now)), default=announced)
        patience_s, came = self._patience.get(name, (COMES_WITHIN_S, coming))
        if coming > came:
            patience_s = COMES_WITHIN_S
        if coming >= announced or now - self._asked.get(name, now) < patience_s:
            return None
        self._patience[name] = min(MOST_S, patience_s + LATER_S), coming
        return coming

    def forget(self, producer_id: str) -> None:
        """The producer has ended."""
        for known in (self._usual, self._peaks, self._announced, self._asked, self._patience, self._of):
            known.pop(producer_id, None)
        self._seen.clear()

    def left(self, peer_id: str) -> None:
        """The peer has gone."""
        self._ranks.pop(peer_id, None)

    def of(self, producer: Producer, now: float) -> Offer:
        """For any consumer, whose id is left empty; the same object as long as it says the same. A layer is to be had
        when it comes, was asked for lately, or was stopped for want of viewers."""
        known = self._of.get(producer.producer_id)
        if known is not None and known[0] == now:
            return known[1]
        offer = self._look(producer, now)
        if known is not None and offer == known[1]:
            offer = known[1]
        self._of[producer.producer_id] = now, offer
        return offer

    def changed(self, producers: Iterable[Producer], now: float) -> bool:
        """Whether any offer says something else than when this was last true; a cost that wavers does not count."""
        offers = [self.of(producer, now) for producer in producers if producer.kind == "video"]
        if len(offers) == len(self._seen) and all(map(_alike, offers, self._seen)):
            return False
        self._seen = offers
        return True

    def _look(self, producer: Producer, now: float) -> Offer:
        usual = self._usual.get(producer.producer_id)
        if usual is None:
            usual = [(USUAL_BPS[min(layer, 2)],) for layer in range(len(producer.uplinks))]
        announced = self._announced.get(producer.producer_id, len(usual) - 1)
        lately = now - self._asked.get(producer.producer_id, now) < COMES_WITHIN_S
        found = [
            layer
            for layer, uplink in enumerate(producer.uplinks)
            if lately or layer > announced or uplink.live(now) or layer == 0
        ]
        return Offer(
            "",
            producer.source == "screen",
            tuple(usual[layer] for layer in found),
            tuple(producer.uplinks[layer].height for layer in found),
            tuple(found),
            producer.paused,
            self._ranks.get(producer.peer_id, 0),
        )
