# SPDX-License-Identifier: Apache-2.0
"""The upper layers of a publisher rest while its link is too narrow for them."""

from __future__ import annotations

import pytest

from mediaserver.sfu.bandwidth.demand import UNWANTED_AFTER_S, Demand
from mediaserver.sfu.bandwidth.narrow import (
    EMPTIED_S,
    FILLED_REST_S,
    LOOKS,
    MOST_REST_S,
    MUCH_LOST,
    OVERFLOW_S,
    PACKETS,
    QUIET_S,
    REST_S,
    TURN_S,
    NarrowLink,
)
from tests.sim.network import Link

LOOK_S = 0.125


class Publisher:
    """A link that is looked at eight times a second."""

    def __init__(self) -> None:
        self.link, self.now = NarrowLink(), 0.0
        self.expected = self.came = 0
        self.last_sign = 0.0

    def look(self, expected: int, came: int, times: int = 1) -> bool:
        """So many packets more in each look, of which so many came; whether the upper layers rest at the end."""
        rests = False
        for _ in range(times):
            self.now += LOOK_S
            self.expected, self.came = self.expected + expected, self.came + came
            self.link.look(self.expected, self.came, self.now)
            rests = self.link.rests(self.now)
            if 2 * came < expected:
                self.last_sign = self.now
        return rests

    def rested_s(self) -> float:
        """How long they rest after the last sign, while all comes."""
        while self.look(20, 20):
            assert self.now - self.last_sign < 2 * MOST_REST_S
        return self.now - self.last_sign


def test_a_narrow_link_is_known_by_the_second_look_and_left_in_peace_for_a_while() -> None:
    publisher = Publisher()
    assert not publisher.look(30, 30, 50)
    assert not publisher.look(30, 4, LOOKS - 1)
    assert publisher.look(30, 4)
    assert publisher.rested_s() == REST_S


def test_each_further_sign_lengthens_the_rest() -> None:
    publisher = Publisher()
    assert publisher.look(30, 4, 40)
    assert publisher.rested_s() == REST_S


@pytest.mark.parametrize("came", [10, 12, 19, 20])
def test_half_of_what_was_sent_is_enough(came: int) -> None:
    assert not Publisher().look(20, came, 500)


def test_an_instants_outage_is_no_narrow_link() -> None:
    publisher = Publisher()
    for _ in range(20):
        assert not publisher.look(200, 20)
        assert not publisher.look(30, 30, 3)


def test_a_link_on_which_nothing_comes_is_away_and_not_narrow() -> None:
    assert not Publisher().look(0, 0, 500)


