# SPDX-License-Identifier: Apache-2.0
"""The simulated badness itself, and the figures made of what was seen."""

from __future__ import annotations

import pytest

from benchmarks.badlink.__main__ import missing, targets
from tests.badlink.camera import FPS, FRAMES
from tests.badlink.figures import delays_ms, own_freezes, percentile
from tests.badlink.pipe import Pipe


def test_everything_comes_out_after_the_delay_in_order() -> None:
    pipe = Pipe(1)
    pipe.conditions.change({"delay_ms": 50})
    for number in range(5):
        pipe.push(bytes([number]), number * 0.01)
    assert pipe.due(0.049) == []
    assert pipe.due(0.065) == [b"\0", b"\1"]
    assert pipe.next_at == pytest.approx(0.07)
    assert pipe.due(1.0) == [b"\2", b"\3", b"\4"]


def test_loss_is_what_was_asked_for_and_the_same_for_a_seed() -> None:
    lost = []
    for _ in range(2):
        pipe = Pipe(7)
        pipe.conditions.change({"loss": 0.1})
        for number in range(20_000):
            pipe.push(b"x", number / 1000)
        lost.append(pipe.counters["lost"])
    assert lost[0] == lost[1]
    assert 1800 < lost[0] < 2200


def test_a_rate_queues_up_to_its_limit_and_drops_the_rest() -> None:
    pipe = Pipe(1)
    pipe.conditions.change({"rate_kbps": 80, "queue_ms": 301})  # a packet of 1000 bytes takes 100 ms
    for _ in range(10):
        pipe.push(bytes(1000), 0.0)
    assert pipe.counters["overflowed"] == 6
    assert [len(pipe.due(at)) for at in (0.099, 0.101, 0.201, 0.401, 9.0)] == [0, 1, 1, 2, 0]


def test_an_unknown_condition_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="speed"):
        Pipe(1).conditions.change({"speed": 1})


def test_a_freeze_is_what_webrtc_calls_one() -> None:
    even = [number * 33.0 for number in range(60)]
    assert own_freezes(even) == (0, 0.0)
    assert own_freezes([*even, even[-1] + 182])[0] == 0
    assert own_freezes([*even, even[-1] + 184]) == (1, pytest.approx(0.184))


def test_a_delay_is_found_though_numbers_repeat() -> None:
    taken = [(index * 1000 / FPS, index % FRAMES) for index in range(FRAMES * 2)]
    shown = [(at + 400, number, 720) for at, number in taken]
    found = delays_ms(taken, shown)
    assert len(found) == len(shown)
    assert percentile(found, 0.95) == pytest.approx(400)


def test_only_runs_that_are_not_there_yet_are_measured_and_the_median_decides() -> None:
    rows = {"loss-5": [{"seed": seed} for seed in (1, 2)]}
    assert missing(rows, ["loss-2", "loss-5"], 3) == [("loss-2", 1), ("loss-2", 2), ("loss-2", 3), ("loss-5", 3)]
    figures = ("degrade_s", "longest_gap_ms", "recover_s")
    runs = [dict(zip(figures, (value, 999.0, 15.1), strict=True)) for value in (1.0, 3.0, 60.0)]
    found = {target["name"]: target for target in targets({"drop-viewer": runs})}
    assert [found[f"drop-viewer {name}"]["met"] for name in figures] == [True, True, False]
    assert (found["drop-viewer degrade_s"]["figure"], found["drop-viewer degrade_s"]["worst"]) == (3.0, 60.0)
