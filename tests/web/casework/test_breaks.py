# SPDX-License-Identifier: Apache-2.0
"""Breaks as the events tell them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.casework import breaks
from web.casework.breaks import Break, told, word_of
from web.words import LANGUAGES, Words

KINDS = st.sampled_from(["recording_started", "recording_paused", "recording_resumed", "recording_stopped", "marker"])


def test_each_break_has_its_reason_and_ends_where_recording_went_on() -> None:
    events = [
        ("recording_started", {"reason": "x"}, 0),
        ("recording_paused", {"reason": "rest"}, 10),
        ("recording_resumed", {"reason": "back"}, 20),
        ("recording_paused", {}, 30),
        ("recording_stopped", {"reason": "ended_by_person"}, 40),
    ]
    assert told(events) == [Break(10, 20, "rest"), Break(30, 40, "")]
    assert told(events[:4]) == [Break(10, 20, "rest"), Break(30, None, "")]


@given(st.lists(st.tuples(KINDS, st.integers(0, 1_000)), max_size=40, unique_by=lambda event: event[1]), st.randoms())
def test_breaks_follow_each_other_and_hold_no_recording(listed: list[tuple[str, int]], dice: object) -> None:
    events = [(kind, {"reason": f"at {at_ms}"}, at_ms) for kind, at_ms in listed]
    found = told(events)
    for earlier, later in itertools.pairwise(found):
        assert earlier.to_ms is not None and earlier.from_ms < earlier.to_ms < later.from_ms
    for one in found:
        assert one.reason == f"at {one.from_ms}"
        end_ms = 1_001 if one.to_ms is None else one.to_ms
        assert not [
            at_ms
            for kind, at_ms in listed
            if kind in ("recording_resumed", "recording_stopped") and one.from_ms < at_ms < end_ms
        ]
    dice.shuffle(events)  # type: ignore[attr-defined]
    assert told(events) == found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_the_lists_has_its_words(language: str) -> None:
    words = Words()
    for reason in (*breaks.USUAL, *breaks.BY_RULE):
        name = word_of(reason)
        assert name is not None and words.has(name, language)
    assert word_of("等材料") is None and word_of("") is None and word_of("ended_by_person") is None
