# SPDX-License-Identifier: Apache-2.0
"""Arrivals and the feedback that tells of them: the compiled one writes what the reference writes, byte for byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.sfu.twcc import MAX_PENDING, TwccReceiver


@pytest.fixture(scope="module")
def compiled() -> Any:
    build()
    module = native.load()
    assert module is not None, "the compiled plane cannot be built here"
    return module


def walk(chance: random.Random, steps: tuple[int, ...], pauses: tuple[float, ...]) -> list[tuple[int, float]]:
    number, now, made = chance.randrange(1 << 16), chance.random() * 1e5, []
    for _ in range(chance.randrange(1, 700)):
        number, now = number + chance.choice(steps), now + chance.choice(pauses)
        made.append((number & 0xFFFF, now))
    return made


@pytest.mark.parametrize("seed", range(120))
def test_both_write_the_same_feedback(compiled: Any, seed: int) -> None:
    chance = random.Random(seed)
    steps = chance.choice(((1,), (1, 1, 1, 2), (1, 1, -1, 3, 0), (1, 40, 300, -7), (1, 600, 9_000, 30_000, -20_000)))
    pauses = chance.choice(((0.0, 0.001), (0.002, 0.02, 0.07), (0.001, 9.0), (0.03, -0.001)))
    reference, ours = TwccReceiver(), compiled.TwccReceiver()
    for number, now in walk(chance, steps, pauses):
        reference.arrived(number, now)
        ours.arrived(number, now)
        if chance.random() < 0.02:
            assert ours.pending == reference.pending
            gaps = chance.random() < 0.7
            assert ours.feedback(1, 0xFFFFFFFF, gaps=gaps) == reference.feedback(1, 0xFFFFFFFF, gaps=gaps)
            assert (ours.came, ours.expected) == (reference.came, reference.expected)
    gaps = seed % 3 > 0
    assert ours.feedback(7, 8, gaps=gaps) == reference.feedback(7, 8, gaps=gaps)
    assert ours.feedback(7, 8) == reference.feedback(7, 8) == []


def test_what_is_too_much_is_dropped_from_the_oldest_on(compiled: Any) -> None:
    for receiver in (TwccReceiver(), compiled.TwccReceiver()):
        for number in range(MAX_PENDING + 100):
            receiver.arrived(number & 0xFFFF, 5.0)
        assert sorted(receiver.pending) == list(range(100, MAX_PENDING + 100))
        assert len(receiver.feedback(1, 2)) == MAX_PENDING // 512


def test_what_is_no_number_or_no_time_is_refused(compiled: Any) -> None:
    receiver = compiled.TwccReceiver()
    for number, now in ((-1, 1.0), (1 << 16, 1.0), (1, -1.0), (1, float("nan")), (1, 1e12)):
        with pytest.raises(ValueError, match="no number"):
            receiver.arrived(number, now)
    with pytest.raises(TypeError):
        compiled.TwccReceiver(1)
    with pytest.raises(TypeError):
        receiver.feedback(1)
