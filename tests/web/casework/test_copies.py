# SPDX-License-Identifier: Apache-2.0
"""Who may ask, decide, cancel and fetch: one table of states, nobody over their own request."""

from __future__ import annotations

import pytest

from web.casework import copies as rules
from web.casework.copies import CopyState
from web.casework.refusal import Refused


def refused(code: str) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, match=f"^{code}$")


def test_nobody_decides_over_their_own_request() -> None:
    with refused("copy_own"):
        rules.check_decision(CopyState.ASKED, "a", "a", approve=True, reason="")
    assert not rules.may_decide("hq_officer", CopyState.ASKED, "a", "a")
    assert rules.may_decide("hq_officer", CopyState.ASKED, "a", "b")
    assert not rules.may_decide("clerk", CopyState.ASKED, "a", "b")


@pytest.mark.parametrize("state", CopyState)
def test_only_a_waiting_request_is_decided(state: CopyState) -> None:
    if state is CopyState.ASKED:
        assert rules.check_decision(state, "a", "b", approve=True, reason="") is CopyState.APPROVED
        assert rules.check_decision(state, "a", "b", approve=False, reason="无关") is CopyState.REFUSED
        with refused("copy_reason_needed"):
            rules.check_decision(state, "a", "b", approve=False, reason="")
    else:
        with refused("copy_decided"):
            rules.check_decision(state, "a", "b", approve=True, reason="")


@pytest.mark.parametrize("state", CopyState)
def test_only_the_asker_cancels_and_retries(state: CopyState) -> None:
    with refused("copy_not_own"):
        rules.check_cancel(state, "a", "b")
    with refused("copy_not_own"):
        rules.check_retry(state, "a", "b")
    over = state in (CopyState.REFUSED, CopyState.CANCELLED, CopyState.EXPIRED)
    assert rules.may_cancel(state, "a", "a") is not over
    if over:
        with refused("copy_over"):
            rules.check_cancel(state, "a", "a")
    if state is not CopyState.FAILED:
        with refused("copy_over"):
            rules.check_retry(state, "a", "a")


def test_a_copy_is_fetched_by_its_asker_until_it_expires() -> None:
    assert rules.may_fetch(CopyState.READY, "a", "a", 100, 99)
    assert not rules.may_fetch(CopyState.READY, "a", "a", 100, 100)
    assert not rules.may_fetch(CopyState.READY, "a", "b", 100, 99)
    assert not rules.may_fetch(CopyState.APPROVED, "a", "a", 100, 99)


def test_an_empty_span_is_refused() -> None:
    rules.check_span(0, 1)
    rules.check_span(None, 0)
    for span in ((5, 5), (6, 5)):
        with refused("copy_span_empty"):
            rules.check_span(*span)
