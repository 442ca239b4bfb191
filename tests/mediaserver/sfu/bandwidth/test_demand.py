# SPDX-License-Identifier: Apache-2.0
"""Layers that nobody needs stop after a while, and come back at once."""

from __future__ import annotations

import pytest

from mediaserver.sfu.bandwidth.demand import NOBODY, UNWANTED_AFTER_S, Demand, recorded_layer


def test_unneeded_layers_stop_after_five_seconds_and_come_back_at_once() -> None:
    demand = Demand(3)
    assert demand.update(2, 0.0) is None
    assert demand.update(0, 10.0) is None
    assert demand.next_deadline() == 10.0 + UNWANTED_AFTER_S
    assert demand.update(0, 14.99) is None
    assert demand.update(0, 15.0) == 0
    assert demand.next_deadline() is None or demand.next_deadline() > 15.0
    assert demand.update(1, 15.1) == 1
    assert demand.update(2, 15.2) == 2


def test_a_short_glance_elsewhere_changes_nothing() -> None:
    demand = Demand(3)
    for second in range(60):
        assert demand.update(2 if second % 4 == 0 else 0, float(second)) is None


def test_nobody_at_all() -> None:
    demand = Demand(1)
    assert demand.update(NOBODY, 0.0) is None
    assert demand.update(NOBODY, 5.0) == NOBODY
    assert demand.update(NOBODY, 9.0) is None
    assert demand.update(0, 9.1) == 0


def test_layers_go_one_by_one() -> None:
    demand = Demand(3)
    assert demand.update(1, 0.0) is None
    assert demand.update(0, 3.0) is None
    assert demand.update(0, 5.0) == 1
    assert demand.update(0, 7.9) is None
    assert demand.update(0, 8.0) == 0


@pytest.mark.parametrize(
    ("heights", "limit", "layer"),
    [
        ((180, 360, 720), 720, 2),
        ((180, 360, 720), 719, 1),
        ((270, 540, 1080), 720, 1),
        ((1080,), 720, 0),
        ((None, None), 720, 1),
    ],
)
def test_the_recording_counts_as_a_viewer_of_its_height(
    heights: tuple[int | None, ...], limit: int, layer: int
) -> None:
    assert recorded_layer(heights, limit) == layer
