# SPDX-License-Identifier: Apache-2.0
"""How long a record is kept: the longest wins, and what nobody knows is kept."""

from __future__ import annotations

import pytest

from web.casework.refusal import Refused
from web.casework.retention import (
    DAY_MS,
    Classes,
    Keeping,
    check_class,
    check_hold,
    is_due,
    kept_until_utc_ms,
    wants_hold,
)

CLASSES: Classes = {"ordinary": 90, "evidence": "permanent"}
ENDED = 1_790_000_000_000
OVER = ENDED + 90 * DAY_MS


@pytest.mark.parametrize(
    ("keeping", "until"),
    [
        (Keeping("ordinary", ENDED), OVER),
        (Keeping("ordinary", ENDED, locked_until_utc_ms=OVER - 1), OVER),
        (Keeping("ordinary", ENDED, locked_until_utc_ms=OVER + 1), OVER + 1),
        (Keeping("ordinary", ENDED, held=True), OVER),
        (Keeping("evidence", ENDED), None),
        (Keeping("evidence", ENDED, locked_until_utc_ms=OVER), None),
        (Keeping("a class that was taken out of the settings", ENDED), None),
    ],
)
def test_until_when(keeping: Keeping, until: int | None) -> None:
    assert kept_until_utc_ms(keeping, CLASSES) == until


def test_it_is_due_at_its_time_and_not_a_millisecond_before() -> None:
    keeping = Keeping("ordinary", ENDED)
    assert not is_due(keeping, CLASSES, OVER - 1)
    assert is_due(keeping, CLASSES, OVER)


def test_a_hold_goes_before_every_time() -> None:
    assert not is_due(Keeping("ordinary", ENDED, held=True), CLASSES, OVER + 10_000 * DAY_MS)
    assert not is_due(Keeping("evidence", ENDED), CLASSES, OVER + 10_000 * DAY_MS)


def test_the_store_holds_what_has_no_time() -> None:
    assert wants_hold(Keeping("ordinary", ENDED, held=True), CLASSES)
    assert wants_hold(Keeping("evidence", ENDED), CLASSES)
    assert not wants_hold(Keeping("ordinary", ENDED), CLASSES)


def test_what_is_refused() -> None:
    check_class("ordinary", CLASSES)
    check_hold(held=False, wanted=True, reason="诉讼中")
    for code, call in (
        ("retention_class_unknown", lambda: check_class("forever", CLASSES)),
        ("hold_reason_needed", lambda: check_hold(held=False, wanted=True, reason="")),
        ("hold_unchanged", lambda: check_hold(held=True, wanted=True, reason="再次")),
        ("hold_unchanged", lambda: check_hold(held=False, wanted=False, reason="再次")),
    ):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.code == code
