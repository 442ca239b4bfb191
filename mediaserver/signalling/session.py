# SPDX-License-Identifier: Apache-2.0
"""State machine of one client of a room, as one table of every arrow, legal and illegal.

A client is not its WebSocket: the socket may be lost and another one may resume the client while media flows on.

    fresh ──hello──▶ joined ──socket_lost──▶ detached ──resume──▶ joined
      │                ▲ │ leave, page_closed, replaced, removed, room_closed, silent     │ the same
     knock       admit │ ▼                                                                ▼
      └─▶ waiting ─────┘ left ◀───────────────────────────────────────────────────────────┘

Who waits has no place in the room yet: a lost socket ends the waiting, and the page knocks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mediaserver.errors import PeerFault

RECONNECTING_AFTER_S: Final = 6.0
"""Silence of STUN after which the others are told (Chromium checks each 2.7 s: two checks missed)."""
GONE_AFTER_S: Final = 10.0
"""Silence of STUN after which a peer has left."""


class State(Enum):
    """Where a client stands."""

    FRESH = "fresh"  # a socket that has said nothing yet
    WAITING = "waiting"  # knocked, and not let in yet
    JOINED = "joined"  # in the room, with a socket
    DETACHED = "detached"  # in the room, the socket was lost
    LEFT = "left"  # not in the room any more


class Arrow(Enum):
    """What can happen to a client."""

    HELLO = "hello"
    KNOCK = "knock"  # a hello that must wait for the host's word
    ADMIT = "admit"
    RESUME = "resume"
    REQUEST = "request"  # connect, produce, close_producer, pause_producer, restart_ice, stats
    LEAVE = "leave"
    PAGE_CLOSED = "page_closed"  # close code 1001
    SOCKET_LOST = "socket_lost"  # any other end of the socket
    REPLACED = "replaced"
    REMOVED = "removed"
    ROOM_CLOSED = "room_closed"
    SILENT = "silent"


ARROWS: Final[dict[tuple[State, Arrow], State | str]] = {
    # A state: the arrow is legal and leads there. A text: it is illegal, and this is the code that the page gets.
    (State.FRESH, Arrow.HELLO): State.JOINED,
    (State.FRESH, Arrow.KNOCK): State.WAITING,
    (State.FRESH, Arrow.ADMIT): "not_joined",
    (State.FRESH, Arrow.RESUME): "resume_failed",
    (State.FRESH, Arrow.REQUEST): "not_joined",
    (State.FRESH, Arrow.LEAVE): State.LEFT,
    (State.FRESH, Arrow.PAGE_CLOSED): State.LEFT,
    (State.FRESH, Arrow.SOCKET_LOST): State.LEFT,
    (State.FRESH, Arrow.REPLACED): "not_joined",
    (State.FRESH, Arrow.REMOVED): "not_joined",
    (State.FRESH, Arrow.ROOM_CLOSED): State.LEFT,
    (State.FRESH, Arrow.SILENT): "not_joined",
    (State.WAITING, Arrow.HELLO): "already_joined",
    (State.WAITING, Arrow.KNOCK): "already_joined",
    (State.WAITING, Arrow.ADMIT): State.JOINED,
    (State.WAITING, Arrow.RESUME): "resume_failed",
    (State.WAITING, Arrow.REQUEST): "not_admitted",
    (State.WAITING, Arrow.LEAVE): State.LEFT,
    (State.WAITING, Arrow.PAGE_CLOSED): State.LEFT,
    (State.WAITING, Arrow.SOCKET_LOST): State.LEFT,
    (State.WAITING, Arrow.REPLACED): State.LEFT,
    (State.WAITING, Arrow.REMOVED): State.LEFT,
    (State.WAITING, Arrow.ROOM_CLOSED): State.LEFT,
    (State.WAITING, Arrow.SILENT): State.LEFT,
    (State.JOINED, Arrow.HELLO): "already_joined",
    (State.JOINED, Arrow.KNOCK): "already_joined",
    (State.JOINED, Arrow.ADMIT): "already_joined",
    (State.JOINED, Arrow.RESUME): State.JOINED,  # the old socket is dead but did not tell yet
    (State.JOINED, Arrow.REQUEST): State.JOINED,
    (State.JOINED, Arrow.LEAVE): State.LEFT,
    (State.JOINED, Arrow.PAGE_CLOSED): State.LEFT,
    (State.JOINED, Arrow.SOCKET_LOST): State.DETACHED,
    (State.JOINED, Arrow.REPLACED): State.LEFT,
    (State.JOINED, Arrow.REMOVED): State.LEFT,
    (State.JOINED, Arrow.ROOM_CLOSED): State.LEFT,
    (State.JOINED, Arrow.SILENT): State.LEFT,
    (State.DETACHED, Arrow.HELLO): "already_joined",
    (State.DETACHED, Arrow.KNOCK): "already_joined",
    (State.DETACHED, Arrow.ADMIT): "already_joined",
    (State.DETACHED, Arrow.RESUME): State.JOINED,
    (State.DETACHED, Arrow.REQUEST): "not_attached",
    (State.DETACHED, Arrow.LEAVE): "not_attached",
    (State.DETACHED, Arrow.PAGE_CLOSED): State.LEFT,
    (State.DETACHED, Arrow.SOCKET_LOST): State.DETACHED,
    (State.DETACHED, Arrow.REPLACED): State.LEFT,
    (State.DETACHED, Arrow.REMOVED): State.LEFT,
    (State.DETACHED, Arrow.ROOM_CLOSED): State.LEFT,
    (State.DETACHED, Arrow.SILENT): State.LEFT,
    (State.LEFT, Arrow.HELLO): "left",
    (State.LEFT, Arrow.KNOCK): "left",
    (State.LEFT, Arrow.ADMIT): "left",
    (State.LEFT, Arrow.RESUME): "resume_failed",
    (State.LEFT, Arrow.REQUEST): "left",
    (State.LEFT, Arrow.LEAVE): "left",
    (State.LEFT, Arrow.PAGE_CLOSED): State.LEFT,
    (State.LEFT, Arrow.SOCKET_LOST): State.LEFT,
    (State.LEFT, Arrow.REPLACED): State.LEFT,
    (State.LEFT, Arrow.REMOVED): State.LEFT,
    (State.LEFT, Arrow.ROOM_CLOSED): State.LEFT,
    (State.LEFT, Arrow.SILENT): State.LEFT,
}


class ClientSession:
    """One client's state; `advance` is the only way to change it."""

    def __init__(self) -> None:
        self.state = State.FRESH

    def advance(self, arrow: Arrow) -> State:
        """Follow one arrow and return the new state. Raises PeerFault(code) and stays where it is if illegal."""
        target = ARROWS[self.state, arrow]
        if isinstance(target, str):
            raise PeerFault(target, f"{arrow.value} is not possible while {self.state.value}")
        self.state = target
        return target

    @property
    def present(self) -> bool:
        """True while the client has its place in the room."""
        return self.state in (State.JOINED, State.DETACHED)


class Presence(Enum):
    """What the others see of a peer."""

    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    GONE = "gone"


@dataclass(slots=True)
class Liveness:
    """Signs of life of one peer, in monotonic seconds.

    STUN decides as soon as there was any. A client that has neither published nor received yet sends no STUN
    (mediasoup-client connects a transport with its first track), so until then its socket is the sign of life.
    """

    joined_s: float
    last_stun_s: float | None = None
    socket_open: bool = True
    socket_lost_s: float = 0.0

    def silence_s(self, now: float) -> float:
        """Seconds without a sign of life."""
        if self.last_stun_s is not None:
            return now - self.last_stun_s
        return 0.0 if self.socket_open else now - max(self.socket_lost_s, self.joined_s)

    def presence(self, now: float) -> Presence:
        """How the peer stands at `now`."""
        silence = self.silence_s(now)
        if silence >= GONE_AFTER_S:
            return Presence.GONE
        return Presence.RECONNECTING if silence >= RECONNECTING_AFTER_S else Presence.CONNECTED
