# SPDX-License-Identifier: Apache-2.0
"""Setting markers and sections: first the rule, then the sealed record, then the database.

A marker that would be missing from the record is none: where the record cannot take it, the press fails and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from storage.access import EventOrder
from storage.ids import new_id
from web.casework import marks as rules
from web.casework.refusal import Refused
from web.casework.visibility import Viewer, check_may_join, check_may_lead
from web.sessions.audit import Actor, note
from web.sessions.delivery import Delivery
from web.sessions.rows import SessionRows

Kind = Literal["marker", "section"]
Written = tuple[str, dict[str, Any]]
"""Type and data of the event that a press leads to."""
_AUDITED: Final = {kind: f"session.{kind}" for kind in rules.EVENTS}


class MarkDesk:
    """The buttons for markers and sections."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def put(self, viewer: Viewer, actor: Actor, session_id: str, kind: Kind, label: str) -> str:
        """Mark this moment, or begin a section here; its id.

        Raises Refused `session_not_found`, `session_ended`, `forbidden`, `peer_not_in_room`, `not_host`,
        `nothing_recorded`, `marks_full`, and MediaAway or MediaRefused: nothing was set then.
        """
        mark_id = new_id()

        def decide(rows: SessionRows) -> Written:
            here, host = present(rows, viewer), rows.is_host(viewer)
            if kind == "marker":
                rules.check_may_mark(rows.order, present=here, is_host=host, role=viewer.role)
            else:
                rules.check_may_divide(rows.order, present=here, is_host=host)
            rules.check_room(len(rows.mark_events))
            return kind, {"id": mark_id, "label": label}

        await self._write(viewer, actor, session_id, decide)
        return mark_id

    async def label(self, viewer: Viewer, actor: Actor, session_id: str, mark_id: str, label: str) -> None:
        """Call it something else. Raises as `put`, and Refused `mark_not_found`."""

        def decide(rows: SessionRows) -> Written:
            _check_change(rows, viewer, mark_id)
            rules.check_room(len(rows.mark_events))
            return rules.LABELLED, {"id": mark_id, "label": label}

        await self._write(viewer, actor, session_id, decide)

    async def remove(self, viewer: Viewer, actor: Actor, session_id: str, mark_id: str) -> None:
        """Take it back; the record keeps that it was set and taken back. Raises as `label`."""

        def decide(rows: SessionRows) -> Written:
            _check_change(rows, viewer, mark_id)
            return rules.REMOVED, {"id": mark_id}

        await self._write(viewer, actor, session_id, decide)

    async def end_section(self, viewer: Viewer, actor: Actor, session_id: str) -> None:
        """What comes now belongs to no section. Raises as `put`, and Refused `mark_not_found` where none goes on."""

        def decide(rows: SessionRows) -> Written:
            rules.check_may_divide(rows.order, present=present(rows, viewer), is_host=rows.is_host(viewer))
            running = rows.marks().running()
            if running is None:
                raise Refused("mark_not_found")
            return rules.SECTION_ENDED, {"id": running.id}

        await self._write(viewer, actor, session_id, decide)

    async def _write(
        self, viewer: Viewer, actor: Actor, session_id: str, decide: Callable[[SessionRows], Written]
    ) -> None:
        delivery = self._delivery
        async with delivery.locked(session_id):
            async with delivery.rows(session_id, viewer) as step:
                facts = step.rows.facts(viewer)
                check_may_join(viewer, facts)
                check_may_lead(viewer, facts)
                kind, data = decide(step.rows)
                data["by"], utc_ms = actor.named(), step.now_ms
            await delivery.media.event(EventOrder(session_id, kind, data, utc_ms))
            async with delivery.rows(session_id, viewer) as step:
                step.happened(kind, data, utc_ms)
                note(step.db, step.rows.session.county, actor, _AUDITED[kind], session_id, utc_ms, data)
        delivery.changed(session_id)


def present(rows: SessionRows, viewer: Viewer) -> bool:
    """True while the viewer's endpoint is in the room."""
    mine = rows.own(viewer)
    return mine is not None and mine.present


def may_mark(rows: SessionRows, viewer: Viewer) -> bool:
    """True when the viewer's press on the marker's button would be taken now."""
    try:
        facts = rows.facts(viewer)
        check_may_join(viewer, facts)
        check_may_lead(viewer, facts)
        here, host = present(rows, viewer), rows.is_host(viewer)
        rules.check_may_mark(rows.order, present=here, is_host=host, role=viewer.role)
    except Refused:
        return False
    return True


def _check_change(rows: SessionRows, viewer: Viewer, mark_id: str) -> None:
    here, host = present(rows, viewer), rows.is_host(viewer)
    rules.check_may_change(rows.marks(), mark_id, present=here, is_host=host, me=(viewer.kind, viewer.id))
    rules.check_has_clock(rows.order)
