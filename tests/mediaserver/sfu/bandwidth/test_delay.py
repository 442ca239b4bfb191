# SPDX-License-Identifier: Apache-2.0
"""The line through the last delays, by sums that are carried on, is the one that all points give."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.bandwidth.delay import FAR_MS, WINDOW, Line

STEP_MS = st.floats(0.5, 200) | st.floats(-5, 5) | st.sampled_from([FAR_MS, 40_000_000.0, -3_600_000.0])


def slope_of(points: list[tuple[float, float]]) -> float:
    x_mean, y_mean = (sum(values) / len(points) for values in zip(*points, strict=True))
    below = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / below if below else 0.0


@given(
    steps=st.lists(STEP_MS, min_size=WINDOW, max_size=4 * WINDOW),
    delays=st.lists(st.floats(-3_000, 3_000), min_size=4 * WINDOW, max_size=4 * WINDOW),
)
def test_the_slope_is_that_of_all_points_of_the_window(steps: list[float], delays: list[float]) -> None:
    line, points = Line(), list(zip(accumulate(steps), delays, strict=False))
    for index, point in enumerate(points, 1):
        found, window = line.add(*point), points[max(0, index - WINDOW) : index]
        assert (found is None) == (index < WINDOW)
        spread = max(x for x, _ in window) - min(x for x, _ in window)
        if found is not None and spread > 10:
            assert found == pytest.approx(slope_of(window), rel=1e-5, abs=1e-4)


def test_an_even_delay_has_no_slope() -> None:
    line = Line()
    found = [line.add(5.0 * index, 0.0) for index in range(10 * WINDOW)]
    assert found == [None] * (WINDOW - 1) + [0.0] * (9 * WINDOW + 1)
    assert Line().add(0.0, 1.0) is None


def test_points_at_one_time_have_no_slope() -> None:
    line = Line()
    for index in range(3 * WINDOW):
        assert not line.add(7.0, float(index))
