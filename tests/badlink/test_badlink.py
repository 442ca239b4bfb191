# SPDX-License-Identifier: Apache-2.0
"""One short call between real browsers, both behind links that lose one packet in twenty in both directions.

The limits are far from what `benchmarks.badlink` finds on a quiet machine: they tell working repair from none, not fast
from slow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.badlink.call import make_files, observe_loss
from tests.badlink.figures import figures

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180)]


async def test_a_call_over_two_links_that_lose_one_packet_in_twenty(tmp_path: Path) -> None:
    files = make_files(tmp_path / "files")
    observation = await observe_loss(tmp_path / "run", files, seed=1, loss=0.05, window_s=8.0)
    found = figures(observation)
    print(found)
    lost = observation.samples[-1].relay
    assert all(lost[leg][way]["lost"] > 10 for leg in lost for way in ("up", "down"))
    assert found.fps >= 0.5 * found.details["taken_fps"], "more than half of what the camera took is seen"
    assert found.frozen_s <= 3.0, "of 8"
    assert found.height >= 180
    assert found.concealed <= 0.08
    assert 200 < found.latency_p50_ms < 1500
    assert found.down_ratio <= 2.2
    producers = observation.samples[-1].server["stats"]["producers"]
    camera = next(row for row in producers if "-cam-" in row["producer_id"])
    assert camera["consumers"][0]["early"] > 0 and camera["consumers"][0]["resent"] > 0
