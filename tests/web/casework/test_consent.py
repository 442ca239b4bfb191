# SPDX-License-Identifier: Apache-2.0
"""Consent and the states of a session, row by row."""

from __future__ import annotations

import itertools

import pytest

from web.casework.consent import Endpoint, Person, check_may_join, check_may_record, step_after_change
from web.casework.refusal import Refused
from web.casework.sessions import (
    RecordingOrder,
    RecordingStep,
    SessionState,
    SessionStep,
    ends_by_itself,
    next_recording_order,
    next_session_state,
)


def endpoint(*people: tuple[str, bool | None], present: bool = True) -> Endpoint:
    return Endpoint("p", "永安派出所", present, tuple(Person(name, agreed) for name, agreed in people))


@pytest.mark.parametrize(
    ("endpoints", "code", "names"),
    [
        ([endpoint(("甲", True)), endpoint(("乙", True))], None, None),
        ([endpoint(("甲", True), ("乙", None))], "consent_missing", ["乙"]),
        ([endpoint(("甲", True)), endpoint(("乙", False))], "consent_missing", ["乙"]),
        ([endpoint(("甲", True)), endpoint(("乙", None), present=False)], None, None),
        ([endpoint()], "consent_missing", ["永安派出所"]),
        ([], "nobody_present", None),
        ([endpoint(("甲", True), present=False)], "nobody_present", None),
    ],
)
def test_recording_starts_only_when_everyone_present_agreed(
    endpoints: list[Endpoint], code: str | None, names: list[str] | None
) -> None:
    if code is None:
        check_may_record(endpoints)
        return
    with pytest.raises(Refused) as refused:
        check_may_record(endpoints)
    assert refused.value.code == code
    assert refused.value.params.get("names") == names


def test_who_joins_a_recorded_session_consents_first() -> None:
    check_may_join(endpoint(("甲", None)), recorded=False)
    check_may_join(endpoint(("甲", True)), recorded=True)
    with pytest.raises(Refused) as refused:
        check_may_join(endpoint(("甲", True), ("乙", None)), recorded=True)
    assert (refused.value.code, refused.value.params) == ("consent_required", {"names": ["乙"]})


def test_a_withdrawal_pauses_and_nothing_resumes_by_itself() -> None:
    agreed, withdrawn = [endpoint(("甲", True))], [endpoint(("甲", False))]
    assert step_after_change(RecordingOrder.ON, withdrawn) is RecordingStep.PAUSE
    assert step_after_change(RecordingOrder.ON, agreed) is None
    assert step_after_change(RecordingOrder.PAUSED, agreed) is None
    assert step_after_change(RecordingOrder.OFF, withdrawn) is None


def test_a_session_that_ended_never_comes_back() -> None:
    for step in SessionStep:
        with pytest.raises(Refused, match="session_ended"):
            next_session_state(SessionState.ENDED, step)
    assert next_session_state(SessionState.OPEN, SessionStep.SOMEBODY_JOINED) is SessionState.LIVE


def test_every_step_of_a_recording_leads_somewhere_or_is_refused() -> None:
    for order, step in itertools.product(RecordingOrder, RecordingStep):
        try:
            after = next_recording_order(order, step)
        except Refused as refused:
            assert refused.code in ("session_ended", "recording_not_on")
            continue
        assert order is not RecordingOrder.STOPPED or after is RecordingOrder.STOPPED
        assert after is not RecordingOrder.OFF or order is RecordingOrder.OFF


@pytest.mark.parametrize(
    ("state", "present", "left", "now", "ends"),
    [
        (SessionState.LIVE, 0, 1_000, 21_000, True),
        (SessionState.LIVE, 0, 1_000, 20_999, False),
        (SessionState.LIVE, 1, 1_000, 99_000, False),
        (SessionState.OPEN, 0, None, 99_000, False),
        (SessionState.ENDED, 0, 1_000, 99_000, False),
    ],
)
def test_an_empty_session_ends_after_its_grace(
    state: SessionState, present: int, left: int | None, now: int, ends: bool
) -> None:
    assert ends_by_itself(state, present, left, now) is ends
