# SPDX-License-Identifier: Apache-2.0
"""The chain as values: every field counts, and each kind of change is named by the row that shows it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from storage.custody import FIRST, ChainBroken, Entry, Head, check, digest_of

ENTRY = Entry("yongan", 1, "i1", 5, "account", "a", "王", "session.play", "s", {"n": 1, "deep": {"b": [1.5]}}, "::1")


def chain(*names: str) -> list[tuple[Entry, str]]:
    rows: list[tuple[Entry, str]] = []
    for seq, name in enumerate(names, 1):
        entry = replace(ENTRY, seq=seq, id=name)
        rows.append((entry, digest_of(rows[-1][1] if rows else FIRST, entry)))
    return rows


OTHER: dict[str, Any] = {"seq": 2, "utc_ms": 6, "data": {"n": 1, "deep": {"b": [1.6]}}}


@pytest.mark.parametrize("name", [field.name for field in fields(Entry)])
def test_every_field_is_covered(name: str) -> None:
    changed = replace(ENTRY, **{name: OTHER.get(name, "other")})
    assert digest_of(FIRST, changed) != digest_of(FIRST, ENTRY)


def test_the_form_never_changes() -> None:
    assert digest_of(FIRST, ENTRY) == "3df5cc0b3c5b5a10284adb6af912c5421097627253ce873c05e2052171a478da"


def test_the_order_of_names_in_the_data_does_not_count() -> None:
    assert digest_of(FIRST, replace(ENTRY, data={"deep": {"b": [1.5]}, "n": 1})) == digest_of(FIRST, ENTRY)


def test_a_whole_chain_gives_its_end() -> None:
    rows = chain("a", "b", "c")
    end = Head(3, rows[-1][1])
    assert check(rows, end, Head(2, rows[1][1])) == end
    assert check([]) == Head(0, FIRST)


def test_swapped_and_foreign_rows_are_named() -> None:
    rows = chain("a", "b", "c")
    with pytest.raises(ChainBroken, match="Row 2 is missing") as broken:
        check([rows[0], rows[2], rows[1]])
    assert broken.value.seq == 2
    renumbered = replace(rows[2][0], seq=2), rows[2][1]
    with pytest.raises(ChainBroken, match="Row 2 is not what was written"):
        check([rows[0], renumbered])
    forged = replace(rows[1][0], by_name="李")
    remade = (forged, digest_of(rows[0][1], forged))
    with pytest.raises(ChainBroken, match="Row 3 is not what was written"):
        check([rows[0], remade, rows[2]])
