# SPDX-License-Identifier: Apache-2.0
"""One live room: the sans-IO room and its clients joined to transports, recording feed and each other's pages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from mediaserver.errors import PeerFault
from mediaserver.recording.feed import SessionOrder, SessionRef, TrackInfo
from mediaserver.sfu import events
from mediaserver.sfu.room import Room
from mediaserver.shell.client import Client
from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.transport import Hub, Transport
from mediaserver.signalling import messages
from mediaserver.signalling.capabilities import router_rtp_capabilities
from mediaserver.signalling.session import Arrow, Presence
from storage.access import EventOrder, RoomOrder, RoomToken

LIVENESS_EVERY_S: Final = 0.5
Publish = Callable[[str, dict[str, Any]], None]
"""Tells web: (type, fields)."""


class LiveRoom:
    """Everything of one room that is not pure. All methods run in the event loop."""

    def __init__(self, order: RoomOrder, hub: Hub, feed: FeedServer, publish: Publish) -> None:
        now, utc = time.monotonic(), time.time()
        self.room_id = order.room
        self.reference = SessionRef(order.county, order.session, order.room)
        self.recording: dict[str, Any] = {"state": "off", "since_utc_ms": int(utc * 1000), "reason": ""}
        self.clients: dict[str, Client] = {}
        self._version = -1
        self._hub, self._feed, self._publish = hub, feed, publish
        self._utc_offset_us = int((utc - now) * 1e6)
        self._room = Room(order.room, new_ssrc=_new_ssrc, wallclock_offset_s=utc - now)
        self._transports: dict[str, Transport] = {}
        self._tracks: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._liveness = asyncio.get_running_loop().call_later(LIVENESS_EVERY_S, self._look_after)
        self.obey(order)

    # What web orders

    def obey(self, order: RoomOrder) -> None:
        """Take over the wanted recording state; an older version than one obeyed is ignored."""
        if order.version < self._version:
            return
        self._version = order.version
        if order.recording == self.recording["state"]:
            return
        utc_ms = _utc_ms()
        self.recording = {"state": order.recording, "since_utc_ms": utc_ms, "reason": order.reason}
        if order.recording == "on":
            self._feed_order(order, utc_ms)
            self._room.record(True, time.monotonic())
        else:
            self._room.record(False, time.monotonic())
            self.flush()
            self._feed_order(order, utc_ms)
        self.flush()
        self._tell_all("recording", self.recording)
        self._publish("recording", {"room": self.room_id, **self.recording})

    def _feed_order(self, order: RoomOrder, utc_ms: int) -> None:
        self._feed.session_order(SessionOrder(self.reference, order.recording, order.version, utc_ms, order.reason))

    def event(self, order: EventOrder) -> None:
        """Something for the record."""
        self._feed.session_event(self.reference, order.type, order.data, order.utc_ms)

    def remove(self, peer_id: str) -> None:
        """Take one peer out. Raises PeerFault `unknown_peer`."""
        client = self.clients.get(peer_id)
        if client is None:
            raise PeerFault("unknown_peer")
        client.notify("removed", {})
        self._end(client, Arrow.REMOVED, messages.CLOSE_REMOVED, "removed")

    def close(self, reason: str) -> None:
        """End the room for everybody."""
        if self.recording["state"] not in ("off", "stopped"):
            reference = self.reference
            self.obey(
                RoomOrder(reference.county, reference.room, reference.session_id, "stopped", self._version + 1, reason)
            )
        for client in list(self.clients.values()):
            client.notify("room_closed", {"reason": reason})
            self._end(client, Arrow.ROOM_CLOSED, messages.CLOSE_ROOM_CLOSED, "room_closed")
        self._liveness.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._publish("room_closed", {"room": self.room_id})

    # What pages do

    def join(self, client: Client, token: RoomToken) -> dict[str, Any]:
        """Enter by a verified token. The answer holds everything that the page needs to start (one round trip)."""
        old = self.clients.get(token.peer_id)
        if old is not None:
            old.notify("replaced", {})
            self._end(old, Arrow.REPLACED, messages.CLOSE_REPLACED, "replaced", quiet=True)
        now = time.monotonic()
        client.enter(self, token, now)
        self._room.join(token.peer_id, token.name, token.place, now)
        self.clients[token.peer_id] = client
        for direction in ("send", "recv"):
            if direction == "send" and "publish" not in token.rights:
                continue
            self._add_transport(client, direction)
        self._tell_all("peer_joined", client.describe(now), but=client)
        self._told("peer_joined" if old is None else "peer_resumed", client)
        return {
            **self._state(client),
            "version": messages.PROTOCOL_VERSION,
            "resume_token": client.resume_token,
            "router_rtp_capabilities": router_rtp_capabilities(),
            **{f"{direction}_transport": t.describe() for direction, t in client.transports.items()},
        }

    def resumed(self, client: Client) -> dict[str, Any]:
        """A new socket took over this client; its media never stopped."""
        self._publish("peer_resumed", {"room": self.room_id, "peer_id": client.peer_id, "utc_ms": _utc_ms()})
        return self._state(client)

    def _state(self, client: Client) -> dict[str, Any]:
        now = time.monotonic()
        return {
            "boot_id": self._feed.boot_id,
            "peer_id": client.peer_id,
            "room": {"id": self.room_id, "recording": self.recording},
            "peers": [other.describe(now) for other in self.clients.values() if other is not client],
            "consumers": self._room.consumers(client.peer_id),
        }

    def _add_transport(self, client: Client, direction: events.Direction) -> None:
        transport_id = f"{direction}-{secrets.token_hex(6)}"
        transport = Transport(
            transport_id,
            self._hub,
            lambda: self._transport_up(transport_id),
            lambda: self._room.transport_down(transport_id, time.monotonic()),
        )
        transport.on_rtp = lambda data, is_rtcp, now: self._media(client, transport_id, data, is_rtcp, now)
        client.transports[direction] = self._transports[transport_id] = transport
        self._room.add_transport(transport_id, client.peer_id, direction)
        self._hub.add(transport)

    def _transport_up(self, transport_id: str) -> None:
        self._room.transport_up(transport_id, time.monotonic())
        self.flush()

    def _media(self, client: Client, transport_id: str, data: bytes, is_rtcp: bool, now: float) -> None:
        if is_rtcp:
            self._room.receive_rtcp(transport_id, data, now)
        else:
            self._room.receive_rtp(transport_id, data, now)

    def handle(self, client: Client, body: messages.Body) -> dict[str, Any]:
        """One request of a joined client. Raises PeerFault."""
        now = time.monotonic()
        match body:
            case messages.Connect():
                self._own_transport(client, body.transport_id).connect(body.dtls_parameters)
            case messages.Produce():
                self._own_transport(client, body.transport_id)
                producer_id = self._room.produce(
                    body.transport_id,
                    body.source,  # type: ignore[arg-type]
                    body.kind,  # type: ignore[arg-type]
                    body.rtp_parameters,
                    now,
                )
                self.flush()
                return {"producer_id": producer_id}
            case messages.CloseProducer():
                self._room.close_producer(self._own_producer(client, body.producer_id), now)
            case messages.PauseProducer():
                self._room.pause_producer(self._own_producer(client, body.producer_id), body.paused, now)
            case messages.RestartIce():
                return {"ice_parameters": self._own_transport(client, body.transport_id).restart_ice()}
            case messages.Stats():
                return self._room.stats(now)
            case _:
                raise PeerFault("unknown_type")
        self.flush()
        return {}

    def _own_transport(self, client: Client, transport_id: str) -> Transport:
        for transport in client.transports.values():
            if transport.transport_id == transport_id:
                return transport
        raise PeerFault("unknown_transport")

    def _own_producer(self, client: Client, producer_id: str) -> str:
        if not any(p.producer_id == producer_id and p.peer_id == client.peer_id for p in self._room.producers()):
            raise PeerFault("unknown_producer")
        return producer_id

    def leave(self, client: Client, arrow: Arrow) -> None:
        """The page left on purpose, or was closed."""
        self._end(client, arrow, messages.CLOSE_ROOM_CLOSED, "left")

    def _end(self, client: Client, arrow: Arrow, close_code: int, reason: str, *, quiet: bool = False) -> None:
        client.session.advance(arrow)
        if self.clients.get(client.peer_id) is client:
            del self.clients[client.peer_id]
        self._room.leave(client.peer_id, time.monotonic())
        for transport in client.transports.values():
            self._hub.remove(transport)
            self._transports.pop(transport.transport_id, None)
            client.spawn(transport.dtls.close())
        self.flush()
        client.hang_up(close_code, reason)
        if not quiet:
            self._tell_all("peer_left", {"peer_id": client.peer_id})
            self._told("peer_left", client)

    def _told(self, kind: str, client: Client) -> None:
        utc_ms = _utc_ms()
        facts = {"peer_id": client.peer_id, "name": client.name, "place": client.place}
        self._publish(kind, {"room": self.room_id, **facts, "utc_ms": utc_ms})
        self._feed.session_event(self.reference, kind, facts, utc_ms)

    # What time and packets do

    def flush(self) -> None:
        """Send what waits, tell what happened, and arm the timer. Called after every batch and every change."""
        batches: dict[str, list[tuple[bytearray, bool]]] = defaultdict(list)
        for transport_id, packet, is_rtcp in self._room.drain_packets():
            batches[transport_id].append((packet, is_rtcp))
        for transport_id, packets in batches.items():
            transport = self._transports.get(transport_id)
            if transport is not None:
                transport.send_media(packets)
        for event in self._room.drain_events():
            self._handle(event)
        deadline = self._room.next_deadline()
        if deadline is not None and self._timer is None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._room.handle_timer(time.monotonic())
        self.flush()

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.RecordedPacket():
                track = self._tracks.get(event.producer_id)
                if track is not None:
                    self._feed.packet(track, event.packet, self._utc_us(event.arrival))
            case events.RecordedReport():
                track = self._tracks.get(event.producer_id)
                if track is not None:
                    self._feed.sender_report(track, event.ntp_seconds, event.rtp_timestamp, self._utc_us(event.arrival))
            case events.RecordedTrackOpened():
                self._tracks[event.producer_id] = self._feed.open_track(self.reference, _track_info(event.facts))
            case events.RecordedTrackClosed():
                track = self._tracks.pop(event.producer_id, None)
                if track is not None:
                    self._feed.close_track(track)
            case events.ConsumerAdded():
                self._tell(event.peer_id, "new_consumers", {"consumers": [event.consumer]})
            case events.ConsumerClosed():
                self._tell(event.peer_id, "consumer_closed", {"consumer_id": event.consumer_id})
            case events.ConsumerPaused():
                data = {"consumer_id": event.consumer_id, "paused": event.paused}
                self._tell(event.peer_id, "consumer_paused", data)

    def keyframe_for_track(self, track: int) -> bool:
        """The recorder needs a key frame; True when the track is this room's."""
        for producer_id, number in self._tracks.items():
            if number == track:
                self._room.request_keyframe(producer_id, time.monotonic())
                return True
        return False

    def _look_after(self) -> None:
        """Notice peers that have gone silent."""
        self._liveness = asyncio.get_running_loop().call_later(LIVENESS_EVERY_S, self._look_after)
        now = time.monotonic()
        for client in list(self.clients.values()):
            before, presence = client.presence, client.observe(now)
            if presence is Presence.GONE:
                self._end(client, Arrow.SILENT, messages.CLOSE_RESTART, "silent")
            elif presence is not before:
                self._tell_all("peer_state", {"peer_id": client.peer_id, "state": presence.value}, but=client)
                if presence is Presence.RECONNECTING:
                    facts = {"room": self.room_id, "peer_id": client.peer_id, "utc_ms": _utc_ms()}
                    self._publish("peer_reconnecting", facts)

    def _utc_us(self, monotonic_s: float) -> int:
        return int(monotonic_s * 1e6) + self._utc_offset_us

    def _tell(self, peer_id: str, kind: str, data: dict[str, Any]) -> None:
        client = self.clients.get(peer_id)
        if client is not None:
            client.notify(kind, data)

    def _tell_all(self, kind: str, data: dict[str, Any], *, but: Client | None = None) -> None:
        for client in self.clients.values():
            if client is not but:
                client.notify(kind, data)

    def describe(self) -> dict[str, Any]:
        """For web's snapshot."""
        now = time.monotonic()
        return {
            "room": self.room_id,
            "session": self.reference.session_id,
            "peers": [client.describe(now) for client in self.clients.values()],
            "recording": self.recording,
        }

    def stats(self) -> dict[str, Any]:
        """Counters of every stream."""
        return self._room.stats(time.monotonic())


def _track_info(facts: events.TrackFacts) -> TrackInfo:
    return TrackInfo(
        track_id=f"{facts.peer_id}-{facts.source}",
        peer_id=facts.peer_id,
        peer_name=facts.peer_name,
        place=facts.place,
        source=facts.source,
        kind=facts.kind,
        codec=facts.codec,  # type: ignore[arg-type]
        clock_rate=facts.clock_rate,
        payload_type=facts.payload_type,
        ssrc=facts.ssrc,
        cname=facts.peer_id,
        extensions=facts.header_extension_ids,
    )


def _new_ssrc() -> int:
    return secrets.randbits(32)


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000
