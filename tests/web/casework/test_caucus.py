# SPDX-License-Identifier: Apache-2.0
"""Private talks: who begins one, with whom, and when it is over by itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from web.casework.caucus import Guest, Side, check_guests, check_may_start, ends_by_itself, gets_own_key
from web.casework.moderation import Admission
from web.casework.refusal import Refused
from web.casework.sessions import EMPTY_GRACE_MS, LOST_GRACE_MS, SessionState

START = 1_000_000
HERE, NEVER = Side(True, True, None), Side(False, False, None)


def refusal(**changes: object) -> str | None:
    usual = {"state": SessionState.LIVE, "is_private": False, "is_host": True, "running": False, "host_here": True}
    given = {**usual, **changes}
    try:
        check_may_start(given.pop("state"), **given)  # type: ignore[arg-type]
    except Refused as refused:
        return refused.code
    return None


def test_only_the_host_who_is_there_begins_one_and_one_at_a_time() -> None:
    assert refusal() is None
    assert refusal(is_host=False) == "not_host"
    assert refusal(host_here=False) == "peer_not_in_room"
    assert refusal(state=SessionState.OPEN) == "peer_not_in_room"
    assert refusal(state=SessionState.ENDED) == "session_ended"
    assert refusal(running=True) == "caucus_running"
    assert refusal(is_private=True) == "caucus_running", "none within another"


@pytest.mark.parametrize(
    ("keys", "talk", "other"), [("talks", True, False), ("all", True, True), ("off", False, False)]
)
def test_which_recordings_get_a_key_of_their_own(keys: Any, talk: bool, other: bool) -> None:
    assert (gets_own_key(keys, is_talk=True), gets_own_key(keys, is_talk=False)) == (talk, other)


def test_every_guest_is_there_and_somebody_sits_before_it() -> None:
    there = Guest("set", True, Admission.NONE)
    check_guests([there, Guest("account", True, Admission.ADMITTED)])
    with pytest.raises(Refused, match="peer_needed"):
        check_guests([])
    for kind, present, admission in itertools.product(
        ("account", "set", "camera", "door", "watcher"), (True, False), Admission
    ):
        guest = Guest(kind, present, admission)
        if kind in ("account", "set") and present and admission in (Admission.NONE, Admission.ADMITTED):
            check_guests([guest])
            continue
        with pytest.raises(Refused, match="peer_not_in_room"):
            check_guests([there, guest])


@pytest.mark.parametrize("mediator_goes", [True, False])
def test_it_ends_when_one_side_has_gone(mediator_goes: bool) -> None:
    def over(gone: Side, after_ms: int, *, lost: bool = False) -> bool:
        mediator, others = (gone, [HERE]) if mediator_goes else (HERE, [gone])
        return ends_by_itself(mediator, others, START, START + after_ms, lost=lost)

    left = Side(False, True, START + 60_000)
    assert not over(HERE, 10_000_000)
    assert not over(left, 60_000 + EMPTY_GRACE_MS - 1), "a page that is loaded anew comes back"
    assert over(left, 60_000 + EMPTY_GRACE_MS)
    assert not over(left, 60_000 + LOST_GRACE_MS - 1, lost=True) and over(left, 60_000 + LOST_GRACE_MS, lost=True)
    assert not over(NEVER, LOST_GRACE_MS - 1) and over(NEVER, LOST_GRACE_MS), "nobody came"


def test_it_goes_on_while_one_of_the_other_side_is_there() -> None:
    assert not ends_by_itself(HERE, [Side(False, True, START), HERE, NEVER], START, START + 10_000_000, lost=False)
    assert ends_by_itself(HERE, [], START, START + LOST_GRACE_MS, lost=False)
