# SPDX-License-Identifier: Apache-2.0
"""Who leads a room, who may come in, who was muted, whose hand is up, and who stands on everybody's stage. PURE.

What must outlive the process (host, lock, waiting room, who is barred) is ordered by `web`, which keeps it; the rest
lives here, as long as the room does. Every change of the state is told to the pages as a whole: it is small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from mediaserver.errors import PeerFault

MAX_KNOCKING: Final = 30
"""People who wait at once; whoever comes then is told to try again later."""


class Entry(Enum):
    """How a newcomer comes in."""

    IN = "in"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a peer, also one that has no endpoint in the room at this moment (empty id)."""

    peer_id: str
    name: str

    def named(self) -> dict[str, str]:
        """JSON-ready."""
        return {"peer_id": self.peer_id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Hand:
    """A raised hand; `since_utc_ms` decides the order."""

    peer_id: str
    since_utc_ms: int


@dataclass(slots=True)
class Moderation:
    """State of one room. Methods return True when something changed."""

    version: int = -1
    host: str = ""
    locked: bool = False
    waiting_room: bool = False
    barred: frozenset[str] = frozenset()
    resting_since_utc_ms: int = 0
    """0: the room does not rest."""
    spotlight: str = ""
    _muted: dict[tuple[str, str], Actor] = field(default_factory=dict)
    _hands: dict[str, Hand] = field(default_factory=dict)
    _knocking: dict[str, dict[str, Any]] = field(default_factory=dict)

    def order(
        self,
        version: int,
        host: str,
        locked: bool,
        waiting_room: bool,
        barred: Iterable[str],
        resting_since_utc_ms: int = 0,
    ) -> bool:
        """Take over what `web` keeps; an older version than one obeyed is ignored."""
        if version < self.version:
            return False
        self.version = version
        before = self._ordered()
        self.host, self.locked, self.waiting_room, self.barred = host, locked, waiting_room, frozenset(barred)
        self.resting_since_utc_ms = resting_since_utc_ms
        return before != self._ordered()

    def _ordered(self) -> tuple[object, ...]:
        return self.host, self.locked, self.waiting_room, self.barred, self.resting_since_utc_ms

    # Coming in

    def entry(self, peer_id: str, admitted: bool) -> Entry:
        """How this peer comes in; `admitted` is what its token says.

        Raises PeerFault `barred`, `room_locked`, `waiting_room_full`.
        """
        if peer_id in self.barred:
            raise PeerFault("barred")
        if admitted or peer_id == self.host:
            return Entry.IN
        if self.locked:
            raise PeerFault("room_locked")
        if not self.waiting_room:
            return Entry.IN
        if len(self._knocking) >= MAX_KNOCKING and peer_id not in self._knocking:
            raise PeerFault("waiting_room_full")
        return Entry.WAIT

    def knock(self, peer_id: str, name: str, place: str, utc_ms: int) -> None:
        """Somebody waits; knocking again keeps the place in the queue."""
        facts = {"peer_id": peer_id, "name": name, "place": place, "since_utc_ms": utc_ms}
        known = self._knocking.get(peer_id)
        self._knocking[peer_id] = facts if known is None else {**facts, "since_utc_ms": known["since_utc_ms"]}

    def knock_ended(self, peer_id: str) -> bool:
        """They came in, were denied, or went away."""
        return self._knocking.pop(peer_id, None) is not None

    # In the room

    def mute(self, peer_id: str, source: str, by: Actor) -> bool:
        """Nothing of this source goes to anybody until its owner switches it on again."""
        before = self._muted.get((peer_id, source))
        self._muted[peer_id, source] = by
        return before is None

    def unmute(self, peer_id: str, source: str) -> bool:
        """The owner switches it on again. Nobody else can: a microphone is opened by whoever sits before it."""
        return self._muted.pop((peer_id, source), None) is not None

    def muted_by(self, peer_id: str, source: str) -> Actor | None:
        """Who muted it, None when it is not muted."""
        return self._muted.get((peer_id, source))

    def raise_hand(self, peer_id: str, utc_ms: int) -> bool:
        """Up; it keeps its place when it is up already."""
        if peer_id in self._hands:
            return False
        self._hands[peer_id] = Hand(peer_id, utc_ms)
        return True

    def lower_hand(self, peer_id: str) -> list[str]:
        """Down: this one, or with an empty id all. Returns whose hands were up."""
        lowered = [peer_id] if peer_id in self._hands else [] if peer_id else list(self._hands)
        for one in lowered:
            del self._hands[one]
        return lowered

    def put_on_stage(self, peer_id: str) -> bool:
        """Everybody sees this peer large; nobody in particular with an empty id."""
        before, self.spotlight = self.spotlight, peer_id
        return before != peer_id

    def left(self, peer_id: str) -> bool:
        """The peer is gone: hand and stage with it. A mute stays: it must not be undone by coming in again."""
        changed = bool(peer_id and self.lower_hand(peer_id))
        if self.spotlight == peer_id:
            self.spotlight, changed = "", True
        return changed

    # Telling

    def describe(self, for_peer: str) -> dict[str, Any]:
        """As a page is told; only the host hears who knocks."""
        return {
            "host": self.host,
            "locked": self.locked,
            "waiting_room": self.waiting_room,
            "spotlight": self.spotlight,
            "resting_since_utc_ms": self.resting_since_utc_ms,
            "hands": [{"peer_id": hand.peer_id, "since_utc_ms": hand.since_utc_ms} for hand in self._hands.values()],
            "muted": [
                {"peer_id": peer_id, "source": source, "by": by.named()}
                for (peer_id, source), by in self._muted.items()
            ],
            "knocking": list(self._knocking.values()) if for_peer == self.host else [],
            "knocking_count": len(self._knocking),
        }

    def describe_to_web(self) -> dict[str, Any]:
        """All of it, for `web`."""
        return self.describe(self.host) | {"barred": sorted(self.barred), "version": self.version}
