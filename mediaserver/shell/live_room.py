# SPDX-License-Identifier: Apache-2.0
"""One live room: the sans-IO room and its clients joined to transports, recording feed and each other's pages."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from mediaserver.errors import PeerFault
from mediaserver.recording.feed import SessionOrder, SessionRef
from mediaserver.rtp import rtcp
from mediaserver.sfu import events
from mediaserver.sfu.bandwidth.view import Tile, View
from mediaserver.sfu.outbox import Received
from mediaserver.sfu.room import Room
from mediaserver.shell.client import Client
from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.room_feed import RoomFeed
from mediaserver.shell.room_moderation import RoomModeration
from mediaserver.shell.room_watch import RoomWatch
from mediaserver.shell.transport import Hub, Transport
from mediaserver.signalling import messages
from mediaserver.signalling.answers import Renumbering
from mediaserver.signalling.capabilities import features, router_rtp_capabilities
from mediaserver.signalling.moderation import Entry
from mediaserver.signalling.session import Arrow, Presence
from storage.access import EventOrder, Right, RoomOrder, RoomToken
from storage.turn import IceServer

LIVENESS_EVERY_S: Final = 0.5
"""So often the sources are looked at for troubles, and half as often the peers for signs of life."""
FEED_EVERY_S: Final = 0.02
"""So often what was recorded goes to the feed: it dies with the process."""
REPORTS_WITHIN_S: Final = 0.03
"""Reports that came together with media wait no longer than this where a loss or a queue may be told there."""
_RIGHT_FOR: Final[dict[events.Direction, Right]] = {"send": "publish", "recv": "subscribe"}
SHOWN_WIDTH, SHOWN_HEIGHT = 1280, 720
Publish = Callable[[str, dict[str, Any]], None]
"""Tells web: (type, fields)."""


class LiveRoom:
    """Everything of one room that is not pure. All methods run in the event loop."""

    def __init__(
        self,
        order: RoomOrder,
        hub: Hub,
        feed: FeedServer,
        publish: Publish,
        servers: Callable[[str], list[IceServer]] = lambda _: [],
    ) -> None:
        now, utc = time.monotonic(), time.time()
        self.room_id = order.room
        self.reference = SessionRef(order.county, order.session, order.room)
        self.recording: dict[str, Any] = {"state": "off", "since_utc_ms": int(utc * 1000), "reason": ""}
        self.clients: dict[str, Client] = {}
        self._version, self._own_key = -1, order.own_key
        self._hub, self._feed, self.publish, self._servers = hub, feed, publish, servers
        self.moderation = RoomModeration(self)
        self.watch = RoomWatch(self)
        self._room = Room(order.room, new_ssrc=partial(secrets.randbits, 32), wallclock_offset_s=utc - now)
        self._transports: dict[str, Transport] = {}
        self._renumberings: dict[str, Renumbering] = {}
        """By transport, of receivers that chose the numbers themselves (WHEP)."""
        self._unheard: set[str] = set()
        """Transports whose consent has run out."""
        self._tracks = RoomFeed(feed, self.reference, self._room, int((utc - now) * 1e6))
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._fed_at = 0.0
        self._flush = self.flush
        self._peers_next = False
        self._reports: list[tuple[str, bytes, float]] = []
        self._burst: list[Received] = []
        self._often = False
        """A link is in doubt, or somebody asked for what was lost: reports do not wait for the tick."""
        self._liveness = asyncio.get_running_loop().call_later(LIVENESS_EVERY_S, self._look_after)
        self.obey(order)

    # What web orders

    def obey(self, order: RoomOrder) -> None:
        """Take over the wanted state; what is older than what was obeyed is ignored."""
        self.moderation.obey(order)  # first: before a recording goes on, whoever may not be heard is silent
        self._obey_recording(order)

    def _obey_recording(self, order: RoomOrder) -> None:
        if order.version < self._version:
            return
        self._version, self._own_key = order.version, order.own_key
        if order.recording == self.recording["state"]:
            return
        utc_ms = self.utc_ms()
        self.recording = {"state": order.recording, "since_utc_ms": utc_ms, "reason": order.reason}
        if order.recording == "on":
            self._feed_order(order, utc_ms)
            self._room.record(True, time.monotonic())
        else:
            self._room.record(False, time.monotonic())
            self.flush()
            self._feed_order(order, utc_ms)
        self.flush()
        self.tell_all("recording", self.recording)
        self.publish("recording", {"room": self.room_id, **self.recording})

    def _feed_order(self, order: RoomOrder, utc_ms: int) -> None:
        facts = (order.recording, order.version, utc_ms, order.reason, order.own_key)
        self._feed.session_order(SessionOrder(self.reference, *facts))

    def event(self, order: EventOrder) -> None:
        """Something for the record."""
        self._feed.session_event(self.reference, order.type, order.data, order.utc_ms)

    def remove(self, peer_id: str, reason: str) -> None:
        """Take one peer out, also one that only waits. Raises PeerFault `unknown_peer`."""
        client = self.clients.get(peer_id)
        if client is None and self.moderation.turn_away(peer_id, messages.CLOSE_REMOVED, "removed"):
            self.moderation.tell()
            return
        if client is None:
            raise PeerFault("unknown_peer")
        client.notify("removed", {"reason": reason})
        self._end(client, Arrow.REMOVED, messages.CLOSE_REMOVED, "removed")

    def close(self, reason: str) -> None:
        """End the room for everybody."""
        if self.recording["state"] not in ("off", "stopped"):
            reference = self.reference
            names = (reference.county, reference.room, reference.session_id)
            self._obey_recording(RoomOrder(*names, "stopped", self._version + 1, reason, own_key=self._own_key))
        self.moderation.close(reason)
        for client in list(self.clients.values()):
            client.notify("room_closed", {"reason": reason})
            self._end(client, Arrow.ROOM_CLOSED, messages.CLOSE_ROOM_CLOSED, "room_closed")
        self.watch.look(time.monotonic())
        self._stop_timers()
        self.publish("room_closed", {"room": self.room_id})

    def move_away(self) -> None:
        """The room goes on in another process: pages come back and find it there. For a room without a recording."""
        for client in self.everybody():
            for transport in client.transports.values():
                self._hub.remove(transport)
                client.spawn(transport.dtls.close())
            client.hang_up(messages.CLOSE_RESTART, "moved")
        self._stop_timers()
        self.publish("room_closed", {"room": self.room_id})

    def _stop_timers(self) -> None:
        self._liveness.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # What pages do

    def enter(self, client: Client, token: RoomToken) -> dict[str, Any]:
        """Come in by a verified token, or wait for the host's word.

        Raises PeerFault `barred`, `room_locked`, `waiting_room_full`; the client is untouched then.
        """
        if self.moderation.entry(token) is Entry.WAIT:
            client.session.advance(Arrow.KNOCK)
            return self.moderation.knock(client, token)
        client.session.advance(Arrow.HELLO)
        return self.join(client, token)

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
        for direction in _RIGHT_FOR:
            if _RIGHT_FOR[direction] in token.rights:
                self.add_transport(client, direction)
        self.tell_all("peer_joined", client.describe(now), but=client)
        self._told("peer_joined" if old is None else "peer_resumed", client)
        return {
            **self._state(client),
            "version": messages.PROTOCOL_VERSION,
            "resume_token": client.resume_token,
            "features": features(),
            "router_rtp_capabilities": router_rtp_capabilities(),
            "ice_servers": self._servers(client.peer_id),
            **{f"{direction}_transport": t.describe() for direction, t in client.transports.items()},
        }

    def resumed(self, client: Client) -> dict[str, Any]:
        """A new socket took over this client; its media never stopped."""
        self.publish("peer_resumed", {"room": self.room_id, "peer_id": client.peer_id, "utc_ms": self.utc_ms()})
        return self._state(client)

    def _state(self, client: Client) -> dict[str, Any]:
        now = time.monotonic()
        return {
            "boot_id": self._feed.boot_id,
            "peer_id": client.peer_id,
            "room": {"id": self.room_id, "recording": self.recording},
            "moderation": self.moderation.state.describe(client.peer_id),
            "troubles": self.watch.state.current(),
            "peers": [other.describe(now) for other in self.clients.values() if other is not client],
            "consumers": self._room.consumers(client.peer_id),
        }

    def add_transport(
        self,
        client: Client,
        direction: events.Direction,
        *,
        key: str = "",
        only: str | None = None,
        on_down: Callable[[], None] = lambda: None,
    ) -> Transport:
        """One more transport of the client, kept under `key` (the direction where none is given); `only` limits what
        it receives to one peer. `on_down` is called when its DTLS has ended.
        """
        transport_id = f"{direction}-{secrets.token_hex(6)}"

        def down() -> None:
            self._room.transport_down(transport_id, time.monotonic())
            on_down()

        transport = Transport(transport_id, self._hub, lambda: self._transport_up(transport_id), down)
        transport.on_rtp = partial(self._media, transport_id)
        client.transports[key or direction] = self._transports[transport_id] = transport
        self._room.add_transport(transport_id, client.peer_id, direction, only=only, now=time.monotonic())
        self._set_lane(transport)
        self._hub.add(transport)
        return transport

    def _set_lane(self, transport: Transport) -> None:
        """Packets that are renumbered on their way out must come through here."""
        transport.lane = None if self._renumberings else self._room.lane_of(transport.transport_id)
        if transport.lane is not None:
            transport.lane.flush = self._flush

    def remove_transport(self, client: Client, key: str) -> None:
        """End one transport of the client, with what it published or received. An unknown key is ignored."""
        transport = client.transports.pop(key, None)
        if transport is not None:
            self._room.remove_transport(transport.transport_id, time.monotonic())
            self._hub.remove(transport)
            self._forget(transport)
            client.spawn(transport.dtls.close())
            self.flush()

    def _forget(self, transport: Transport) -> None:
        self._transports.pop(transport.transport_id, None)
        if self._renumberings.pop(transport.transport_id, None) is not None:
            self._set_lanes()
        self._unheard.discard(transport.transport_id)

    def renumber(self, transport: Transport, numbers: Renumbering) -> None:
        """Everything that is sent on this transport gets these numbers."""
        self._renumberings[transport.transport_id] = numbers
        self._set_lanes()

    def _set_lanes(self) -> None:
        for transport in self._transports.values():
            self._set_lane(transport)
            self._hub.assign(transport)

    def show(self, client: Client, consumer_ids: Iterable[str]) -> None:
        """A receiver that cannot say what it shows wants all of these large, as far as its link carries them."""
        tiles = {consumer_id: Tile(SHOWN_WIDTH, SHOWN_HEIGHT, "tile") for consumer_id in consumer_ids}
        self._room.view(client.peer_id, View(tiles, "normal", None), time.monotonic())

    def publishes(self, peer_id: str) -> bool:
        """True while this peer sends anything."""
        return any(producer.peer_id == peer_id for producer in self._room.producers())

    def consumers(self, transport: Transport) -> list[dict[str, Any]]:
        """What is received on one transport."""
        return self._room.consumers_of(transport.transport_id)

    def _transport_up(self, transport_id: str) -> None:
        self._room.transport_up(transport_id, time.monotonic())
        self.flush()

    def _media(self, transport_id: str, data: bytes, is_rtcp: bool, now: float) -> None:
        if not is_rtcp:
            if not self._burst:
                self._hub.touched.add(self._flush)
            self._burst.append((transport_id, data, now))
        elif rtcp.can_wait(data):
            self._reports.append((transport_id, data, now))
            if self._often and now - self._reports[0][2] >= REPORTS_WITHIN_S:
                self._hub.touched.add(self._flush)
                self._take_reports()
        else:
            self._hub.touched.add(self._flush)
            self._take_burst()  # it came before
            self._often = True
            self._hub.port.look_often(now)
            self._room.receive_rtcp(transport_id, data, now)

    def _take_burst(self) -> None:
        """The packets that came together, in their order."""
        burst, self._burst = self._burst, []
        if self._renumberings:
            for packet in burst:
                self._room.receive_rtp(*packet)
        elif burst:
            self._room.receive_burst(burst, time.monotonic())

    def _take_reports(self) -> None:
        """What is only statistics is taken at the next tick, all at once: a wake-up for each would cost more than the
        media, and one alone finds nothing at hand. Sooner where a link is in doubt."""
        reports, self._reports = self._reports, []
        for transport_id, data, now in reports:
            self._room.receive_rtcp(transport_id, data, now)
        if reports or self._often:
            self._often = self._room.in_doubt
        if self._often:
            self._hub.port.look_often(time.monotonic())

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
                if self.moderation.is_muted(client.peer_id, body.source):
                    self._room.silence_producer(producer_id, True, now)
                self.flush()
                return {"producer_id": producer_id}
            case messages.CloseProducer():
                self._room.close_producer(self._own_producer(client, body.producer_id), now)
            case messages.PauseProducer():
                self._pause(client, body, now)
            case messages.RaiseHand() | messages.Unmute() | messages.ReportSource():
                self._hear(client.peer_id, body)
            case messages.RestartIce():
                return {"ice_parameters": self._own_transport(client, body.transport_id).restart_ice()}
            case messages.View():
                self._room.view(client.peer_id, _view(body), now)
            case messages.Stats():
                return self._room.stats(now)
            case messages.Ping():
                return {}
            case _:
                raise PeerFault("unknown_type")
        self.flush()
        return {}

    def _hear(self, peer_id: str, body: messages.RaiseHand | messages.Unmute | messages.ReportSource) -> None:
        """What everybody may say about themselves."""
        match body:
            case messages.RaiseHand():
                self.moderation.raise_hand(peer_id, body.raised)
            case messages.Unmute():
                self.moderation.unmute(peer_id, body.source)
            case messages.ReportSource():
                self.watch.report(peer_id, body)

    def _pause(self, client: Client, body: messages.PauseProducer, now: float) -> None:
        """Switched off or on by its owner: told to the others, and to the record, where silence needs its reason."""
        producer_id = self._own_producer(client, body.producer_id)
        before = next(p for p in self._room.producers() if p.producer_id == producer_id)
        self._room.pause_producer(producer_id, body.paused, now)
        if before.paused != body.paused:
            facts = {"peer_id": client.peer_id, "name": client.name, "source": before.source}
            kind = "source_off" if body.paused else "source_on"
            self._feed.session_event(self.reference, kind, facts, self.utc_ms())

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
            self._forget(transport)
            client.spawn(transport.dtls.close())
        self.flush()
        client.hang_up(close_code, reason)
        if not quiet:
            self.moderation.left(client.peer_id)
            self.tell_all("peer_left", {"peer_id": client.peer_id})
            self._told("peer_left", client)

    def _told(self, kind: str, client: Client) -> None:
        utc_ms = self.utc_ms()
        facts = {"peer_id": client.peer_id, "name": client.name, "place": client.place}
        self.publish(kind, {"room": self.room_id, **facts, "utc_ms": utc_ms})
        self._feed.session_event(self.reference, kind, facts, utc_ms)

    def everybody(self) -> list[Client]:
        """Who is in the room, and who waits to be let in."""
        return [*self.clients.values(), *self.moderation.waiting()]

    # What moderation needs

    def silence(self, peer_id: str, source: str, silenced: bool) -> None:
        """Nothing (or everything again) of what this peer publishes under this source goes out."""
        for producer in self._room.producers():
            if producer.peer_id == peer_id and producer.source == source:
                self._room.silence_producer(producer.producer_id, silenced, time.monotonic())
        self.flush()

    def rest(self, resting: bool) -> None:
        """Nothing that anybody publishes goes out, or everything again that is not muted."""
        self._room.rest(resting, time.monotonic())
        self.flush()

    def note_for_record(self, kind: str, facts: dict[str, Any]) -> None:
        """An event on the record's clock."""
        self._feed.session_event(self.reference, kind, facts, self.utc_ms())

    def tell(self, peer_id: str, kind: str, data: dict[str, Any]) -> None:
        """A note to one page; nobody there is no fault."""
        client = self.clients.get(peer_id)
        if client is not None:
            client.notify(kind, data)

    def utc_ms(self) -> int:
        """The room's time. It runs evenly from the server's when the room was made: orders and packets are told on one
        clock, and nothing is recorded an hour off when somebody sets the server's.
        """
        return self._tracks.utc_us(time.monotonic()) // 1_000

    # What time and packets do

    def flush(self) -> None:
        """Send what waits, tell what happened, and arm the timer. Called after every batch and every change."""
        if self._burst:
            self._take_burst()
        direct, packets, happened = self._room.drain()
        if direct:
            self._hub.port.send_direct(direct)
        if self._renumberings:
            packets = [item for item in packets if self._renumbered(*item)]
        if packets:
            self._hub.port.send_media(packets)
        for event in happened:
            self._handle(event)
        self._arm()

    def _arm(self) -> None:
        deadline = self._room.next_deadline()
        if deadline is None:
            return
        if self.recording["state"] == "on":
            deadline = min(deadline, self._fed_at + FEED_EVERY_S)
        if self._timer is None or deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            delay = max(0.0, deadline - time.monotonic())
            self._timer, self._timer_at = asyncio.get_running_loop().call_later(delay, self._on_timer), deadline

    def _renumbered(self, transport_id: str, packet: bytearray, is_rtcp: bool) -> bool:
        numbers = self._renumberings.get(transport_id)
        return numbers is None or is_rtcp or numbers.apply(packet)

    def _on_timer(self) -> None:
        self._timer, now = None, time.monotonic()
        deadline = self._room.next_deadline()
        self._fed_at = now
        if deadline is None or now >= deadline:
            self._hub.port.take_feedback()
            self._take_reports()
            self._room.handle_timer(now)
        self.flush()
        self._feed.look()

    def _handle(self, event: events.Event) -> None:
        if not self._tracks.take(event):
            self._tell_pages(event)

    def _tell_pages(self, event: events.Event) -> None:
        match event:
            case events.ConsumerAdded():
                self.tell(event.peer_id, "new_consumers", {"consumers": [event.consumer]})
            case events.ConsumerClosed():
                self.tell(event.peer_id, "consumer_closed", {"consumer_id": event.consumer_id})
            case events.ConsumerPaused():
                data = {"consumer_id": event.consumer_id, "paused": event.paused}
                self.tell(event.peer_id, "consumer_paused", data)
            case events.PlayoutDelay():
                data = {"consumer_id": event.consumer_id, "delay_ms": event.delay_ms}
                self.tell(event.peer_id, "playout_delay", data)
            case events.ConsumerLayers():
                layers = {"spatial": event.spatial, "temporal": event.temporal, "reason": event.reason}
                self.tell(event.peer_id, "consumer_layers", {"consumer_id": event.consumer_id, **layers})
            case events.ProducerLayers():
                data = {"producer_id": event.producer_id, "max_spatial": event.max_spatial}
                self.tell(event.peer_id, "producer_layers", data)
            case events.SpeakerChanged():
                self.tell_all("speaker", {"peer_id": event.peer_id})
            case _:
                pass  # the recorder's

    def keyframe_for_track(self, track: int) -> bool:
        """The recorder needs a key frame; True when the track is this room's."""
        producer_id = self._tracks.producer_of(track)
        if producer_id is not None:
            self._room.request_keyframe(producer_id, time.monotonic())
        return producer_id is not None

    def _look_after(self) -> None:
        """Notice sources that are in trouble, and peers that have gone silent."""
        self._liveness = asyncio.get_running_loop().call_later(LIVENESS_EVERY_S, self._look_after)
        now = time.monotonic()
        self.watch.look(now)
        self._peers_next = not self._peers_next
        if self._peers_next:
            self._look_after_peers(now)

    def _look_after_peers(self, now: float) -> None:
        self._look_for_consent(now)
        for client in list(self.clients.values()):
            before, presence = client.presence, client.observe(now)
            if presence is Presence.GONE:
                self._end(client, Arrow.SILENT, messages.CLOSE_RESTART, "silent")
            elif presence is not before:
                self.tell_all("peer_state", {"peer_id": client.peer_id, "state": presence.value}, but=client)
                if presence is Presence.RECONNECTING:
                    facts = {"room": self.room_id, "peer_id": client.peer_id, "utc_ms": self.utc_ms()}
                    self.publish("peer_reconnecting", facts)

    def _look_for_consent(self, now: float) -> None:
        """Of a page's two transports one may be dead: nothing more goes there until it asks again (RFC 7675)."""
        for transport_id, transport in self._transports.items():
            if transport.consents(now) != (transport_id not in self._unheard):
                if transport_id in self._unheard:
                    self._unheard.discard(transport_id)
                    if transport.dtls.up:
                        self._room.transport_up(transport_id, now)
                else:
                    self._unheard.add(transport_id)
                    self._room.transport_down(transport_id, now)
        self.flush()

    def tell_all(self, kind: str, data: dict[str, Any], *, but: Client | None = None) -> None:
        """A note to every page in the room."""
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
            "moderation": self.moderation.state.describe_to_web(),
            "troubles": self.watch.state.current(),
        }

    def flows(self, now: float) -> list[events.SourceFlow]:
        """Of everything that is published, whether it comes."""
        return self._room.flows(now)

    def sample(self, peer_id: str, source: str, after: int) -> tuple[str, int, list[bytes]] | None:
        """See `Room.sample`."""
        return self._room.sample(peer_id, source, after)

    def stats(self) -> dict[str, Any]:
        """Counters of every stream."""
        return self._room.stats(time.monotonic())


def _view(body: messages.View) -> View:
    tiles = {tile.consumer_id: Tile(tile.width, tile.height, tile.role) for tile in body.tiles}  # type: ignore[arg-type]
    return View(tiles, body.mode, None if body.cap_kbps is None else body.cap_kbps * 1000)  # type: ignore[arg-type]
