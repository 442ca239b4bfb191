# SPDX-License-Identifier: Apache-2.0
"""One meeting: who is in it, what they publish, who receives it. No clock and no I/O.

The owner calls a method with `now` (monotonic seconds), then `drain`s what is to be sent and told, and arms one timer
for `next_deadline`. What a peer sent wrong in signalling raises `PeerFault`; wrong packets are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mediaserver.errors import PeerFault
from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu import allowance, lane, tap
from mediaserver.sfu.agenda import Agenda
from mediaserver.sfu.bandwidth.control import Bandwidth
from mediaserver.sfu.bandwidth.view import View
from mediaserver.sfu.consumers import Consumers, describe
from mediaserver.sfu.direct import hand_out
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.events import (
    ConsumerAdded,
    ConsumerClosed,
    ConsumerPaused,
    Direction,
    Event,
    Kind,
    PlayoutDelay,
    ProducerInfo,
    Reason,
    Source,
    SourceFlow,
    SpeakerChanged,
)
from mediaserver.sfu.layers import Layers
from mediaserver.sfu.outbox import Outbox, Outgoing, Received
from mediaserver.sfu.parameters import read_send_parameters
from mediaserver.sfu.plane import Plane
from mediaserver.sfu.ports import Port, Producer, make_producer, no_clash
from mediaserver.sfu.reports import Reports
from mediaserver.sfu.speakers import TOP, Speakers

TICK_S = 0.01
"""How often due work is looked for while something is missing, waits, or is tried out."""
CALM_TICK_S = 0.1
"""How often else: a wake-up costs more than most of what there is to do in it. Publishers get feedback as often."""
REVIEW_S, CALM_REVIEW_S = 0.1, 0.15
"""How often layers and the recorded layer are looked at; in a calm room at every second tick."""
SOURCES: dict[str, Kind] = {"mic": "audio", "cam": "video", "screen": "video", "screen_audio": "audio"}
MAX_PRODUCERS = 4
"""Live producers of one peer: microphone, camera, screen and its sound."""


@dataclass
class _Peer:
    name: str
    place: str
    ports: dict[str, Port] = field(default_factory=dict)
    limit: allowance.Bucket = field(default_factory=allowance.of_peer)

    def over_rate(self) -> int:
        """Packets of its present transports that were over a limit."""
        return sum(
            port.dropped.get(name, 0) for port in self.ports.values() for name in ("over_rate", "rtcp_over_rate")
        )


class Room:
    """One meeting of at most a few dozen peers.

    `new_ssrc` returns a fresh random 32-bit number each time; `wallclock_offset_s` added to `now` gives UTC seconds
    since 1970. `recording_height` is the most lines of a picture that is recorded, `top_audio` how many microphones
    are forwarded at a time. Without `allocate` nothing but `set_target` says what a consumer gets.
    """

    def __init__(
        self,
        room_id: str,
        *,
        new_ssrc: Callable[[], int],
        wallclock_offset_s: float,
        recording_height: int = tap.HEIGHT,
        top_audio: int = TOP,
        allocate: bool = True,
    ) -> None:
        self.room_id = room_id
        self._wallclock_offset_s = wallclock_offset_s
        self._peers: dict[str, _Peer] = {}
        self._ports: dict[str, Port] = {}
        self._lanes: dict[str, lane.Lane] = {}
        self._producers: dict[str, Producer] = {}
        self._count = 0
        self._outbox = Outbox()
        self._layers = Layers(self._outbox)
        self._speakers = Speakers(top_audio)
        self._tap = tap.Tap(self._outbox, self._names, recording_height)
        self._plane = Plane(self._outbox, self._layers, self._speakers, self._tap)
        self._consumers = Consumers(self._layers, new_ssrc)
        self._reports = Reports(new_ssrc())
        self._bandwidth = Bandwidth(self._outbox, self._layers, self._producers, allocate=allocate)
        self._agenda = Agenda()
        self._tick_at: float | None = None
        self._review_at = self._now = 0.0
        self._released: list[Outgoing] = []
        self.resting = False
        """Nothing that is published reaches anybody."""
        self.malformed_rtcp = 0

    def _names(self, peer_id: str) -> tuple[str, str]:
        peer = self._peers[peer_id]
        return peer.name, peer.place

    def join(self, peer_id: str, name: str, place: str, now: float) -> None:
        """A peer enters; joining again under the same id only updates name and place."""
        peer = self._peers.setdefault(peer_id, _Peer(name, place))
        peer.name, peer.place = name, place

    def leave(self, peer_id: str, now: float) -> None:
        """A peer leaves: its producers, consumers and transports end. Unknown ids are ignored."""
        peer = self._peers.pop(peer_id, None)
        for port in list(peer.ports.values()) if peer else []:
            self._end_port(port)
        self._bandwidth.left(peer_id)

    def add_transport(
        self,
        transport_id: str,
        peer_id: str,
        direction: Direction,
        *,
        receives_red: bool = False,
        only: str | None = None,
        now: float = 0.0,
    ) -> None:
        """A transport of a peer, direction as the browser sees it. `receives_red`: the peer understands audio/red.

        `only` limits what it receives to one peer.

        With "recv" the consumers of everything published so far are made, **without** events: read `consumers`.
        Raises PeerFault `unknown_peer`, `transport_exists`.
        """
        peer = self._peers.get(peer_id)
        if peer is None:
            raise PeerFault("unknown_peer")
        if transport_id in self._ports:
            raise PeerFault("transport_exists")
        port = Port(transport_id, peer_id, direction, only, peer.limit)
        peer.ports[transport_id] = self._ports[transport_id] = port
        self._lanes[transport_id] = lane.Lane(self, port, self._bandwidth.receivers, self._plane)
        port.receives_red = receives_red
        if direction == "recv":
            for producer in self._producers.values():
                if port.wants(producer.peer_id):
                    self._consumers.add(port, producer, now)

    def transport_up(self, transport_id: str, now: float) -> None:
        """DTLS has finished: packets may be sent; its video consumers get what is at hand, or a key frame is asked."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        port.up = port.was_up = True
        self._now = now
        port.next_twcc_at = port.next_report_at = now
        self._agenda.wait(port, now)
        for downlink in port.downlinks.values():
            self._layers.attach(self._producers[downlink.producer_id], downlink, now)
        self._bandwidth.attach(port, now)
        self._bandwidth.changed(now)
        self._tick_at = now

    def transport_down(self, transport_id: str, now: float) -> None:
        """Nothing more is sent on this transport until it is up again."""
        port = self._ports.get(transport_id)
        if port is not None:
            port.up = False
            self._bandwidth.detach(port)
            for downlink in port.downlinks.values():
                self._layers.detach(self._producers[downlink.producer_id], downlink)

    def remove_transport(self, transport_id: str, now: float) -> None:
        """Ends a transport with its producers or consumers. Unknown ids are ignored."""
        port = self._ports.get(transport_id)
        if port is not None:
            self._peers[port.peer_id].ports.pop(transport_id, None)
            self._end_port(port)

    def _end_port(self, port: Port) -> None:
        self._agenda.forget(port)
        self._ports.pop(port.transport_id, None)
        self._lanes.pop(port.transport_id, None)
        self._bandwidth.detach(port)
        for producer in list(port.producers.values()):
            self._end_producer(producer)
        for downlink in list(port.downlinks.values()):
            self._consumers.end(self._producers[downlink.producer_id], downlink)

    def produce(self, transport_id: str, source: Source, kind: Kind, rtp_parameters: dict[str, Any], now: float) -> str:
        """A browser starts to publish (mediasoup-client's `produce`). Returns the producer's id.

        A live producer of the same source of this peer is closed first. Raises PeerFault: `unknown_transport`,
        `wrong_direction`, `bad_source`, `bad_rtp_parameters`, `unsupported_codec`, `ssrc_in_use`, `mid_in_use`.
        """
        port = self._ports.get(transport_id)
        if port is None:
            raise PeerFault("unknown_transport")
        if port.direction != "send":
            raise PeerFault("wrong_direction")
        if SOURCES.get(source) != kind:
            raise PeerFault("bad_source")
        parameters = read_send_parameters(kind, rtp_parameters)
        for other in list(port.producers.values()):
            if other.source == source:
                self._end_producer(other)
        no_clash(port, parameters)
        self._count += 1
        levels = codecs.AUDIO_LEVEL_URI in parameters.extension_ids
        voice = self._speakers.add(port.peer_id) if source == "mic" and levels and not parameters.stereo else None
        producer_id = f"{port.peer_id}-{source}-{self._count}"
        producer = make_producer(producer_id, port.peer_id, source, kind, parameters, voice)
        producer.tap_since = producer.began = now
        producer.silenced = self.resting
        port.producers[producer.producer_id] = self._producers[producer.producer_id] = producer
        port.learn(producer)
        for receiver in self._ports.values():
            if receiver.direction == "recv" and receiver.wants(port.peer_id):
                downlink = self._consumers.add(receiver, producer, now)
                self._outbox.events.append(ConsumerAdded(receiver.peer_id, describe(producer, downlink)))
        self._bandwidth.changed(now)
        self._hurry(now)
        return producer.producer_id

    def close_producer(self, producer_id: str, now: float) -> None:
        """Ends a producer and its consumers. Raises PeerFault `unknown_producer`."""
        self._end_producer(self._producer(producer_id))

    def _producer(self, producer_id: str) -> Producer:
        producer = self._producers.get(producer_id)
        if producer is None:
            raise PeerFault("unknown_producer")
        return producer

    def _end_producer(self, producer: Producer) -> None:
        self._producers.pop(producer.producer_id, None)
        for port in self._ports.values():
            port.forget(producer)
        for downlink in producer.downlinks:
            self._consumers.end(producer, downlink)
            self._outbox.events.append(ConsumerClosed(downlink.peer_id, downlink.consumer_id))
        if producer.voice is not None:
            self._speakers.remove(producer.voice)
        self._tap.close(producer)
        self._bandwidth.ended(producer.producer_id)

    def pause_producer(self, producer_id: str, paused: bool, now: float) -> None:
        """The publisher says that it is muted; every consumer is told. Raises PeerFault `unknown_producer`."""
        producer = self._producer(producer_id)
        if producer.paused == paused:
            return
        producer.paused = paused
        if not producer.silenced:
            self._tell_paused(producer, paused, now)

    def _tell_paused(self, producer: Producer, paused: bool, now: float) -> None:
        for downlink in producer.downlinks:
            downlink.since = now
            self._outbox.events.append(ConsumerPaused(downlink.peer_id, downlink.consumer_id, paused))
        self._bandwidth.changed(now)
        self._hurry(now)

    def set_target(
        self, downlink: Downlink, spatial: int | None, temporal: int, reason: Reason | None, now: float
    ) -> None:
        """Let a consumer have at most this layer of its producer; `spatial` None for nothing. What it gets, and why
        no more, is told by ConsumerLayers. Before the first call it has the highest live layer."""
        target = None if spatial is None else (spatial, temporal)
        self._layers.set_target(self._producers[downlink.producer_id], downlink, target, reason, now)
        self._hurry(now)

    def view(self, peer_id: str, view: View, now: float) -> None:
        """What this peer's page shows now: it gets that, as far as its link carries it. Unknown ids are ignored."""
        peer = self._peers.get(peer_id)
        for port in peer.ports.values() if peer else []:
            if port.direction == "recv":
                self._bandwidth.view(port, view, now)
        self._hurry(now)

    def silence_producer(self, producer_id: str, silenced: bool, now: float) -> None:
        """Muted by the host: whatever the publisher sends from now on reaches nobody, the record included.

        Receivers see no loss, and can ask for nothing of that time. Raises PeerFault `unknown_producer`.
        """
        producer = self._producer(producer_id)
        producer.muted = silenced
        self._silence(producer, now)

    def rest(self, resting: bool, now: float) -> None:
        """While a room rests, whatever is published in it reaches nobody, the record included; what begins to be
        published meanwhile, too. Who is muted stays so afterwards."""
        self.resting = resting
        for producer in self._producers.values():
            self._silence(producer, now)

    def _silence(self, producer: Producer, now: float) -> None:
        silenced = producer.muted or self.resting
        if producer.silenced == silenced:
            return
        producer.silenced = silenced
        self._hurry(now)
        if silenced:
            for uplink in producer.uplinks:
                self._layers.restart(producer, uplink, now)
                uplink.forget_kept()
            self._tap.close(producer)
        else:
            producer.tap_since = now
            for uplink in producer.uplinks:
                uplink.want_keyframe(now, urgent=True)
        if not producer.paused:
            self._tell_paused(producer, silenced, now)

    def producers(self) -> list[ProducerInfo]:
        """Everything that is published now."""
        return [
            ProducerInfo(p.producer_id, p.peer_id, p.source, p.kind, p.parameters.codec.name, p.paused)
            for p in self._producers.values()
        ]

    def flows(self, now: float) -> list[SourceFlow]:
        """Of everything that is published, whether it comes."""
        return [
            SourceFlow(
                producer.peer_id,
                producer.source,
                not producer.off and port.was_up and self._bandwidth.needs(producer.producer_id),
                now
                - max([producer.began, *(u.activity.last for u in producer.uplinks if u.activity.last is not None)]),
                max(uplink.activity.live_for(now) for uplink in producer.uplinks),
                producer.paused and not producer.silenced,
            )
            for port in self._ports.values()
            for producer in port.producers.values()
        ]

    def sample(self, peer_id: str, source: str, after: int) -> tuple[str, int, list[bytes]] | None:
        """(codec, number of its last packet, packets) to look into: the newest key frame of the smallest picture, or
        the last second of sound. None when there is no whole one past the packet number `after`."""
        for producer in self._producers.values():
            if producer.peer_id == peer_id and producer.source == source:
                found = producer.uplinks[0].sample(after)
                return None if found is None else (producer.parameters.codec.name, *found)
        return None

    def consumers(self, peer_id: str) -> list[dict[str, Any]]:
        """What this peer receives, JSON-ready: id, producer_id, peer_id, source, kind, paused, rtp_parameters."""
        peer = self._peers.get(peer_id)
        return [one for transport_id in (peer.ports if peer else ()) for one in self.consumers_of(transport_id)]

    def consumers_of(self, transport_id: str) -> list[dict[str, Any]]:
        """The same for one transport."""
        port = self._ports.get(transport_id)
        if port is None:
            return []
        return [describe(self._producers[downlink.producer_id], downlink) for downlink in port.downlinks.values()]

    def lane_of(self, transport_id: str) -> lane.Lane | None:
        """What the compiled plane needs of a transport to take its ordinary packets by itself; None for unknown ids."""
        return self._lanes.get(transport_id)

    def receive_rtp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted RTP packet that comes from the network now. Never raises on bad bytes."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        self._now = now
        if lane.forward is not None and lane.forward(self._lanes[transport_id], packet, now, self._outbox.packets):
            return
        self._plane.receive(port, packet, now, now)
        if self._plane.gap:
            self._ask_soon(port, now)

    def receive_burst(self, packets: list[Received], now: float) -> None:
        """The same of packets that came one after the other, and are taken together now; what of them simply passes
        goes to each receiver at once, and is drained by `drain`."""
        if lane.forward is not None:
            for transport_id, packet, came_at in packets:
                self.receive_rtp(transport_id, packet, came_at)
            return
        plane = self._plane
        plane.holds, self._now = True, now
        for transport_id, packet, came_at in packets:
            if (port := self._ports.get(transport_id)) is not None:
                plane.receive(port, packet, now, came_at)
                if plane.gap:
                    self._ask_soon(port, now)
        plane.holds = False
        if plane.held:
            held, plane.held = plane.held, []
            hand_out(held, self._bandwidth.receivers, self._outbox, now)

    def _ask_soon(self, port: Port, now: float) -> None:
        """Something is missing of what a publisher sent."""
        self._plane.gap = False
        self._hurry(now)
        for receiver in self._ports.values():
            self._look_soon(receiver, now)  # it may have to wait longer for what is repaired
        urgent = self._reports.urgent(port, now)
        self._outbox.packets += [(port.transport_id, bytearray(data), True) for data in urgent]

    def receive_rtcp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted compound RTCP packet from the network. Never raises on bad bytes."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        if not port.limit.take(len(packet), now):
            port.drop("rtcp_over_rate")
            return
        self._now = max(self._now, now)  # it came before what was taken with it
        reports, whole = rtcp.parse(packet)
        if not whole:
            self.malformed_rtcp += 1
            port.drop("malformed_rtcp")
        by_ssrc: dict[int, Downlink] | None = None
        for report in reports:
            if isinstance(report, TransportFeedback):
                self._bandwidth.feedback(port, report, now)
                continue
            if by_ssrc is None:
                by_ssrc = {downlink.ssrc: downlink for downlink in port.downlinks.values()}
            for block in getattr(report, "blocks", ()):
                if (downlink := by_ssrc.get(block.ssrc)) is not None:
                    self._reported(port, downlink, block, now)
            if isinstance(report, rtcp.SenderReport):
                self._sender_report(port, report, now)
            elif isinstance(report, rtcp.Remb):
                self._bandwidth.remb(port, report.bitrate, now)
            elif isinstance(report, rtcp.Nack | rtcp.KeyframeRequest):
                self._feedback(port, by_ssrc.get(report.media_ssrc), report, now)
            # A BYE is passed over: closing is signalled, and it alone must not end a recorded track.

    def _reported(self, port: Port, downlink: Downlink, block: rtcp.ReportBlock, now: float) -> None:
        downlink.receiver_report(block, now)
        if downlink.fraction_lost:
            self._look_soon(port, now)
        self._bandwidth.report(port, downlink.fraction_lost, downlink.rtt_s, now)

    def _feedback(
        self, port: Port, downlink: Downlink | None, report: rtcp.Nack | rtcp.KeyframeRequest, now: float
    ) -> None:
        if downlink is None or not port.up:
            return
        if isinstance(report, rtcp.KeyframeRequest):
            if downlink.uplink is not None:
                downlink.uplink.want_keyframe(now)
                self._hurry(now)
            return
        resend = downlink.answer_nack(report.sequence_numbers, now)
        self._look_soon(port, now)
        self._outbox.packets += [(port.transport_id, copy, False) for copy in resend]

    def _sender_report(self, port: Port, report: rtcp.SenderReport, now: float) -> None:
        entry = port.by_ssrc.get(report.ssrc)
        if entry is None or entry[2]:
            return
        producer, uplink, _ = entry
        uplink.sender_report(report, now)
        self._tap.report(producer, uplink, report, now)

    def handle_timer(self, now: float) -> None:
        """Does what is due at `now`; calling it early or late does no harm."""
        if self._tick_at is None or now < self._tick_at:
            return
        self._now = now
        restless = False
        for port in self._agenda.due(now):
            if port.downlinks and (port.link.generous or now >= port.link.next_look_at):
                self._repair(port, now)
            if port.direction == "send":
                reports = self._reports.of_publisher(port, now)
                if port.narrow.began == now:
                    self._review_at = now  # its upper layers are to be switched off at once
                self._agenda.wait(port, now)
            else:
                reports = self._reports.of_receiver(port, now)
                restless = restless or port.link.generous
                self._agenda.wait(port, now if port.link.generous else min(port.link.next_look_at, port.next_report_at))
            self._outbox.packets += [(port.transport_id, bytearray(data), True) for data in reports]
        if self._speakers.review(now):
            if self._speakers.speaker is not None:
                self._bandwidth.spoke(self._speakers.speaker)
            self._outbox.events.append(SpeakerChanged(self._speakers.speaker))
            self._review_at = now
        if now >= self._review_at:
            self._review_at = now + CALM_REVIEW_S
            self._review(now)
        self._released += self._bandwidth.tick(now)
        self._tick_at = now + CALM_TICK_S if self._agenda else None
        asks = not all(uplink.content for producer in self._producers.values() for uplink in producer.uplinks)
        if restless or self._bandwidth.restless or asks:  # a publisher for something
            self._hurry(now)

    def _hurry(self, now: float) -> None:
        """Something is to be done sooner than a calm room looks."""
        self._review_at = min(self._review_at, now + REVIEW_S)
        if self._tick_at is not None:
            self._tick_at = min(self._tick_at, now + TICK_S)

    def _look_soon(self, port: Port, now: float) -> None:
        """Something is lost on the way to a receiver."""
        if port.downlinks and port.up and port.link.look_soon(now):
            self._agenda.wait(port, min(port.link.next_look_at, port.next_report_at))

    def _repair(self, port: Port, now: float) -> None:
        """Repeat unasked what is worth it, and tell how long to wait for repair."""
        if port.link.generous:
            for downlink in port.downlinks.values():
                self._outbox.packets += [(port.transport_id, copy, False) for copy in downlink.early()]
        if now < port.link.next_look_at:
            return
        port.link.look(sum(downlink.packets for downlink in port.downlinks.values()), now)
        for downlink in port.downlinks.values():
            if downlink.held_back:
                port.link.look_soon(now)
            if (delay_ms := downlink.playout_delay(now)) is not None:
                self._outbox.events.append(PlayoutDelay(port.peer_id, downlink.consumer_id, delay_ms))

    def _review(self, now: float) -> None:
        for port in self._ports.values():
            if port.producers:
                for producer in port.producers.values():
                    producer.upper_rest = port.narrow.rests(now)
        for producer in self._producers.values():
            self._layers.review(producer, now)
            self._tap.review(producer, now)
        self._bandwidth.review(self._tap.height if self._tap.on else None, now)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has work next, in monotonic seconds; None when nothing is waiting."""
        return self._tick_at

    def record(self, on: bool, now: float) -> None:
        """Turns the recording outputs on or off; each turn on opens new epochs."""
        self._tap.switch(on, list(self._producers.values()), now)
        self._hurry(now)

    def tape(self, producer_id: str, tape: Any | None) -> None:
        """Ordinary packets of the open epoch go onto this tape; None: each is an event. Unknown ids are ignored."""
        if (producer := self._producers.get(producer_id)) is not None and producer.tapped is not None:
            producer.tape = tape

    def request_keyframe(self, producer_id: str, now: float) -> None:
        """Asks the publisher for a key frame of what is recorded, through the throttle. Unknown ids and audio are
        ignored."""
        producer = self._producers.get(producer_id)
        if producer is not None:
            self._tap.keyframe(producer, now)
            self._hurry(now)

    def drain(self) -> tuple[dict[str, list[bytearray]], list[Outgoing], list[Event]]:
        """All that is to leave and to be told, in this order: RTP packets of bursts by transport (each in its order and
        the caller's own), then as `drain_packets` and `drain_events`."""
        outbox, waits = self._outbox, self._outbox.packets or self._released or self._bandwidth.stirred
        direct = outbox.take_direct() if outbox.direct else {}
        return direct, self.drain_packets() if waits else [], outbox.take_events() if outbox.events else []

    @property
    def in_doubt(self) -> bool:
        """What receivers tell is to be heard soon: a link is not known to be well. Else it may wait for the tick."""
        return self._bandwidth.doubtful

    def drain_packets(self) -> list[Outgoing]:
        """(transport_id, plain packet, is_rtcp) to protect and send, in order; each packet is the caller's own."""
        released, self._released = self._released, []
        packets = self._outbox.take_packets()
        if packets:
            packets = self._bandwidth.outgoing(packets, self._now)
        if self._bandwidth.stirred:
            self._hurry(self._now)  # the rest of a burst waits for its turn
        return released + packets if released else packets

    def drain_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        return self._outbox.take_events()

    def stats(self, now: float) -> dict[str, Any]:
        """Counters of the room and of every stream, JSON-ready."""
        return {
            "room": self.room_id,
            "utc_s": round(now + self._wallclock_offset_s, 3),
            "peers": len(self._peers),
            "speaker": self._speakers.speaker,
            "links": self._bandwidth.stats(now),
            "malformed_rtcp": self.malformed_rtcp,
            "dropped": {port.transport_id: port.dropped for port in self._ports.values() if port.dropped},
            "over_rate": {name: count for name, peer in self._peers.items() if (count := peer.over_rate())},
            "producers": [producer.stats(now) for producer in self._producers.values()],
        }
