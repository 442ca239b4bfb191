# SPDX-License-Identifier: Apache-2.0
"""Who sees, joins and leads a session, row by row; `tests/web/sessions/test_finding.py` holds the SQL to the same."""

from __future__ import annotations

import pytest

from web.casework.doors import check_may_open
from web.casework.refusal import Refused
from web.casework.sessions import SessionState
from web.casework.visibility import SessionFacts, Viewer, check_may_join, check_may_lead, may_see

HERE, ELSEWHERE = "place-1", "place-2"


def viewer(role: str, *, place: str | None = HERE, county: str = "c") -> Viewer:
    return Viewer("set" if role == "set" else "account", "me", role, county, place)


def facts(state: str = "live", *, place: str | None = ELSEWHERE, by: str = "x", part: bool = False) -> SessionFacts:
    return SessionFacts("c", place, by, SessionState(state), part)


@pytest.mark.parametrize(
    ("who", "what", "sees"),
    [
        (viewer("administrator"), facts("ended"), True),
        (viewer("clerk"), facts("ended"), True),
        (viewer("clerk", county="other"), facts("ended"), False),
        (viewer("station_officer"), facts("live"), False),
        (viewer("station_officer"), facts("ended", place=HERE), True),
        (viewer("station_officer", place=None), facts("live", place=None), False),  # no place is no common place
        (viewer("station_officer"), facts("ended", part=True), True),
        (viewer("station_officer"), facts("ended", by="me"), True),
        (viewer("set"), facts("open", place=HERE), True),
        (viewer("set"), facts("open"), False),
        (viewer("hq_officer"), facts("open"), True),
        (viewer("hq_officer"), facts("live"), True),
        (viewer("hq_officer"), facts("ended"), False),
        (viewer("hq_officer"), facts("ended", part=True), True),
        (viewer("anonymous"), facts("live", part=True), False),
        (viewer("nonsense"), facts("live", by="me"), False),
    ],
)
def test_who_sees(who: Viewer, what: SessionFacts, sees: bool) -> None:
    assert may_see(who, what) is sees


def private(state: str = "live", *, place: str | None = HERE, by: str = "x", part: bool = False) -> SessionFacts:
    return SessionFacts("c", place, by, SessionState(state), part, private=True)


@pytest.mark.parametrize("state", ["open", "live", "ended"])
@pytest.mark.parametrize("role", ["administrator", "clerk", "station_officer", "hq_officer", "set", "anonymous"])
def test_a_private_talk_is_seen_by_who_is_in_it_and_its_record_by_who_held_it(role: str, state: str) -> None:
    joins = role in ("station_officer", "hq_officer", "set")
    assert may_see(viewer(role), private(state)) is False, "neither place nor office opens it"
    assert may_see(viewer(role), private(state, part=True)) is (joins and state != "ended")
    assert may_see(viewer(role), private(state, by="me")) is joins
    assert may_see(viewer(role, county="other"), private(state, by="me")) is False


def test_only_who_holds_a_private_talk_leads_it() -> None:
    check_may_lead(viewer("station_officer"), private(by="me", part=True))
    check_may_join(viewer("set"), private(part=True))
    with pytest.raises(Refused, match="forbidden"):
        check_may_lead(viewer("set"), private(part=True))
    for who, what in ((viewer("station_officer"), private(by="me")), (viewer("administrator"), private(by="me"))):
        with pytest.raises(Refused):
            check_may_open(who, what)


@pytest.mark.parametrize(
    ("who", "what", "join", "lead"),
    [
        (viewer("station_officer"), facts("live"), "session_not_found", "session_not_found"),
        (viewer("station_officer"), facts("live", place=HERE), None, "forbidden"),
        (viewer("station_officer"), facts("live", part=True), None, None),
        (viewer("station_officer"), facts("ended", part=True), "session_ended", None),
        (viewer("hq_officer"), facts("live"), None, "forbidden"),
        (viewer("set"), facts("open", by="me"), None, None),
        (viewer("clerk"), facts("live"), "forbidden", "forbidden"),
        (viewer("administrator"), facts("live", part=True), "forbidden", "forbidden"),
    ],
)
def test_who_joins_and_who_leads(who: Viewer, what: SessionFacts, join: str | None, lead: str | None) -> None:
    for check, code in ((check_may_join, join), (check_may_lead, lead)):
        if code is None:
            check(who, what)
            continue
        with pytest.raises(Refused) as refused:
            check(who, what)
        assert refused.value.code == code
