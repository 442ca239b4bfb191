# SPDX-License-Identifier: Apache-2.0
"""One meeting: who is in it, what they publish, who receives it. No clock and no I/O.

The owner calls a method with `now` (monotonic seconds), then drains: `drain_packets` (plain packets to protect and
send) and `drain_events`, and arms one timer for `next_deadline`. Every call that changes the room is followed by a
drain. What a peer sent wrong in signalling raises `PeerFault`; wrong packets are dropped and counted, never raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.sfu.events import Direction, Event, Kind, ProducerInfo, Source


class Room:
    """One meeting of at most a few dozen peers.

    `new_ssrc` returns a fresh random 32-bit number each time; `wallclock_offset_s` added to `now` gives UTC seconds
    since 1970.
    """

    def __init__(self, room_id: str, *, new_ssrc: Callable[[], int], wallclock_offset_s: float) -> None:
        raise NotImplementedError

    def join(self, peer_id: str, name: str, place: str, now: float) -> None:
        """A peer enters; joining again under the same id only updates name and place."""
        raise NotImplementedError

    def leave(self, peer_id: str, now: float) -> None:
        """A peer leaves: its producers, consumers and transports end. Unknown ids are ignored."""
        raise NotImplementedError

    def add_transport(self, transport_id: str, peer_id: str, direction: Direction) -> None:
        """A transport of a peer, direction as the browser sees it.

        With "recv" the consumers of everything published so far are made, **without** events: read `consumers`.
        Raises PeerFault `unknown_peer`, `transport_exists`.
        """
        raise NotImplementedError

    def transport_up(self, transport_id: str, now: float) -> None:
        """DTLS has finished: packets may be sent; its video consumers ask for key frames from now on."""
        raise NotImplementedError

    def transport_down(self, transport_id: str, now: float) -> None:
        """Nothing more is sent on this transport until it is up again."""
        raise NotImplementedError

    def remove_transport(self, transport_id: str, now: float) -> None:
        """Ends a transport with its producers or consumers. Unknown ids are ignored."""
        raise NotImplementedError

    def produce(self, transport_id: str, source: Source, kind: Kind, rtp_parameters: dict[str, Any], now: float) -> str:
        """A browser starts to publish (mediasoup-client's `produce`). Returns the producer's id.

        A live producer of the same source of this peer is closed first. Raises PeerFault: `unknown_transport`,
        `wrong_direction`, `bad_source`, `bad_rtp_parameters`, `unsupported_codec`, `ssrc_in_use`, `mid_in_use`.
        """
        raise NotImplementedError

    def close_producer(self, producer_id: str, now: float) -> None:
        """Ends a producer and its consumers. Raises PeerFault `unknown_producer`."""
        raise NotImplementedError

    def pause_producer(self, producer_id: str, paused: bool, now: float) -> None:
        """The publisher says that it is muted; every consumer is told. Raises PeerFault `unknown_producer`."""
        raise NotImplementedError

    def producers(self) -> list[ProducerInfo]:
        """Everything that is published now."""
        raise NotImplementedError

    def consumers(self, peer_id: str) -> list[dict[str, Any]]:
        """What this peer receives, JSON-ready: id, producer_id, peer_id, source, kind, paused, rtp_parameters."""
        raise NotImplementedError

    def receive_rtp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted RTP packet from the network. Never raises on bad bytes."""
        raise NotImplementedError

    def receive_rtcp(self, transport_id: str, packet: bytes | bytearray, now: float) -> None:
        """A decrypted compound RTCP packet from the network. Never raises on bad bytes."""
        raise NotImplementedError

    def handle_timer(self, now: float) -> None:
        """Does what is due at `now`; calling it early or late does no harm."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When `handle_timer` has work next, in monotonic seconds; None when nothing is waiting."""
        raise NotImplementedError

    def record(self, on: bool, now: float) -> None:
        """Turns the recording outputs on or off; each turn on opens new epochs."""
        raise NotImplementedError

    def request_keyframe(self, producer_id: str, now: float) -> None:
        """Asks the publisher for a key frame, through the throttle. Unknown ids and audio are ignored."""
        raise NotImplementedError

    def drain_packets(self) -> list[tuple[str, bytearray, bool]]:
        """(transport_id, plain packet, is_rtcp) to protect and send, in order; each packet is the caller's own."""
        raise NotImplementedError

    def drain_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        raise NotImplementedError

    def stats(self, now: float) -> dict[str, Any]:
        """Counters of the room and of every stream, JSON-ready."""
        raise NotImplementedError
