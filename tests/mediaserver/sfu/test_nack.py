# SPDX-License-Identifier: Apache-2.0
"""When lost packets are asked for: at once, again every round trip, echoed where requests are lost too."""

from __future__ import annotations

import pytest

from mediaserver.sfu.nack import (
    ECHO_AFTER_S,
    MAX_AGE_S,
    MAX_MISSING,
    MAX_REORDER_S,
    MAX_TRIES,
    SWAMPED,
    NackGenerator,
)
from mediaserver.sfu.parameters import read_send_parameters
from mediaserver.sfu.ports import Producer, make_producer
from mediaserver.sfu.reports import gives_way
from mediaserver.sfu.uplink import TROUBLED_S
from tests.sim.stage import simulcast_parameters


def asked_at(nack: NackGenerator, until_s: float, loss: float = 0.0) -> list[tuple[float, int]]:
    """(ms, number) of every request when the clock ticks each millisecond."""
    return [(ms, number) for ms in range(int(until_s * 1000)) for number in nack.due(ms / 1000, loss)]


def test_a_gap_is_asked_for_at_once_and_again_every_round_trip() -> None:
    nack = NackGenerator()
    assert nack.gap(7, 7, 0.0)
    assert nack.fresh
    moments = [ms for ms, _ in asked_at(nack, 0.5)]
    assert moments == pytest.approx([0, 110, 220, 330, 440], abs=1)
    assert not nack.fresh


def test_a_request_is_echoed_once_where_the_link_loses() -> None:
    nack = NackGenerator()
    nack.gap(7, 8, 0.0)
    moments = [ms for ms, number in asked_at(nack, 0.2, loss=0.05) if number == 7]
    echo = int(ECHO_AFTER_S * 1000)
    assert moments == pytest.approx([0, echo, 110, 110 + echo], abs=1)


def test_behind_a_full_queue_a_repair_is_waited_for_longer_and_not_asked_for_twice() -> None:
    nack = NackGenerator()
    nack.gap(7, 7, 0.0)
    moments = [ms for ms in range(900) for _ in nack.due(ms / 1000, 0.05, 0.3)]
    assert moments == pytest.approx([0, 410, 820], abs=1)


@pytest.mark.parametrize("rtt_s", [0.005, 0.03, 0.1, 0.3])
def test_the_round_trip_is_learned_though_requests_are_lost(rtt_s: float) -> None:
    """Every fourth first request is lost; its repair takes a request more, and does not count."""
    nack = NackGenerator()
    for number in range(60):
        nack.gap(number, number, number * 1.0)
        nack.due(number * 1.0)
        nack.due(number + 0.15)
        nack.arrived(number, number + rtt_s + (0.15 if number % 4 == 0 else 0.0), resent=rtt_s < 0.02)
    assert nack.rtt_s == pytest.approx(rtt_s, abs=0.01)
    assert (nack.repaired, nack.lost) == (60, 60)


def test_a_link_that_reorders_makes_the_first_request_wait() -> None:
    nack = NackGenerator()
    nack.gap(1, 1, 0.0)
    assert nack.due(0.0) == [1]
    nack.arrived(1, 0.012)
    assert nack.lost == 0, "it was overtaken, not lost"
    nack.gap(2, 2, 1.0)
    assert nack.due(1.0) == []
    assert nack.due(1.0 + MAX_REORDER_S) == [2]
    assert nack.lost == 1


def test_the_wait_for_reordered_packets_is_forgotten_on_a_link_that_only_loses() -> None:
    nack = NackGenerator()
    nack.gap(1, 1, 0.0)
    nack.due(0.0)
    nack.arrived(1, 0.012)
    for number in range(2, 302):
        nack.gap(number, number, float(number))
        nack.due(number + 0.03)
        nack.arrived(number, number + 0.13)
    nack.gap(900, 900, 900.0)
    assert nack.due(900.001) == [900]


