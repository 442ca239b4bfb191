# SPDX-License-Identifier: Apache-2.0
"""Who leads a session, who may come in, and what the one who leads may do with the others. PURE.

The host is the endpoint of whoever opened the session, until it hands the lead over. While the host is not there,
anybody who was let in may take the lead over, so that no session is left without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from web.casework.refusal import Refused


class Admission(StrEnum):
    """What was decided about one endpoint."""

    NONE = ""
    ADMITTED = "admitted"
    REMOVED = "removed"
    DENIED = "denied"


class Action(StrEnum):
    """What can be asked for; which of them need the host is in `HOST_ONLY`."""

    MUTE = "mute"
    ASK_UNMUTE = "ask_unmute"
    REMOVE = "remove"
    ALLOW = "allow"
    LOCK = "lock"
    WAITING_ROOM = "waiting_room"
    ADMIT = "admit"
    DENY = "deny"
    LOWER_HAND = "lower_hand"
    HAND_OVER = "hand_over"
    SPOTLIGHT = "spotlight"
    TAKE_OVER = "take_over"
    RAISE_HAND = "raise_hand"


HOST_ONLY: Final = frozenset(Action) - {Action.TAKE_OVER, Action.RAISE_HAND, Action.LOWER_HAND}
"""Everybody may lower their own hand; whose it is decides."""
NEEDS_PEER: Final = frozenset(
    {Action.ASK_UNMUTE, Action.REMOVE, Action.ALLOW, Action.ADMIT, Action.DENY, Action.HAND_OVER}
)
OUT: Final = frozenset({Admission.REMOVED, Admission.DENIED})
_WHY: Final = {Admission.REMOVED: "removed_from_session", Admission.DENIED: "entry_denied"}


@dataclass(frozen=True, slots=True)
class Person:
    """One endpoint as the rules see it."""

    peer_id: str
    admission: Admission
    was_in: bool
    """It has been in the room before."""
    present: bool


def check_not_out(admission: Admission) -> None:
    """Raises Refused `removed_from_session`, `entry_denied`."""
    if admission in _WHY:
        raise Refused(_WHY[admission])


def is_let_in(person: Person | None, *, waiting_room: bool) -> bool:
    """True for whoever does not wait for anybody's word any more."""
    if person is None or person.admission in OUT:
        return False
    return not waiting_room or person.was_in or person.admission is Admission.ADMITTED


def comes_in_at_once(person: Person, *, is_host: bool, locked: bool) -> bool:
    """True: comes in whatever the waiting room says. Raises Refused `session_locked` and those of `check_not_out`."""
    check_not_out(person.admission)
    if is_host or person.was_in or person.admission is Admission.ADMITTED:
        return True
    if locked:
        raise Refused("session_locked")
    return False


def check_may_take_over(me: Person | None, *, host_present: bool, waiting_room: bool) -> None:
    """Raises Refused `host_present`, `forbidden`."""
    if host_present:
        raise Refused("host_present")
    if me is None or not me.present or not is_let_in(me, waiting_room=waiting_room):
        raise Refused("forbidden")


def check_may_hand_over(to: Person) -> None:
    """Only to somebody who is there. Raises Refused `peer_not_in_room`."""
    if not to.present or to.admission in OUT:
        raise Refused("peer_not_in_room")


def check_not_oneself(action: Action, me: str | None, peer_id: str) -> None:
    """Nobody removes or denies themselves. Raises Refused `not_oneself`."""
    if action in (Action.REMOVE, Action.DENY) and me == peer_id:
        raise Refused("not_oneself")
