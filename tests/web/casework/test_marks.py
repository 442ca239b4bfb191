# SPDX-License-Identifier: Apache-2.0
"""What events of markers and sections say in the end, and who may set them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from web.casework import marks
from web.casework.marks import Event, Marks, told
from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder

LIU = {"kind": "account", "id": "liu", "name": "刘卫国"}


def event(kind: str, mark_id: str, at_ms: int, **data: Any) -> Event:
    return kind, {"id": mark_id, **data, "by": LIU}, at_ms


def refusal(call: Callable[[], None]) -> str | None:
    try:
        call()
    except Refused as refused:
        return refused.code
    return None


def sections(found: Marks) -> list[tuple[str, int, int | None]]:
    return [(one.label, one.from_ms, one.to_ms) for one in found.sections]


def test_a_section_lasts_until_the_next_or_until_it_is_ended() -> None:
    found = told(
        [
            event("section", "a", 1_000, label="听取陈述"),
            event("section", "b", 60_000, label="调解"),
            event("section_ended", "b", 90_000),
            event("section", "c", 120_000, label="宣读协议"),
        ]
    )
    assert sections(found) == [
        ("听取陈述", 1_000, 60_000),
        ("调解", 60_000, 90_000),
        ("宣读协议", 120_000, None),
    ]
    running = found.running()
    assert running is not None and running.id == "c" and running.by_name == "刘卫国"
    assert told([event("section", "a", 1, label="x"), event("section_ended", "a", 2)]).running() is None


def test_a_section_taken_back_never_was() -> None:
    events = [
        event("section", "a", 1_000, label="听取陈述"),
        event("section", "b", 60_000, label="按错了"),
        event("mark_removed", "b", 61_000),
    ]
    assert sections(told(events)) == [("听取陈述", 1_000, None)], "the one before goes on"


def test_markers_keep_their_moment_whatever_they_are_called_later() -> None:
    events = [
        event("marker", "a", 5_000, label=""),
        event("mark_labelled", "a", 9_000, label="争议焦点"),
        event("mark_labelled", "a", 12_000, label="界桩"),
        event("marker", "b", 6_000, label=""),
        event("mark_removed", "b", 7_000),
        ("peer_joined", {"peer_id": "p"}, 6_500),
    ]
    for order in itertools.permutations(events):
        assert [(one.id, one.label, one.at_ms) for one in told(order).markers] == [("a", "界桩", 5_000)]


@pytest.mark.parametrize(
    ("order", "present", "host", "role", "expected"),
    [
        (RecordingOrder.ON, True, True, "set", None),
        (RecordingOrder.ON, True, False, "station_officer", None),
        (RecordingOrder.ON, True, False, "hq_officer", None),
        (RecordingOrder.ON, True, False, "set", "not_host"),
        (RecordingOrder.ON, True, False, "clerk", "not_host"),
        (RecordingOrder.ON, False, True, "hq_officer", "peer_not_in_room"),
        (RecordingOrder.PAUSED, True, True, "hq_officer", "nothing_recorded"),
        (RecordingOrder.OFF, True, True, "hq_officer", "nothing_recorded"),
        (RecordingOrder.STOPPED, True, True, "hq_officer", "nothing_recorded"),
    ],
)
def test_who_marks_and_when(order: RecordingOrder, present: bool, host: bool, role: str, expected: str | None) -> None:
    assert refusal(lambda: marks.check_may_mark(order, present=present, is_host=host, role=role)) == expected


@pytest.mark.parametrize(
    ("order", "host", "expected"),
    [
        (RecordingOrder.ON, True, None),
        (RecordingOrder.PAUSED, True, None),
        (RecordingOrder.OFF, True, "nothing_recorded"),
        (RecordingOrder.STOPPED, True, "nothing_recorded"),
        (RecordingOrder.ON, False, "not_host"),
    ],
)
def test_only_the_host_divides(order: RecordingOrder, host: bool, expected: str | None) -> None:
    assert refusal(lambda: marks.check_may_divide(order, present=True, is_host=host)) == expected


def test_everybody_changes_their_own_markers_and_the_host_all() -> None:
    found = told([event("marker", "m", 1, label=""), event("section", "s", 2, label="调解")])

    def change(mark_id: str, me: tuple[str, str], *, host: bool = False, present: bool = True) -> str | None:
        return refusal(lambda: marks.check_may_change(found, mark_id, present=present, is_host=host, me=me))

    mine, other = ("account", "liu"), ("set", "liu")
    assert change("m", mine) is None
    assert change("m", other) == "not_host"
    assert change("m", other, host=True) is None
    assert change("s", mine) == "not_host", "a section belongs to whoever leads now"
    assert change("s", other, host=True) is None
    assert change("x", mine, host=True) == "mark_not_found"
    assert change("m", mine, present=False) == "peer_not_in_room"


def test_a_session_holds_so_many_and_no_more() -> None:
    assert refusal(lambda: marks.check_room(marks.MOST_EVENTS - 1)) is None
    assert refusal(lambda: marks.check_room(marks.MOST_EVENTS)) == "marks_full"
