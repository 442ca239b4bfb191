# SPDX-License-Identifier: Apache-2.0
"""The upper layers of a publisher rest while its link is too narrow for them."""

from __future__ import annotations

import pytest

from mediaserver.sfu.bandwidth.demand import UNWANTED_AFTER_S, Demand
from mediaserver.sfu.bandwidth.narrow import LOOKS, MOST_REST_S, PACKETS, QUIET_S, REST_S, NarrowLink

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


def test_what_is_needed_waits_for_the_link_and_comes_back_at_once() -> None:
    demand = Demand(3)
    assert demand.update(2, 0.0) is None
    assert demand.update(2, 1.0, 0) == 0
    assert demand.update(2, 1.0 + UNWANTED_AFTER_S, 0) is None
    assert demand.update(2, 9.0) == 2
    assert demand.update(-1, 9.1, 0) == 0  # nobody looks, and the link is narrow
