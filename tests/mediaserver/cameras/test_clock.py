# SPDX-License-Identifier: Apache-2.0
"""The camera's clock: no step back, no gap that was not there, and the drift followed."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.cameras.clock import JUMP_S, STEP_S, CameraClock, rtp_time


def test_a_new_connection_goes_on_where_the_clock_would_be() -> None:
    clock = CameraClock()
    clock.begin()
    first = [clock.line("picture", 100 + n / 25, 1000 + n / 25) for n in range(50)]
    clock.begin()  # the camera was away for ten seconds and counts from 0
    second = [clock.line("picture", n / 25, 1012 + n / 25) for n in range(50)]
    assert abs(first[0] - 1000) < 1e-9 and abs(second[0] - first[-1] - 10.04) < 1e-6
    assert all(abs(b - a - 0.04) < 1e-6 for a, b in itertools.pairwise(second))


def test_picture_and_sound_keep_their_distance() -> None:
    clock = CameraClock()
    clock.begin()
    picture = clock.line("picture", 5.0, 1000.0)
    sound = clock.line("sound", 5.25, 1000.9)  # sent late, made 250 ms later
    assert abs(sound - picture - 0.25) < 1e-9


def test_a_jump_of_the_camera_is_no_jump_of_ours() -> None:
    clock = CameraClock()
    clock.begin()
    clock.line("picture", 5.0, 1000.0)
    assert abs(clock.line("picture", 5.0 + JUMP_S + 1, 1000.04) - 1000.04) < 1e-9
    assert clock.jumps == 1
    assert clock.line("picture", 5.0 + JUMP_S + 0.5, 1000.08) > 1000.04  # one step back of the camera


def test_the_line_follows_a_camera_that_runs_fast() -> None:
    """50 ppm for ten minutes, deliveries late by up to 80 ms: the line is known to within 3 ms."""
    clock, chance = CameraClock(), random.Random(1)
    clock.begin()
    errors = []
    for n in range(25 * 600):
        true_s = n / 25
        clock.line("picture", true_s * 1.00005, true_s + chance.uniform(0, 0.08))
        if n > 250:
            errors.append(abs(clock.on_line(true_s) - (true_s * 1.00005 + errors_base(clock))))
    assert max(errors) - min(errors) < 0.005


def errors_base(clock: CameraClock) -> float:
    """The line began when the first picture came, which may have been late: a fixed distance."""
    assert clock._shift is not None
    return clock._shift


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(0, 1)), max_size=50))
def test_every_picture_is_later_than_the_one_before(steps: list[tuple[float | None, float]]) -> None:
    clock, now, last = CameraClock(), 50.0, None
    clock.begin()
    for camera_s, passed in steps:
        now += passed
        line_s = clock.line("picture", camera_s, now)
        assert last is None or line_s >= last + STEP_S / 2
        assert abs(line_s - now) <= JUMP_S + 0.06 + STEP_S * 50
        last = line_s


def test_rtp_time_wraps() -> None:
    assert rtp_time(1.0, 90_000, 0xFFFFFFFF) == 89_999
