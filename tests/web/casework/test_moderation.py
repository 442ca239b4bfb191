# SPDX-License-Identifier: Apache-2.0
"""Who comes in at once, who waits, who is out, and who may take the lead."""

from __future__ import annotations

from typing import Any

import pytest

from web.casework.moderation import (
    Action,
    Admission,
    Person,
    check_may_hand_over,
    check_may_take_over,
    check_not_oneself,
    comes_in_at_once,
    is_let_in,
)
from web.casework.refusal import Refused


def person(admission: str = "", *, was_in: bool = False, present: bool = False) -> Person:
    return Person("p", Admission(admission), was_in, present)


def refusal(call: Any) -> str | None:
    try:
        call()
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("who", "host", "locked", "expected"),
    [
        (person(), False, False, False),  # a newcomer: the room decides
        (person(), False, True, "session_locked"),
        (person(), True, True, True),
        (person("admitted"), False, True, True),
        (person(was_in=True), False, True, True),  # a re-join within the session
        (person("removed", was_in=True), False, False, "removed_from_session"),
        (person("denied"), False, False, "entry_denied"),
        (person("removed", was_in=True), True, False, "removed_from_session"),
    ],
)
def test_who_comes_in_at_once(who: Person, host: bool, locked: bool, expected: bool | str) -> None:
    try:
        found: bool | str = comes_in_at_once(who, is_host=host, locked=locked)
    except Refused as refused:
        found = refused.code
    assert found == expected


@pytest.mark.parametrize(
    ("who", "waiting_room", "expected"),
    [
        (None, False, False),
        (person(), False, True),
        (person(), True, False),
        (person("admitted"), True, True),
        (person(was_in=True), True, True),
        (person("removed", was_in=True), False, False),
        (person("denied"), False, False),
    ],
)
def test_who_waits_for_nobodys_word(who: Person | None, waiting_room: bool, expected: bool) -> None:
    assert is_let_in(who, waiting_room=waiting_room) is expected


def test_the_lead_is_taken_over_only_from_a_host_who_is_gone_and_by_somebody_inside() -> None:
    inside = person(present=True, was_in=True)

    def take(me: Person | None, host_present: bool, waiting_room: bool = False) -> str | None:
        return refusal(lambda: check_may_take_over(me, host_present=host_present, waiting_room=waiting_room))

    assert take(inside, False) is None
    assert take(inside, True) == "host_present"
    assert take(person(), False) == "forbidden", "not in the room"
    assert take(None, False) == "forbidden"
    assert take(person("denied", present=True), False) == "forbidden"
    assert take(person(present=True), False, waiting_room=True) == "forbidden", "still waits"


def test_the_lead_is_handed_to_somebody_who_is_there() -> None:
    assert refusal(lambda: check_may_hand_over(person(present=True))) is None
    assert refusal(lambda: check_may_hand_over(person())) == "peer_not_in_room"
    assert refusal(lambda: check_may_hand_over(person("removed", present=True))) == "peer_not_in_room"


@pytest.mark.parametrize("action", [Action.REMOVE, Action.DENY])
def test_nobody_removes_themselves(action: Action) -> None:
    assert refusal(lambda: check_not_oneself(action, "p", "p")) == "not_oneself"
    assert refusal(lambda: check_not_oneself(action, "p", "q")) is None
