# SPDX-License-Identifier: Apache-2.0
"""What the host does with a session, and what everybody may do about themselves.

Lasting decisions (lock, waiting room, host, who is out) are kept first and ordered afterwards, as the recording is.
What only concerns the running room (mute, hands, stage) is done there first; it is kept once it has happened.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from storage.access import Act, EventOrder, ModerateOrder, Source
from storage.database.models import Participant
from web.casework import moderation as rules
from web.casework.caucus import check_none_runs
from web.casework.moderation import Action, Admission
from web.casework.refusal import Refused
from web.casework.sessions import SessionState
from web.casework.visibility import Viewer, check_may_join, check_may_lead
from web.media.mediaserver_link import MediaRefused
from web.sessions.audit import Actor, note
from web.sessions.delivery import Delivery, Step
from web.sessions.rows import SessionRows, person

_IN_THE_ROOM: Final[dict[Action, tuple[Act, str]]] = {
    Action.MUTE: ("mute", "muted"),
    Action.ASK_UNMUTE: ("ask_unmute", "unmute_asked"),
    Action.RAISE_HAND: ("raise_hand", "hand_raised"),
    Action.LOWER_HAND: ("lower_hand", "hand_lowered"),
    Action.SPOTLIGHT: ("spotlight", "spotlight"),
}
"""Acts of the running room, by what they are called there and in the record."""
PEOPLE: Final = frozenset({"account", "set"})
"""Kinds of endpoints with somebody before them."""
_NOT_THERE: Final = {"unknown_peer": "peer_not_in_room", "not_knocking": "peer_not_in_room"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One press of a button."""

    action: Action
    peer_id: str | None
    source: Source
    on: bool


