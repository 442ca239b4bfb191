# SPDX-License-Identifier: Apache-2.0
"""The short form of `make fuzz`: fixed seeds, some thousand inputs a target."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import corpus, sanitized
from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS

SLOW = {"feed_room": 300, "put_frames_in_order": 500, "read_parameters": 1_000, "take_feedback": 400}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    for number in range(SLOW.get(name, 4_000)):
        try:
            TARGETS[name](random.Random(f"1-{number}"))
        except Exception as error:
            raise AssertionError(f"python -m tests.fuzz --seed 1 {name} (input {number})") from error


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_inputs_break_nothing(name: str) -> None:
    for data in corpus.kept(name):
        corpus.replay(name, data)


def test_a_leak_and_a_fault_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bytes] = []

    def leaks(chance: random.Random) -> bytes:
        held.extend(chance.randbytes(50) for _ in range(50))
        return b""

    def breaks(chance: random.Random) -> bytes:
        raise ValueError(chance.random())

    monkeypatch.setattr("tests.fuzz.__main__.TARGETS", {"leaks": leaks, "breaks": breaks})
    assert "memory grew" in run("leaks", 1, 60, 1_000)[1]
    assert "broke it" in run("breaks", 1, 60, 1_000)[1]
    assert run("breaks", 1, 60, 0) == (0, "")


def test_the_compiled_plane_stays_within_its_memory() -> None:
    if sanitized.library() is None:
        pytest.skip("needs gcc with its sanitizers")
    done = sanitized.run(20)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "20 inputs, nothing found" in done.stdout
