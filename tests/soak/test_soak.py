# SPDX-License-Identifier: Apache-2.0
"""The short form of `make soak`: fixed seeds; and the checks see what they are for."""

from __future__ import annotations

import pytest

from mediaserver.sfu.bandwidth.offers import Offers
from mediaserver.sfu.layers import Layers
from tests.soak import checks, run
from tests.soak.crowd import Crowd
from tests.soak.run import Outcome, soak


@pytest.mark.parametrize(("seed", "peers", "seconds"), [(1, 24, 6), (2, 8, 60)])
def test_nothing_leaks_or_is_stuck(seed: int, peers: int, seconds: int) -> None:
    outcome = soak(seed, seconds, peers=peers)
    assert outcome.faults == []
    assert outcome.checks == seconds and len(outcome.done) >= 3


def test_a_leak_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Offers, "forget", lambda self, producer_id: None)
    assert any("Offers._usual still holds" in fault for fault in soak(2, 2, peers=4).faults)


def test_a_stuck_layer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(3, peers=4)
    for number in range(4):
        crowd.join(f"p{number}")
    crowd.run(3, act=False)
    assert checks.faults(crowd) == []
    monkeypatch.setattr(Layers, "begin", lambda *_: None)
    crowd._reload()
    crowd.run(7, act=False)
    assert any("has nothing of" in fault for fault in checks.faults(crowd))


def test_a_wrong_counter_and_an_orphan_are_seen() -> None:
    crowd = Crowd(4, peers=3)
    for number in range(3):
        crowd.join(f"p{number}")
    crowd.run(2, act=False)
    port = crowd.room._ports["p1-recv"]
    next(iter(port.downlinks.values())).packets += 1
    assert any("p1-recv" in fault for fault in checks.faults(crowd))
    crowd.room._peers.pop("p2")
    assert any("p2" in fault for fault in checks.orphans(crowd))


def test_growth_is_seen() -> None:
    flat = Outcome(minutes=20, blocks=[100] * 20, sizes=[{"Room._peers": 24}] * 20)
    assert run.grown(flat) == []
    rising = Outcome(minutes=20, blocks=list(range(100, 300, 10)), sizes=[{"Room._peers": 10 * n} for n in range(20)])
    assert len(run.grown(rising)) == 2