class Moderator:
    """All acts of moderation."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def act(self, viewer: Viewer, actor: Actor, session_id: str, wanted: Wanted) -> None:
        """Do it. A second press of the same changes nothing.

        Raises Refused `session_not_found`, `session_ended`, `forbidden`, `not_host`, `host_present`, `peer_needed`,
        `peer_not_found`, `peer_not_in_room`, `not_oneself`, `caucus_running`, those of `check_may_join`, and MediaAway.
        """
        if wanted.action in _IN_THE_ROOM:
            await self._in_the_room(viewer, actor, session_id, wanted)
            return
        async with self._delivery.step(session_id, viewer) as step:
            check(step.rows, viewer, wanted)
            _decide(step, viewer, actor, wanted)
        if wanted.action is Action.ADMIT:
            await self._open_door(session_id, actor, wanted.peer_id or "")

    async def _open_door(self, session_id: str, actor: Actor, peer_id: str) -> None:
        """Whoever went away meanwhile comes in without waiting when they are back."""
        with contextlib.suppress(MediaRefused):
            await self._delivery.moderate(ModerateOrder(session_id, "admit", peer_id, "", actor.name))

    async def _in_the_room(self, viewer: Viewer, actor: Actor, session_id: str, wanted: Wanted) -> None:
        act, event = _IN_THE_ROOM[wanted.action]
        delivery = self._delivery
        async with delivery.locked(session_id):
            async with delivery.rows(session_id, viewer) as step:
                check(step.rows, viewer, wanted)
                mine = step.rows.own(viewer)
                me = mine.id if mine is not None else ""
                peer_id = me if wanted.action is Action.RAISE_HAND else wanted.peer_id or ""
            if act == "ask_unmute" and step.rows.participant(peer_id).kind not in PEOPLE:
                act = "unmute"  # a camera on a wall has nobody who could be asked
            try:
                await delivery.moderate(ModerateOrder(session_id, act, peer_id, me, actor.name, wanted.source))
            except MediaRefused as refused:
                raise Refused(_NOT_THERE.get(refused.code, "peer_not_in_room")) from None
            async with delivery.rows(session_id, viewer) as step:
                about = next((p for p in step.rows.participants if p.id == peer_id), None)
                data: dict[str, Any] = {"peer_id": peer_id, "name": about.name if about else "", "by": actor.named()}
                if wanted.action in (Action.MUTE, Action.ASK_UNMUTE):
                    data["source"] = wanted.source
                step.happened(event, data)
                note(step.db, step.rows.session.county, actor, f"session.{act}", session_id, step.now_ms, data)
        delivery.changed(session_id)


def check(rows: SessionRows, viewer: Viewer, wanted: Wanted) -> None:
    """May this be done? Raises Refused, see `Moderator.act`."""
    facts = rows.facts(viewer)
    check_may_join(viewer, facts)
    if rows.session.state == SessionState.ENDED.value:
        raise Refused("session_ended")
    mine = rows.own(viewer)
    me = mine.id if mine is not None else None
    action = wanted.action
    if action in rules.NEEDS_PEER and not wanted.peer_id:
        raise Refused("peer_needed")
    if wanted.peer_id:
        rows.participant(wanted.peer_id)
    rules.check_not_oneself(action, me, wanted.peer_id or "")
    if action is Action.RAISE_HAND or (action is Action.LOWER_HAND and me is not None and wanted.peer_id == me):
        if mine is None or not mine.present:
            raise Refused("peer_not_in_room")
    elif action is Action.TAKE_OVER:
        check_none_runs(rows.session.caucus_id is not None)  # the host is away for it and comes back
        here = None if mine is None else person(mine)
        rules.check_may_take_over(here, host_present=rows.host_present(), waiting_room=rows.session.waiting_room)
    else:
        check_may_lead(viewer, facts)
        if not rows.is_host(viewer):
            raise Refused("not_host")


def _decide(step: Step, viewer: Viewer, actor: Actor, wanted: Wanted) -> None:
    """A lasting decision: row, event, audit. The order follows by the version."""
    rows, session = step.rows, step.rows.session
    about = rows.participant(wanted.peer_id) if wanted.peer_id else None
    match wanted.action:
        case Action.LOCK:
            done = "locked" if wanted.on else "unlocked"
            changed, session.locked = session.locked is not wanted.on, wanted.on
        case Action.WAITING_ROOM:
            done = "waiting_room_on" if wanted.on else "waiting_room_off"
            changed, session.waiting_room = session.waiting_room is not wanted.on, wanted.on
        case Action.HAND_OVER | Action.TAKE_OVER:
            done = "host_changed"
            about = about or rows.own(viewer)
            assert about is not None, "checked"
            if wanted.action is Action.HAND_OVER:
                rules.check_may_hand_over(person(about))
            changed, session.host_peer_id = session.host_peer_id != about.id, about.id
        case Action.REMOVE:
            done, changed = "removed", _set_admission(about, Admission.REMOVED)
        case Action.DENY:
            done, changed = "denied", _set_admission(about, Admission.DENIED)
        case Action.ADMIT:
            done, changed = "admitted", _set_admission(about, Admission.ADMITTED)
        case Action.ALLOW:
            done, changed = "allowed", _allow(about)
        case _:
            raise AssertionError(f"{wanted.action} is done in the room")
    if not changed:
        return
    session.barred = [p.id for p in rows.participants if Admission(p.admission) in rules.OUT]
    session.moderation_version += 1
    data: dict[str, Any] = {"by": actor.named()}
    if about is not None:
        data |= {"peer_id": about.id, "name": about.name, "place": about.place_name}
    step.happened(done, data)
    step.told.append(EventOrder(session.id, done, data, step.now_ms))
    note(step.db, session.county, actor, f"session.{done}", session.id, step.now_ms, data)


def _set_admission(about: Participant | None, admission: Admission) -> bool:
    assert about is not None, "checked"
    before, about.admission = about.admission, admission.value
    return before != admission.value


def _allow(about: Participant | None) -> bool:
    """Out no longer; whoever was removed had been in and comes in again, whoever was denied knocks again."""
    assert about is not None, "checked"
    if Admission(about.admission) not in rules.OUT:
        return False
    about.admission = Admission.NONE.value
    return True
