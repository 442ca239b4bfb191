# SPDX-License-Identifier: Apache-2.0
"""Bandwidth in a room: every receiving transport has an estimate, a pacer and an allocator; every producer of video a
demand for its layers. Joins what the parts of this package decide to the room's ports and layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.allocator import Target
from mediaserver.sfu.bandwidth.demand import NOBODY, Demand, recorded_layer
from mediaserver.sfu.bandwidth.offers import Offers
from mediaserver.sfu.bandwidth.outgoing import outgoing
from mediaserver.sfu.bandwidth.receiver import REST_S, Receiver
from mediaserver.sfu.bandwidth.view import View
from mediaserver.sfu.downlink import ALL_LAYERS, Downlink
from mediaserver.sfu.events import ProducerLayers, Reason
from mediaserver.sfu.layers import Layers
from mediaserver.sfu.outbox import Outbox, Outgoing
from mediaserver.sfu.ports import Port, Producer

HEAVY = 0.5
"""A base layer of more than this part of the estimate is not sent on while a lower one is waited for."""


class Bandwidth:
    """Of one room."""

    def __init__(
        self, outbox: Outbox, layers: Layers, producers: Mapping[str, Producer], *, allocate: bool = True
    ) -> None:
        self._allocates = allocate
        self._outbox, self._layers, self._producers = outbox, layers, producers
        self.receivers: dict[str, Receiver] = {}
        """By transport; always this one dictionary."""
        self.stirred: dict[str, Receiver] = {}
        """Those of which a tick has something to look at; of the others there is no news before `_look_at`."""
        self._look_at = -math.inf
        self._awake: dict[str, Receiver] = {}
        """Those of which a review has something to look at; the others rest, some no longer than `_rests_until`."""
        self._rests_until = -math.inf
        self._demands: dict[str, Demand] = {}
        self._offers = Offers()
        self.restless = False
        """As of the last tick: packets wait, or a link does not carry all that is wanted, and is tried."""

    # Receivers

    def attach(self, port: Port, now: float) -> None:
        """A receiving transport can be sent to."""
        if port.direction == "recv" and port.transport_id not in self.receivers:
            receiver = self.receivers[port.transport_id] = Receiver(port, now, self.stirred, self._awake)
            receiver.stir()
            receiver.wake()

    def detach(self, port: Port) -> None:
        """It cannot any more; what was known of its link is forgotten."""
        self.receivers.pop(port.transport_id, None)
        self.stirred.pop(port.transport_id, None)
        self._awake.pop(port.transport_id, None)

    @property
    def doubtful(self) -> bool:
        """A receiver that gives feedback has not lately shown that its link is well."""
        return any([r.sender.by_feedback and not r.meter.calm for r in self.receivers.values()])

    def view(self, port: Port, view: View, now: float) -> None:
        """The page shows something else now; what it asks for is given at once."""
        port.view = view
        receiver = self.receivers.get(port.transport_id)
        if receiver is not None:
            self._allocate(receiver, now)

    def feedback(self, port: Port, feedback: TransportFeedback, now: float) -> None:
        """Transport-wide feedback of a receiver."""
        receiver = self.receivers.get(port.transport_id)
        if receiver is None:
            return
        for told in receiver.meter.take(feedback, now):
            receiver.told(*told)
        if receiver.fell:
            self._allocate(receiver, now)

    def remb(self, port: Port, bps: int, now: float) -> None:
        """A receiver's own estimate."""
        receiver = self.receivers.get(port.transport_id)
        if receiver is not None:
            receiver.sender.remb(bps, now)
            receiver.wake()

    def report(self, port: Port, fraction_lost: float, rtt_s: float | None, now: float) -> None:
        """A receiver's report of one stream."""
        receiver = self.receivers.get(port.transport_id)
        if receiver is not None:
            receiver.sender.receiver_report(fraction_lost, rtt_s, now)
            if not receiver.sender.by_feedback:
                receiver.wake()

    # Packets

    def outgoing(self, packets: list[Outgoing], now: float) -> list[Outgoing]:
        """What of `packets` leaves now, in order, each with its transport-wide number; the rest of a burst waits."""
        return outgoing(packets, self.receivers, now)

    def tick(self, now: float) -> list[Outgoing]:
        """What waited for its turn, and padding, to be sent now. To be called every 10 ms or so."""
        everybody = now >= self._look_at
        receivers = list((self.receivers if everybody else self.stirred).values())
        out: list[Outgoing] = []
        self.stirred.clear()
        look_at = math.inf if everybody else self._look_at
        for receiver in receivers:
            sender, pacer = receiver.sender, receiver.pacer
            if receiver.fell:
                self._allocate(receiver, now)
            if now >= sender.due_at or pacer.waiting:
                out += _due(receiver, now)
            if pacer.waiting or sender.short:
                receiver.stir()
            elif sender.due_at < look_at:
                look_at = sender.due_at
        self._look_at = look_at
        self.restless = bool(self.stirred)
        return out

    # Layers

    def review(self, recording_height: int | None, now: float) -> None:
        """Allocate anew, where there is reason to, and see which layers are needed; `recording_height` is None while
        nothing is recorded. To be called about ten times a second."""
        self._offers.note(self._producers.values(), self._demands, now)
        changed = self._offers.changed(self._producers.values(), now)
        if changed:
            self._allocate_all(now)
        elif now >= self._rests_until:  # all whose time is soon: to wake them together costs less than one by one
            for receiver in self.receivers.values():
                if receiver.rests_until < now + REST_S / 4:
                    self._allocate(receiver, now)
            self._rests_until = now + REST_S / 2
        else:
            for receiver in list(self._awake.values()):
                self._allocate(receiver, now)
        self._demand(recording_height, now)

    def changed(self, now: float) -> None:
        """A producer came, went, was paused or goes on."""
        self._offers.note(self._producers.values(), self._demands, now)
        self._allocate_all(now)

    def _allocate_all(self, now: float) -> None:
        for receiver in self.receivers.values():
            self._allocate(receiver, now)

    def _allocate(self, receiver: Receiver, now: float) -> None:
        if not self._allocates:
            return
        for downlink, target in receiver.allocate(self._producers, self._offers, now):
            self._apply(receiver, downlink, target, now)
        if receiver.sender.due_at < now:
            receiver.stir()  # it wants something else now

    def _apply(self, receiver: Receiver, downlink: Downlink, target: Target, now: float) -> None:
        producer = self._producers[downlink.producer_id]
        wanted = None
        if target.level is not None:
            top = len(producer.uplinks) - 1
            spatial = ALL_LAYERS if producer.parameters.codec.layered or not top else target.level.spatial
            wanted = spatial, target.level.temporal
        elif target.reason == "publisher" and producer.paused:
            return  # muted: what it gets when the publisher goes on is decided then
        reason: Reason | None = target.reason
        if (wanted, reason) != (downlink.target, downlink.reason):
            self._layers.set_target(producer, downlink, wanted, reason, now)
            if reason == "bandwidth":
                _stop_overflow(receiver, downlink, now)

    def _demand(self, recording_height: int | None, now: float) -> None:
        for producer in self._producers.values():
            if producer.kind != "video":
                continue
            demand = self._demands.get(producer.producer_id)
            if demand is None:
                demand = self._demands[producer.producer_id] = Demand(len(producer.uplinks))
            needed = _highest_needed(producer, recording_height)
            if not any(receiver.port.peer_id != producer.peer_id for receiver in self.receivers.values()):
                needed = max(0, needed)  # alone: the first who comes is to see something at once
            most = 0 if producer.upper_rest else self._offers.missed(producer, now)
            news = demand.update(needed, now, most) if self._allocates else None
            if news is not None:
                self._offers.asked(producer, demand.announced, now)
                self._outbox.events.append(ProducerLayers(producer.peer_id, producer.producer_id, news))
                if news >= 0:
                    producer.uplinks[news].want_keyframe(now, urgent=True)

    def needs(self, producer_id: str) -> bool:
        """False while the publisher was told that nobody needs this picture."""
        demand = self._demands.get(producer_id)
        return demand is None or demand.announced != NOBODY

    def ended(self, producer_id: str) -> None:
        """A producer has ended; one may end before it was ever looked at."""
        self._demands.pop(producer_id, None)
        self._offers.forget(producer_id)

    def left(self, peer_id: str) -> None:
        """A peer has gone."""
        self._offers.left(peer_id)

    def spoke(self, peer_id: str) -> None:
        """The active speaker's picture comes first among equals."""
        self._offers.spoke(peer_id)

    def stats(self, now: float) -> dict[str, Any]:
        """By transport, JSON-ready."""
        return {name: receiver.stats(now) for name, receiver in self.receivers.items()}