def test_few_packets_are_looked_at_together() -> None:
    publisher = Publisher()
    assert not publisher.look(PACKETS // 2, 1, 2 * LOOKS - 1)
    assert publisher.look(PACKETS // 2, 1)


@pytest.mark.parametrize(
    ("pause_s", "rest_s"), [(0.5, 2 * REST_S), (QUIET_S - 0.25, 2 * REST_S), (QUIET_S + 0.25, REST_S)]
)
def test_a_link_that_is_narrow_again_soon_rests_twice_as_long(pause_s: float, rest_s: float) -> None:
    publisher = Publisher()
    publisher.look(30, 4, LOOKS)
    publisher.rested_s()
    publisher.look(20, 20, round(pause_s / LOOK_S) - LOOKS)
    publisher.look(30, 4, LOOKS)
    assert publisher.rested_s() == rest_s


def test_the_rest_is_never_longer_than_its_limit() -> None:
    publisher = Publisher()
    rests = []
    for _ in range(6):
        publisher.look(30, 4, LOOKS)
        rests.append(publisher.rested_s())
    assert rests == [REST_S, 2 * REST_S, *[MOST_REST_S] * 4]


def watched(link: Link, until_s: float, changes: dict[float, float], burst_at: float = -1.0) -> NarrowLink:
    """A camera of 2 Mbit/s and a microphone over this link, whose rate changes at some moments; looked at as the room
    does, until a sign or the end. At `burst_at` a key frame of 60 packets leaves at once."""
    narrow, now, size = NarrowLink(), 0.0, 1100
    transits: dict[int, float] = {}
    received = frame = sounds = 0
    step = 0
    while now < until_s and not narrow.rests(now):
        now = step / 1000
        link.rate_bps = changes.get(now, link.rate_bps)
        if now >= frame / 30:
            frame += 1
            key = 0 <= burst_at <= now < burst_at + 1 / 30
            for _ in range(60 if key else 8):
                link.send(b"v" + int(now * 1000).to_bytes(4) + bytes(size - 5), now)
        if now >= sounds / 50:
            sounds += 1
            link.send(b"a" + int(now * 1000).to_bytes(4) + bytes(95), now)
        for packet in link.due(now):
            transits[packet[0]] = now - int.from_bytes(packet[1:5]) / 1000
            received += len(packet)
        if step % 50 == 49:
            narrow.delayed(transits, received, now)
        step += 1
    return narrow


@pytest.mark.parametrize("jitter_s", [0.0, 0.01])
def test_a_queue_that_fills_up_shows_before_the_first_loss_does(jitter_s: float) -> None:
    link = Link(1, delay_s=0.05, rate_bps=3e6, queue_s=0.3, jitter_s=jitter_s)
    narrow = watched(link, 5.0, {3.0: 300e3})
    assert 3.0 < narrow.began < 3.3, "a packet that overflows is missed 0.35 s after the drop at the earliest"
    assert narrow.rests(narrow.began + FILLED_REST_S - 0.01) and not narrow.rests(narrow.began + FILLED_REST_S)


@pytest.mark.parametrize(
    ("rate_bps", "changes", "burst_at", "jitter_s"),
    [
        (3e6, {}, 3.0, 0.0),  # 0.15 s of queue, but what comes comes fast
        (2.3e6, {}, 3.0, 0.0),
        (3e6, {3.0: 1.5e6}, -1.0, 0.0),  # not worth an order: the browser has time to notice by itself
        (0.0, {}, -1.0, 0.08),
        (3e6, {}, -1.0, 0.03),
    ],
)
def test_a_key_frame_a_narrower_link_and_jitter_are_no_sign(
    rate_bps: float, changes: dict[float, float], burst_at: float, jitter_s: float
) -> None:
    link = Link(1, delay_s=0.05, rate_bps=rate_bps, queue_s=0.6, jitter_s=jitter_s)
    assert not watched(link, 8.0, changes, burst_at).rests(8.0)


def test_a_pause_of_the_link_is_no_sign() -> None:
    narrow, transits = NarrowLink(), {1: 7.0, 2: 9.0}
    received = 0
    for look in range(400):
        pause, late = look % 40 < 8, (look % 40 - 8) * LOOK_S
        if not pause:
            received += 12_000
            transits = {1: 7.0 + max(0.0, 0.4 - late) + look % 2 * 0.002, 2: 9.0 + max(0.0, 0.3 - late)}
        narrow.delayed(transits, received, look * 0.05)
        assert not narrow.rests(look * 0.05)


def test_a_new_clock_and_a_stream_that_ends_are_no_signs() -> None:
    narrow = NarrowLink()
    for look in range(60):
        narrow.delayed({1: 7.0}, look * 12_000, look * 0.05)
    for look, clock_s in enumerate((20.0, 22.0, 24.0), 60):
        narrow.delayed({1: clock_s}, 720_000 + look, look * 0.05)
    narrow.delayed({2: 1.0}, 100, 3.2)
    narrow.delayed({2: 1.08}, 200, 3.25)
    narrow.delayed({2: 1.081, 3: 5.0}, 300, 3.3)
    assert not narrow.rests(3.3)


def test_what_holds_for_a_while_after_a_rest_began() -> None:
    publisher = Publisher()
    publisher.look(30, 4, LOOKS)
    link, began = publisher.link, publisher.link.began
    assert began == publisher.now
    for holds, lasts_s in ((link.turns, TURN_S), (link.overflows, OVERFLOW_S), (link.queue_s, EMPTIED_S)):
        assert holds(began + lasts_s - 0.001) and not holds(began + lasts_s + 0.001)
    publisher.look(30, 4, LOOKS)
    assert link.began == began, "the same rest goes on"


@pytest.mark.parametrize(("came", "little"), [(100, True), (95, True), (100 - int(130 * MUCH_LOST), False)])
def test_how_much_is_lost_without_a_queue(came: int, little: bool) -> None:
    publisher = Publisher()
    publisher.look(100, came, 60)
    assert publisher.link.loses_little == little


def test_what_is_needed_waits_for_the_link_and_comes_back_at_once() -> None:
    demand = Demand(3)
    assert demand.update(2, 0.0) is None
    assert demand.update(2, 1.0, 0) == 0
    assert demand.update(2, 1.0 + UNWANTED_AFTER_S, 0) is None
    assert demand.update(2, 9.0) == 2
    assert demand.update(-1, 9.1, 0) == 0  # nobody looks, and the link is narrow
