# SPDX-License-Identifier: Apache-2.0
"""Loss in both directions of both legs, in virtual time: what a viewer that waits as it was told would miss."""

from __future__ import annotations

import pytest

from mediaserver.sfu import events
from tests.sim.call import Call
from tests.sim.network import Link

ONE_WAY_S = 0.05
UNSEEN_S = 0.15
"""A picture that stands still this long beyond its time is not yet a freeze by WebRTC's rule."""


def bad_call(loss: float, seed: int, one_way_s: float = ONE_WAY_S) -> Call:
    """Both browsers behave as Chromium: ask at once and every 100 ms, answer once in a round trip."""
    call = Call(Link(seed, loss=loss, delay_s=one_way_s), Link(seed + 50, loss=loss, delay_s=one_way_s))
    call.back_up.loss = call.back_down.loss = loss
    call.ask_every_s = call.answer_spacing_s = 2 * one_way_s
    call.room.transport_up("b-recv", call.now)
    call.run(20, frames_every_s=1 / 30, packets=4)
    call.run(0.3, frames_every_s=0)
    return call


def delays(call: Call) -> list[float]:
    """From the camera to the viewer for every packet of the last 15 seconds; 9 for one that never came."""
    first = min(call.received_at, key=call.received_at.__getitem__)
    payload = call.received_payload[first]
    start = next(number for number, sent in call.sent.items() if sent == payload)
    found = []
    for number, at in call.sent_at.items():
        if call.now - 15 < at < call.now - 1.5:
            ours = (first + number - start) & 0xFFFF
            found.append(call.received_at.get(ours, at + 9) - at)
    return sorted(found)


@pytest.mark.parametrize(("loss", "allowed"), [(0.02, 0), (0.05, 1), (0.1, 3)])
def test_repair_comes_before_the_viewer_shows_the_picture(loss: float, allowed: int) -> None:
    for seed in (1, 2, 3):
        call = bad_call(loss, seed)
        told = [event for event in call.events if isinstance(event, events.PlayoutDelay)]
        wait_s = told[-1].delay_ms / 1000
        late = [delay for delay in delays(call) if delay > 2 * ONE_WAY_S + wait_s + UNSEEN_S]
        assert len(late) <= allowed, (wait_s, late)
        stats = call.room.stats(call.now)["producers"][0]
        assert stats["keyframe_requests"] <= 3, "repair comes; no key frame has to be asked for"


@pytest.mark.parametrize("loss", [0.02, 0.05, 0.1])
def test_the_leg_carries_less_than_twice_the_media(loss: float) -> None:
    call = bad_call(loss, 7)
    consumer = call.room.stats(call.now)["producers"][0]["consumers"][0]
    sent = call.down.delivered + call.down.lost
    assert consumer["early"] > 0 and consumer["resent"] > 0
    assert sent / consumer["packets"] < 1.85, "a tenth is left for headers, sound and reports"


def test_a_good_link_carries_nothing_twice_and_waits_for_nothing() -> None:
    call = bad_call(0.0, 7)
    consumer = call.room.stats(call.now)["producers"][0]["consumers"][0]
    assert (consumer["early"], consumer["resent"], consumer["playout_delay_ms"]) == (0, 0, 0)
    assert call.down.delivered == consumer["packets"]
    assert not [event for event in call.events if isinstance(event, events.PlayoutDelay)]


@pytest.mark.parametrize("loss", [0.02, 0.1])
def test_what_each_link_loses_is_known(loss: float) -> None:
    stats = bad_call(loss, 11).room.stats(0.0)["producers"][0]
    assert stats["link_loss"] == pytest.approx(loss, rel=0.6)
    assert stats["consumers"][0]["link_loss"] == pytest.approx(loss, rel=0.6)
    assert stats["repair_ms"] == pytest.approx(2000 * ONE_WAY_S, abs=25)


def test_a_long_round_trip_is_learned() -> None:
    stats = bad_call(0.05, 12, one_way_s=0.2).room.stats(0.0)["producers"][0]
    assert stats["repair_ms"] == pytest.approx(400, abs=40)
    assert stats["lost"] <= 2