@pytest.mark.parametrize(("rtt_s", "reason"), [(0.02, "tries"), (0.5, "age")])
def test_it_gives_up_after_so_many_tries_or_so_long(rtt_s: float, reason: str) -> None:
    nack = NackGenerator()
    nack.rtt_s = rtt_s
    nack.gap(1, 1, 0.0)
    requests = asked_at(nack, 3.0)
    assert nack.given_up == 1 and len(nack) == 0
    assert (len(requests) == MAX_TRIES) == (reason == "tries")
    assert requests[-1][0] <= MAX_AGE_S * 1000


@pytest.mark.parametrize(("more", "repaired"), [(0, True), (1, False)])
def test_an_outage_is_not_asked_for(more: int, repaired: bool) -> None:
    nack = NackGenerator()
    assert nack.gap(1, MAX_MISSING + more, 0.0) is repaired
    assert len(nack) == (MAX_MISSING if repaired else 0)
    assert nack.given_up == (0 if repaired else MAX_MISSING + 1)


def camera() -> Producer:
    """Two layers that came for a second, 100 packets of the upper one."""
    parameters = read_send_parameters("video", simulcast_parameters(2))
    producer = make_producer("a-cam-1", "a", "cam", "video", parameters, None)
    for number in range(100):
        for uplink in producer.uplinks:
            uplink.accept(number, number / 100)
            uplink.activity.add(1000, 0, number / 100)
    return producer


def test_an_upper_layer_that_swamps_the_link_is_not_asked_for() -> None:
    producer = camera()
    lower, upper = producer.uplinks
    upper.accept(100 + SWAMPED, 1.0)
    assert not gives_way(producer, upper, 1.0), "half of the newest came"
    upper.accept(102 + SWAMPED, 1.0)
    lower.accept(102 + SWAMPED, 1.0)
    assert gives_way(producer, upper, 1.0)
    assert not gives_way(producer, lower, 1.0), "there is nothing below the lowest"
    assert lower.troubled(1.0 + TROUBLED_S - 0.1) and not lower.troubled(1.0 + TROUBLED_S)
    for number in range(103 + SWAMPED, 120 + SWAMPED):
        upper.accept(number, 1.2)
    assert not gives_way(producer, upper, 1.2), "the link is wide enough again"
    assert upper.wanted(1.2)


def test_what_swamped_the_link_is_given_up_in_time_where_everything_stops() -> None:
    producer = camera()
    _, upper = producer.uplinks
    upper.accept(102 + SWAMPED, 1.0)
    assert gives_way(producer, upper, 1.0 + MAX_AGE_S)
    assert len(upper.nack) == 2 + SWAMPED
    gives_way(producer, upper, 1.01 + MAX_AGE_S)
    assert (len(upper.nack), upper.nack.given_up) == (0, 2 + SWAMPED)


def test_what_a_layer_lost_before_it_was_left_away_is_forgotten() -> None:
    producer = camera()
    lower, upper = producer.uplinks
    upper.accept(103, 1.0)
    lower.activity.add(1000, 0, 1.4)
    gives_way(producer, upper, 1.4)
    assert upper.wanted(1.4) == [100, 101, 102]
    lower.activity.add(1000, 0, 1.6)
    gives_way(producer, upper, 1.6)
    upper.activity.add(1000, 0, 1.6, repaired=True)
    assert producer.left_away(upper) and not producer.left_away(lower), "repair of it is no sign of life"
    assert upper.wanted(1.6) == [] and upper.content


def test_a_layer_that_is_not_sent_is_not_asked_for_key_frames() -> None:
    producer = camera()
    lower, upper = producer.uplinks
    for uplink in producer.uplinks:
        uplink.ssrc = 1
        uplink.want_keyframe(1.0, urgent=True)
    assert lower.keyframe_due(1.0) and upper.keyframe_due(1.0)
    assert lower.keyframe_due(3.0) and not upper.keyframe_due(3.0)
    for at in (3.0, 3.2, 3.4):
        upper.activity.add(1000, 0, at)
    assert upper.keyframe_due(3.4), "it is back"
