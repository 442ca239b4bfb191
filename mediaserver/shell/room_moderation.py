# SPDX-License-Identifier: Apache-2.0
"""Moderation of one live room: the pure state joined to the room's pages, its streams, its record and `web`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver.errors import PeerFault
from mediaserver.signalling import messages
from mediaserver.signalling.moderation import Actor, Entry, Moderation
from mediaserver.signalling.session import Arrow
from storage.access import ModerateOrder, RoomOrder, RoomToken

if TYPE_CHECKING:
    from mediaserver.shell.client import Client
    from mediaserver.shell.live_room import LiveRoom


class RoomModeration:
    """Called by the room alone, in the event loop."""

    def __init__(self, room: LiveRoom) -> None:
        self._room = room
        self.state = Moderation()
        self._waiting: dict[str, tuple[Client, RoomToken]] = {}

    # What web orders

    def obey(self, order: RoomOrder) -> None:
        """Host, lock, waiting room, rest and who is barred, as web keeps them. When this returns, whoever is barred is
        out, and a room at rest is silent."""
        changed = self.state.order(
            order.moderation_version,
            order.host,
            order.locked,
            order.waiting_room,
            order.barred,
            order.resting_since_utc_ms,
        )
        if not changed:
            return
        self._room.rest(self.state.resting_since_utc_ms != 0)
        for peer_id in self.state.barred:
            if peer_id in self._room.clients:
                self._room.remove(peer_id, "removed_by_host")
            self.turn_away(peer_id, messages.CLOSE_DENIED, "denied")
        if not self.state.waiting_room and not self.state.locked:
            for peer_id in list(self._waiting):
                self._admit(peer_id)
        self.tell()

    def act(self, order: ModerateOrder) -> None:
        """One act, already allowed by web. Raises PeerFault `unknown_peer`, `not_knocking`."""
        by = Actor(order.by_peer_id, order.by_name)
        match order.action:
            case "mute":
                for peer_id in self._targets(order):
                    self._mute(peer_id, order.source, by)
            case "unmute":  # of a device before which nobody sits; web asks for it only then
                self.unmute(order.peer_id, order.source)
            case "ask_unmute":
                for peer_id in self._targets(order):
                    self._room.tell(peer_id, "unmute_asked", {"source": order.source, "by": by.named()})
            case "admit":
                self._admit(order.peer_id)
            case "raise_hand":
                self._known(order.peer_id)
                self.raise_hand(order.peer_id, True, by_web=True)
            case "lower_hand":
                self._lower(order.peer_id, by)
            case "spotlight":
                if order.peer_id:
                    self._known(order.peer_id)
                if self.state.put_on_stage(order.peer_id):
                    self._room.note_for_record("spotlight", {"peer_id": order.peer_id, "by": by.named()})
        self.tell()

    def _targets(self, order: ModerateOrder) -> list[str]:
        """Whom it is about: one peer, or everybody but the one who does it."""
        if order.peer_id:
            self._known(order.peer_id)
            return [order.peer_id]
        return [peer_id for peer_id in self._room.clients if peer_id != order.by_peer_id]

    def _known(self, peer_id: str) -> Client:
        client = self._room.clients.get(peer_id)
        if client is None:
            raise PeerFault("unknown_peer")
        return client

    def _mute(self, peer_id: str, source: str, by: Actor) -> None:
        if not self.state.mute(peer_id, source, by):
            return
        self._room.silence(peer_id, source, True)
        self._room.tell(peer_id, "muted", {"source": source, "by": by.named()})
        facts = {"peer_id": peer_id, "name": self._name(peer_id), "source": source, "by": by.named()}
        self._room.note_for_record("muted", facts)

    def _lower(self, peer_id: str, by: Actor) -> None:
        for one in self.state.lower_hand(peer_id):
            facts = {"peer_id": one, "name": self._name(one), "by": by.named()}
            self._room.note_for_record("hand_lowered", facts)

    def _name(self, peer_id: str) -> str:
        client = self._room.clients.get(peer_id)
        return client.name if client is not None else ""

    # Coming in

    def entry(self, token: RoomToken) -> Entry:
        """How this page comes in. Raises PeerFault `barred`, `room_locked`, `waiting_room_full`."""
        return self.state.entry(token.peer_id, token.admitted or token.peer_id in self._room.clients)

    def check_device(self, peer_id: str) -> None:
        """A device comes in, with a token that counts as let in. Raises PeerFault `barred`."""
        self.state.entry(peer_id, True)

    def knock(self, client: Client, token: RoomToken) -> dict[str, Any]:
        """The page waits from now on; the answer says so. An older page of the same person gives way."""
        old = self._waiting.pop(token.peer_id, None)
        if old is not None:
            old[0].session.advance(Arrow.REPLACED)
            old[0].hang_up(messages.CLOSE_REPLACED, "replaced")
        client.introduce(token)
        self._waiting[token.peer_id] = (client, token)
        self.state.knock(token.peer_id, token.name, token.place, self._room.utc_ms())
        if old is None:
            self._told("knocked", token.peer_id, token.name)
        self.tell()
        host_here = self.state.host in self._room.clients
        return {"waiting": True, "version": messages.PROTOCOL_VERSION, "host_here": host_here}

    def withdraw(self, client: Client, arrow: Arrow) -> None:
        """The page that waited is gone."""
        client.session.advance(arrow)
        if self._forget(client.peer_id, client):
            self._told("knock_ended", client.peer_id, client.name)
            self.tell()

    def turn_away(self, peer_id: str, code: int, word: str) -> bool:
        """Whoever waits under this id is sent away with this note and close code; False when nobody does."""
        waiting = self._waiting.get(peer_id)
        if waiting is None:
            return False
        client = waiting[0]
        self._forget(peer_id, client)
        client.session.advance(Arrow.REMOVED)
        client.notify(word, {})
        client.hang_up(code, word)
        return True

    def _admit(self, peer_id: str) -> None:
        waiting = self._waiting.get(peer_id)
        if waiting is None:
            raise PeerFault("not_knocking")
        client, token = waiting
        self._forget(peer_id, client)
        client.session.advance(Arrow.ADMIT)
        client.notify("admitted", self._room.join(client, token))

    def _forget(self, peer_id: str, client: Client) -> bool:
        known = self._waiting.get(peer_id)
        if known is None or known[0] is not client:
            return False
        del self._waiting[peer_id]
        return self.state.knock_ended(peer_id)

    def waiting(self) -> list[Client]:
        """The pages of those who wait."""
        return [client for client, _ in self._waiting.values()]

    def close(self, reason: str) -> None:
        """The room ends: for those who wait, too."""
        for peer_id, (client, _) in list(self._waiting.items()):
            self._forget(peer_id, client)
            client.session.advance(Arrow.ROOM_CLOSED)
            client.notify("room_closed", {"reason": reason})
            client.hang_up(messages.CLOSE_ROOM_CLOSED, "room_closed")

    # What people do about themselves

    def raise_hand(self, peer_id: str, raised: bool, *, by_web: bool = False) -> None:
        """One's own hand; a second press of the same changes nothing. `by_web`: web keeps the event itself."""
        if raised:
            changed = self.state.raise_hand(peer_id, self._room.utc_ms())
        else:
            changed = bool(self.state.lower_hand(peer_id))
        if not changed:
            return
        kind, name = "hand_raised" if raised else "hand_lowered", self._name(peer_id)
        self._room.note_for_record(kind, {"peer_id": peer_id, "name": name})
        if not by_web:
            self._told(kind, peer_id, name)
            self.tell()

    def unmute(self, peer_id: str, source: str) -> None:
        """The owner switches on again what the host had muted; nothing where it was not."""
        if not self.state.unmute(peer_id, source):
            return
        self._room.silence(peer_id, source, False)
        name = self._name(peer_id)
        self._room.note_for_record("unmuted", {"peer_id": peer_id, "name": name, "source": source})
        self._told("unmuted", peer_id, name, source=source)
        self.tell()

    def is_muted(self, peer_id: str, source: str) -> bool:
        """True when nothing of this source may go out."""
        return self.state.muted_by(peer_id, source) is not None

    def left(self, peer_id: str) -> None:
        """The peer is gone from the room."""
        if self.state.left(peer_id):
            self.tell()

    # Telling

    def tell(self) -> None:
        """The whole state to everybody."""
        for peer_id, client in self._room.clients.items():
            client.notify("moderation", self.state.describe(peer_id))

    def _told(self, action: str, peer_id: str, name: str, **more: str) -> None:
        facts = {"action": action, "peer_id": peer_id, "name": name, **more}
        self._room.publish("moderation", {"room": self._room.room_id, **facts, "utc_ms": self._room.utc_ms()})
