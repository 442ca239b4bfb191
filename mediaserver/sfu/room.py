# SPDX-License-Identifier: Apache-2.0
"""One meeting: who is in it, what they publish, who receives it. No clock and no I/O.

The owner calls a method with `now` (monotonic seconds), then drains: `drain_packets` (plain packets to protect and
send) and `drain_events`, and arms one timer for `next_deadline`. Every call that changes the room is followed by a
drain. What a peer sent wrong in signalling raises `PeerFault`; wrong packets are dropped and counted, never raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mediaserver.errors import PeerFault
from mediaserver.rtp import rtcp
from mediaserver.rtp.clock import utc_from_ntp
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.events import (
    ConsumerAdded,
    ConsumerClosed,
    ConsumerPaused,
    Direction,
    Event,
    Kind,
    ProducerInfo,
    RecordedReport,
    RecordedTrackClosed,
    RecordedTrackOpened,
    Source,
    TrackFacts,
)
from mediaserver.sfu.parameters import read_send_parameters, receive_parameters
from mediaserver.sfu.plane import Outgoing, Plane
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.reports import Reports
from mediaserver.sfu.uplink import Uplink

TICK_S = 0.01
"""How often due work is looked for while media may flow."""
SOURCES: dict[str, Kind] = {"mic": "audio", "cam": "video", "screen": "video"}
MAX_PRODUCERS = 4
"""Live producers of one peer: microphone, camera, screen and one spare."""


@dataclass
class _Peer:
    name: str
    place: str
    ports: dict[str, Port] = field(default_factory=dict)


class Room:
    """One meeting of at most a few dozen peers.

    `new_ssrc` returns a fresh random 32-bit number each time; `wallclock_offset_s` added to `now` gives UTC seconds
    since 1970.
    """

    def __init__(self, room_id: str, *, new_ssrc: Callable[[], int], wallclock_offset_s: float) -> None:
        self.room_id = room_id
        self._new_ssrc = new_ssrc
        self._wallclock_offset_s = wallclock_offset_s
        self._peers: dict[str, _Peer] = {}
        self._ports: dict[str, Port] = {}
        self._producers: dict[str, Producer] = {}
        self._count = 0
        self._plane = Plane()
        self._reports = Reports(new_ssrc())
        self._tick_at: float | None = None
        self.malformed_rtcp = 0

    def join(self, peer_id: str, name: str, place: str, now: float) -> None:
        """A peer enters; joining again under the same id only updates name and place."""
        peer = self._peers.setdefault(peer_id, _Peer(name, place))
        peer.name, peer.place = name, place

    def leave(self, peer_id: str, now: float) -> None:
        """A peer leaves: its producers, consumers and transports end. Unknown ids are ignored."""
        peer = self._peers.pop(peer_id, None)
        for port in list(peer.ports.values()) if peer else []:
            self._end_port(port)

    def add_transport(self, transport_id: str, peer_id: str, direction: Direction) -> None:
        """A transport of a peer, direction as the browser sees it.

        With "recv" the consumers of everything published so far are made, **without** events: read `consumers`.
        Raises PeerFault `unknown_peer`, `transport_exists`.
        """
        peer = self._peers.get(peer_id)
        if peer is None:
            raise PeerFault("unknown_peer")
        if transport_id in self._ports:
            raise PeerFault("transport_exists")
        port = peer.ports[transport_id] = self._ports[transport_id] = Port(transport_id, peer_id, direction)
        if direction == "recv":
            for producer in self._producers.values():
                if producer.peer_id != peer_id:
                    self._consume(port, producer)

    def transport_up(self, transport_id: str, now: float) -> None:
        """DTLS has finished: packets may be sent; its video consumers ask for key frames from now on."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        port.up = True
        port.next_twcc_at = port.next_report_at = now
        for downlink in port.downlinks.values():
            downlink.waiting = False
            if downlink.start is None:
                downlink.uplink.want_keyframe(now)
        self._tick_at = now

    def transport_down(self, transport_id: str, now: float) -> None:
        """Nothing more is sent on this transport until it is up again."""
        port = self._ports.get(transport_id)
        if port is not None:
            port.up = False
            for downlink in port.downlinks.values():
                downlink.waiting = True

    def remove_transport(self, transport_id: str, now: float) -> None:
        """Ends a transport with its producers or consumers. Unknown ids are ignored."""
        port = self._ports.get(transport_id)
        if port is not None:
            self._peers[port.peer_id].ports.pop(transport_id, None)
            self._end_port(port)

    def _end_port(self, port: Port) -> None:
        self._ports.pop(port.transport_id, None)
        for producer in list(port.producers.values()):
            self._end_producer(producer)
        for downlink in port.downlinks.values():
            producer = self._producers[downlink.producer_id]
            producer.downlinks = tuple(other for other in producer.downlinks if other is not downlink)

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
        if any(p.parameters.mid == parameters.mid for p in port.producers.values()) and parameters.mid is not None:
            raise PeerFault("mid_in_use")
        ssrcs = [s for e in parameters.encodings for s in (e.ssrc, e.rtx_ssrc) if s is not None]
        if len(set(ssrcs)) != len(ssrcs) or any(ssrc in port.by_ssrc for ssrc in ssrcs):
            raise PeerFault("ssrc_in_use")
        self._count += 1
        uplinks = tuple(Uplink(parameters.codec) for _ in parameters.encodings)
        producer = Producer(f"{port.peer_id}-{source}-{self._count}", port.peer_id, source, kind, parameters, uplinks)
        port.producers[producer.producer_id] = self._producers[producer.producer_id] = producer
        port.learn(producer)
        for receiver in self._ports.values():
            if receiver.direction == "recv" and receiver.peer_id != port.peer_id:
                downlink = self._consume(receiver, producer)
                self._plane.events.append(ConsumerAdded(receiver.peer_id, self._describe(downlink)))
                if receiver.up:
                    producer.uplinks[0].want_keyframe(now)
        return producer.producer_id

    def _consume(self, port: Port, producer: Producer) -> Downlink:
        self._count += 1
        downlink = Downlink(
            f"c{self._count}",
            producer.producer_id,
            port.peer_id,
            port.transport_id,
            str(port.next_mid),
            producer.uplinks[0],
            self._new_ssrc(),
            self._new_ssrc() if producer.parameters.codec.rtx_payload_type else None,
            self._new_ssrc() & 0x7FFF,
        )
        port.next_mid += 1
        downlink.waiting = not port.up
        port.downlinks[downlink.consumer_id] = downlink
        producer.downlinks = (*producer.downlinks, downlink)
        return downlink

    def _describe(self, downlink: Downlink) -> dict[str, Any]:
        producer = self._producers[downlink.producer_id]
        return {
            "id": downlink.consumer_id,
            "producer_id": producer.producer_id,
            "peer_id": producer.peer_id,
            "source": producer.source,
            "kind": producer.kind,
            "paused": producer.paused,
            "rtp_parameters": receive_parameters(
                producer.parameters.codec, downlink.mid, downlink.ssrc, downlink.rtx_ssrc, producer.peer_id
            ),
        }

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
            port_of = self._ports.get(downlink.transport_id)
            if port_of is not None:
                port_of.downlinks.pop(downlink.consumer_id, None)
            self._plane.events.append(ConsumerClosed(downlink.peer_id, downlink.consumer_id))
        if producer.recorded:
            producer.recorded = False
            self._plane.events.append(RecordedTrackClosed(producer.producer_id))

    def pause_producer(self, producer_id: str, paused: bool, now: float) -> None:
        """The publisher says that it is muted; every consumer is told. Raises PeerFault `unknown_producer`."""
        producer = self._producer(producer_id)
        if producer.paused == paused:
            return
        producer.paused = paused
        for downlink in producer.downlinks:
            self._plane.events.append(ConsumerPaused(downlink.peer_id, downlink.consumer_id, paused))

    def producers(self) -> list[ProducerInfo]:
        """Everything that is published now."""
        return [
            ProducerInfo(p.producer_id, p.peer_id, p.source, p.kind, p.parameters.codec.name, p.paused)
            for p in self._producers.values()
        ]

    def consumers(self, peer_id: str) -> list[dict[str, Any]]:
        """What this peer receives, JSON-ready: id, producer_id, peer_id, source, kind, paused, rtp_parameters."""
        peer = self._peers.get(peer_id)
        ports = peer.ports.values() if peer else []
        return [self._describe(downlink) for port in ports for downlink in port.downlinks.values()]

    def receive_rtp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted RTP packet from the network. Never raises on bad bytes."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        first = self._plane.receive(port, packet, now)
        if first is not None:
            self._open_recorded(first, now)

    def _open_recorded(self, producer: Producer, now: float) -> None:
        """Begin an epoch of the recording with its first packet, and ask for a key frame to begin the picture."""
        uplink, peer, parameters = producer.uplinks[0], self._peers[producer.peer_id], producer.parameters
        assert uplink.ssrc is not None, "a packet came, so its SSRC is known"
        facts = TrackFacts(
            producer.peer_id,
            peer.name,
            peer.place,
            producer.source,
            producer.kind,
            parameters.codec.name,
            parameters.codec.clock_rate,
            parameters.payload_type,
            uplink.ssrc,
            parameters.codec.channels,
            dict(parameters.extension_ids),
        )
        self._plane.events.append(RecordedTrackOpened(producer.producer_id, facts))
        producer.recorded = True
        self._plane.record_first()
        if uplink.report is not None:
            self._recorded_report(producer, uplink.report, uplink.report_at)
        uplink.want_keyframe(now)

    def _recorded_report(self, producer: Producer, report: rtcp.SenderReport, arrival: float) -> None:
        self._plane.events.append(
            RecordedReport(producer.producer_id, report.ntp / (1 << 32), report.rtp_timestamp, arrival)
        )

    def receive_rtcp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted compound RTCP packet from the network. Never raises on bad bytes."""
        port = self._ports.get(transport_id)
        if port is None:
            return
        reports, whole = rtcp.parse(packet)
        if not whole:
            self.malformed_rtcp += 1
            port.drop("malformed_rtcp")
        by_ssrc = {downlink.ssrc: downlink for downlink in port.downlinks.values()}
        for report in reports:
            for block in getattr(report, "blocks", ()):
                if (downlink := by_ssrc.get(block.ssrc)) is not None:
                    downlink.receiver_report(block, now)
            if isinstance(report, rtcp.SenderReport):
                self._sender_report(port, report, now)
            elif isinstance(report, rtcp.Remb):
                port.remb_bitrate = report.bitrate
            elif isinstance(report, rtcp.Nack | rtcp.KeyframeRequest):
                self._feedback(port, by_ssrc.get(report.media_ssrc), report, now)
            # A BYE is passed over: closing is signalled, and it alone must not end a recorded track.

    def _feedback(
        self, port: Port, downlink: Downlink | None, report: rtcp.Nack | rtcp.KeyframeRequest, now: float
    ) -> None:
        if downlink is None or not port.up:
            return
        if isinstance(report, rtcp.KeyframeRequest):
            downlink.uplink.want_keyframe(now)
            return
        resend = downlink.answer_nack(report.sequence_numbers, now)
        self._plane.packets += [(port.transport_id, copy, False) for copy in resend]

    def _sender_report(self, port: Port, report: rtcp.SenderReport, now: float) -> None:
        entry = port.by_ssrc.get(report.ssrc)
        if entry is None or entry[2]:
            return
        producer, uplink, _ = entry
        uplink.sender_report(report, now)
        if producer.recorded and uplink is producer.uplinks[0]:
            self._recorded_report(producer, report, now)

    def handle_timer(self, now: float) -> None:
        """Does what is due at `now`; calling it early or late does no harm."""
        if self._tick_at is None or now < self._tick_at:
            return
        live = [port for port in self._ports.values() if port.up]
        for port in live:
            work = self._reports.of_publisher if port.direction == "send" else self._reports.of_receiver
            self._plane.packets += [(port.transport_id, bytearray(data), True) for data in work(port, now)]
        self._tick_at = now + TICK_S if live else None

    def next_deadline(self) -> float | None:
        """When `handle_timer` has work next, in monotonic seconds; None when nothing is waiting."""
        return self._tick_at

    def record(self, on: bool, now: float) -> None:
        """Turns the recording outputs on or off; each turn on opens new epochs."""
        self._plane.recording = on
        for producer in self._producers.values():
            if not on and producer.recorded:
                producer.recorded = False
                self._plane.events.append(RecordedTrackClosed(producer.producer_id))
            if on and not producer.recorded:
                producer.uplinks[0].want_keyframe(now)

    def request_keyframe(self, producer_id: str, now: float) -> None:
        """Asks the publisher for a key frame, through the throttle. Unknown ids and audio are ignored."""
        producer = self._producers.get(producer_id)
        if producer is not None:
            producer.uplinks[0].want_keyframe(now)

    def drain_packets(self) -> list[Outgoing]:
        """(transport_id, plain packet, is_rtcp) to protect and send, in order; each packet is the caller's own."""
        packets, self._plane.packets = self._plane.packets, []
        return packets

    def drain_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        events, self._plane.events = self._plane.events, []
        return events

    def stats(self, now: float) -> dict[str, Any]:
        """Counters of the room and of every stream, JSON-ready."""
        return {
            "room": self.room_id,
            "utc_s": round(now + self._wallclock_offset_s, 3),
            "peers": len(self._peers),
            "malformed_rtcp": self.malformed_rtcp,
            "dropped": {port.transport_id: port.dropped for port in self._ports.values() if port.dropped},
            "producers": [
                {
                    "producer_id": p.producer_id,
                    "paused": p.paused,
                    "publisher_utc_s": None if (r := p.uplinks[0].report) is None else round(utc_from_ntp(r.ntp), 3),
                    **p.uplinks[0].stats(),
                    "consumers": [downlink.stats() for downlink in p.downlinks],
                }
                for p in self._producers.values()
            ],
        }
