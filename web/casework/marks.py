# SPDX-License-Identifier: Apache-2.0
"""Markers and sections of a record: who may set them, and what the events say in the end. PURE.

A marker points at a moment, a section names what follows it, until the next one begins or somebody ends it. Both are
events on the session clock and only ever added: whatever was set, named anew or taken back stays in the sealed record,
and `told` says what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder

MARKER: Final = "marker"
SECTION: Final = "section"
SECTION_ENDED: Final = "section_ended"
LABELLED: Final = "mark_labelled"
REMOVED: Final = "mark_removed"
EVENTS: Final = (MARKER, SECTION, SECTION_ENDED, LABELLED, REMOVED)
"""Types of the events that `told` reads."""

LONGEST_LABEL: Final = 60
MOST_EVENTS: Final = 400
"""Markers, sections and names of one session, also those taken back; beyond it none can be set any more."""

OFFICERS: Final = frozenset({"station_officer", "hq_officer"})
"""Roles that mark without leading. A set marks only while it leads: anybody may stand before it."""

Event = tuple[str, Mapping[str, Any], int]
"""Type, data, and its time in ms; the times of the answer are of the same clock."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment. An empty label: only that it was marked."""

    id: str
    label: str
    at_ms: int
    by_kind: str
    by_id: str
    by_name: str


@dataclass(frozen=True, slots=True)
class Section:
    """A named stretch. `to_ms` None: up to the end of the record."""

    id: str
    label: str
    from_ms: int
    to_ms: int | None
    by_name: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What is there now, in the order of time."""

    markers: tuple[Marker, ...] = ()
    sections: tuple[Section, ...] = ()

    def check_there(self, mark_id: str) -> None:
        """Raises Refused `mark_not_found`."""
        ids = {*(marker.id for marker in self.markers), *(section.id for section in self.sections)}
        if mark_id not in ids:
            raise Refused("mark_not_found")

    def running(self) -> Section | None:
        """The section that goes on."""
        return self.sections[-1] if self.sections and self.sections[-1].to_ms is None else None


def told(events: Iterable[Event]) -> Marks:
    """What these events say in the end. Others are passed over; the order in which they come does not matter."""
    known = sorted((event for event in events if event[0] in EVENTS), key=lambda event: event[2])
    gone = {str(data.get("id", "")) for kind, data, _ in known if kind == REMOVED}
    labels = {str(data.get("id", "")): str(data.get("label", "")) for kind, data, _ in known if kind == LABELLED}
    ends = {str(data.get("id", "")): at_ms for kind, data, at_ms in known if kind == SECTION_ENDED}
    markers: list[Marker] = []
    sections: list[Section] = []
    for kind, data, at_ms in known:
        mark_id = str(data.get("id", ""))
        if kind not in (MARKER, SECTION) or mark_id in gone:
            continue
        label = labels.get(mark_id, str(data.get("label", "")))
        by = data.get("by") or {}
        by_name = str(by.get("name", ""))
        if kind == MARKER:
            markers.append(
                Marker(mark_id, label, at_ms, str(by.get("kind", "")), str(by.get("id", "")), by_name),
            )
            continue
        if sections:
            before = sections[-1]
            to_ms = at_ms if before.to_ms is None else min(before.to_ms, at_ms)
            sections[-1] = Section(before.id, before.label, before.from_ms, to_ms, before.by_name)
        sections.append(Section(mark_id, label, at_ms, ends.get(mark_id), by_name))
    return Marks(tuple(markers), tuple(sections))


def check_may_mark(order: RecordingOrder, *, present: bool, is_host: bool, role: str) -> None:
    """The host and every officer in the room, while something is recorded.

    Raises Refused `peer_not_in_room`, `not_host`, `nothing_recorded`.
    """
    _check_may_point(present=present, may=is_host or role in OFFICERS)
    if order is not RecordingOrder.ON:
        raise Refused("nothing_recorded")


def check_may_divide(order: RecordingOrder, *, present: bool, is_host: bool) -> None:
    """Only the host, also in a break: the section then begins with what is recorded after it. Raises as the above."""
    _check_may_point(present=present, may=is_host)
    check_has_clock(order)


def check_may_change(marks: Marks, mark_id: str, *, present: bool, is_host: bool, me: tuple[str, str]) -> None:
    """The host changes and takes back everything, everybody else their own markers. `me` is the kind and id.

    Raises Refused `peer_not_in_room`, `mark_not_found`, `not_host`.
    """
    marks.check_there(mark_id)
    mine = any(mark.id == mark_id and (mark.by_kind, mark.by_id) == me for mark in marks.markers)
    _check_may_point(present=present, may=is_host or mine)


def check_has_clock(order: RecordingOrder) -> None:
    """Before the recording was started there is no clock that an event could lie on. Raises `nothing_recorded`."""
    if order not in (RecordingOrder.ON, RecordingOrder.PAUSED):
        raise Refused("nothing_recorded")


def check_room(written: int) -> None:
    """`written`: how many events of this kind the session has. Raises Refused `marks_full`."""
    if written >= MOST_EVENTS:
        raise Refused("marks_full")


def _check_may_point(*, present: bool, may: bool) -> None:
    if not present:
        raise Refused("peer_not_in_room")
    if not may:
        raise Refused("not_host")