def _due(receiver: Receiver, now: float) -> list[Outgoing]:
    """What of one receiver waited for its turn, and padding, with their numbers."""
    due = receiver.pacer.due(now) if receiver.pacer.waiting else []
    wanted = receiver.sender.tick(now)
    receiver.wake()
    if wanted > 0 and not receiver.pacer.waiting:
        due += receiver.padding(wanted)
    for item in due:
        receiver.number(item[1], now)
    return due


def _stop_overflow(receiver: Receiver, downlink: Downlink, now: float) -> None:
    """A layer whose least is more than the whole link carries stops at once: the queue must be empty by the time that
    the key frame of the lower one comes."""
    uplink, want = downlink.uplink, downlink.want
    down = want is not None and uplink is not None and want.layer < uplink.layer
    if downlink.target is not None and not down:
        return
    if uplink is not None and uplink.bitrate_bps(now)[0] > HEAVY * receiver.sender.estimate_bps(now):
        downlink.hold_back()
    ssrc = downlink.ssrc.to_bytes(4)
    receiver.port.link.left_out(receiver.pacer.drop_if(lambda item: item[1][8:12] == ssrc), now)


def _highest_needed(producer: Producer, recording_height: int | None) -> int:
    top = len(producer.uplinks) - 1
    if producer.needed is None:
        wanted = [d.target[0] for d in producer.downlinks if not d.waiting and d.target is not None]
        producer.needed = max(wanted, default=NOBODY)
    needed = min(top, producer.needed)
    if recording_height is not None:
        needed = max(needed, recorded_layer([uplink.height for uplink in producer.uplinks], recording_height))
    return needed
