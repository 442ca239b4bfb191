# SPDX-License-Identifier: Apache-2.0
"""How generously a receiver's losses are repaired, by what its link loses and whether a queue fills up."""

from __future__ import annotations

import pytest

from mediaserver.sfu import repair
from mediaserver.sfu.lossmeter import MIN_PACKETS, SPAN_S, LossMeter
from mediaserver.sfu.patience import FALL_AFTER_S, MAX_DELAY_MS, Patience, rounds
from mediaserver.sfu.repair import Link, Repair


def losing(share: float) -> Link:
    """A link over which 1000 packets went, of which this share was asked for."""
    link = Link()
    for step in range(11 + repair.DOUBTED_LOOKS):
        link.lost = round(min(step, 10) * 100 * share)
        link.look(min(step, 10) * 100, step * 0.4)
    assert link.loss == pytest.approx(share, abs=0.005)
    return link


def test_the_meter_forgets_what_was_before_its_span() -> None:
    meter = LossMeter()
    for step in range(20):
        meter.note(step * 100, step * 10, step * 1.0)
    assert meter.share == pytest.approx(0.1)
    for step in range(20, 20 + int(SPAN_S) + 1):
        meter.note(step * 100, 190, step * 1.0)
    assert meter.share == 0.0


@pytest.mark.parametrize(("packets", "share"), [(MIN_PACKETS - 1, 0.0), (MIN_PACKETS, 0.5)])
def test_the_meter_says_nothing_of_a_few_packets(packets: int, share: float) -> None:
    meter = LossMeter()
    meter.note(0, 0, 0.0)
    meter.note(packets, packets // 2, 1.0)
    assert meter.share == share


@pytest.mark.parametrize(("loss", "copies"), [(0.0, 1), (0.015, 1), (0.03, 2), (0.1, 2)])
def test_a_request_is_answered_twice_on_a_link_that_loses_much(loss: float, copies: int) -> None:
    assert Repair(losing(loss)).answer(5, 10.0) == copies


def test_a_request_that_crossed_the_answer_is_not_answered_again() -> None:
    link = Link()
    link.round_trip(0.1, 0.0)
    stream = Repair(link)
    assert [stream.answer(5, t) for t in (1.0, 1.05, 1.09, 1.14, 1.175)] == [1, 0, 1, 0, 1]
    assert link.lost == 1, "asked for many times, lost once"


def test_a_packet_is_sent_again_only_so_often() -> None:
    stream = Repair(Link())
    assert sum(stream.answer(5, t * 1.0) for t in range(100)) == repair.RESEND_LIMIT


def test_the_memory_of_resends_is_bounded() -> None:
    stream = Repair(Link())
    for number in range(repair.REMEMBERED * 3):
        stream.answer(number, 1.0)
    assert len(stream._resent) == repair.REMEMBERED


def test_what_overflows_a_narrow_link_says_nothing_of_what_it_loses_at_any_rate() -> None:
    link = losing(0.02)
    for step in range(1, 13):
        link.limited = 3 <= step < 9  # two looks pass until the estimate falls
        link.lost += 80 if step < 9 else 2
        link.look(1000 + step * 100, 4.0 + step * 0.25)
        if link.limited:
            link.reported(0.8, step)
        assert link.loss == pytest.approx(0.02, abs=0.01)


def test_a_growing_round_trip_ends_all_generosity() -> None:
    link = losing(0.1)
    link.round_trip(0.1, 5.0)
    stream = Repair(link)
    assert link.answers == 2 and link.early_share > 0
    for at in range(6, 10):
        link.round_trip(0.1 + repair.QUEUE_S * 1.5, float(at))
    assert link.congested
    assert (link.answers, link.early_share) == (1, 0.0)
    assert stream.answer(1, 10.0) == 1
    assert not stream.late(2, 10.0)
    for at in range(10, 14):
        link.round_trip(0.1, float(at))
    assert not link.congested


def test_a_full_queue_ends_all_generosity_and_a_repair_is_given_the_time_to_pass_it() -> None:
    link = losing(0.1)
    link.round_trip(0.1, 5.0)
    link.filled = True
    stream = Repair(link)
    assert (link.answers, link.early_share) == (1, 0.0)
    answered = [at for at in range(0, 1000, 10) if stream.answer(5, 10 + at / 1000)]
    assert answered == pytest.approx([0, 380, 760], abs=10)
    link.filled = False
    assert stream.answer(5, 10.85) == 2


def test_the_base_layer_is_repeated_first_and_the_share_of_bytes_is_kept() -> None:
    stream = Repair(losing(0.05))
    sent, repeated = [0, 0, 0], [0, 0, 0]
    for number in range(4000):
        layer = (0, 2, 1, 2)[number % 4]
        sent[layer] += 1000
        if stream.send_early(1000, layer):
            repeated[layer] += 1000
            stream.spend(1000)
    assert repeated[0] == sent[0]
    assert repeated[1] > repeated[2]
    assert sum(repeated) <= 0.76 * sum(sent)


def test_answers_are_paid_from_the_same_purse() -> None:
    stream = Repair(losing(0.1))
    early = 0
    for _ in range(4000):
        stream.spend(300)  # a third of all bytes is asked for
        if stream.send_early(1000, 1):
            early += 1000
            stream.spend(1000)
    assert 0.3 * 4_000_000 < early <= 0.46 * 4_000_000


def test_nothing_is_repeated_unasked_without_loss() -> None:
    link = losing(0.0)
    stream = Repair(link)
    assert not link.generous
    assert not any(stream.send_early(1000, 0) for _ in range(100))


def test_each_packet_is_thought_about_once() -> None:
    stream = Repair(losing(0.05))
    assert list(stream.to_look_at(500)) == [500]
    assert list(stream.to_look_at(503)) == [501, 502, 503]
    assert list(stream.to_look_at(503)) == []


def test_after_a_time_without_loss_old_packets_are_not_repeated() -> None:
    link = losing(0.05)
    stream = Repair(link)
    assert list(stream.to_look_at(500)) == [500]
    sent, at = 1000, 4.0
    while link.generous:
        sent, at = sent + 100, at + 0.5
        link.look(sent, at)
    link.lost += 100
    for later in range(1 + repair.DOUBTED_LOOKS):
        link.look(sent + 100, at + 0.5 + later * repair.LOOK_S)
    assert link.generous
    assert list(stream.to_look_at(2000)) == [2000]


def test_what_came_late_to_us_goes_out_twice_and_is_not_counted_as_lost_here() -> None:
    link = losing(0.05)
    lost = link.lost
    stream = Repair(link)
    assert stream.late(7, 1.0)
    assert stream.answer(7, 1.01) == 0, "the request was sent before the packet came"
    assert link.lost == lost


@pytest.mark.parametrize(("loss", "wanted"), [(0.0, 0.0), (0.004, 0.0), (0.05, 1.5), (0.1, 2.4), (0.5, 3.5)])
def test_round_trips_worth_waiting_for(loss: float, wanted: float) -> None:
    assert rounds(loss) == pytest.approx(wanted)


def test_a_receiver_is_told_more_delay_at_once_and_less_after_a_while() -> None:
    patience = Patience()
    good = {"up_loss": 0.0, "up_rtt_s": 0.1, "down_loss": 0.0, "down_rtt_s": 0.1}
    bad = {**good, "up_loss": 0.1, "down_loss": 0.1}
    assert patience.due(0.0, **good) is None
    assert patience.due(1.0, **bad) == 480
    assert patience.due(1.1, **bad) is None
    assert patience.due(2.0, **good) is None
    assert patience.due(2.0 + FALL_AFTER_S, **good) == 0


def test_nobody_waits_longer_than_the_limit() -> None:
    patience = Patience()
    assert patience.due(0.0, up_loss=0.3, up_rtt_s=0.5, down_loss=0.3, down_rtt_s=0.5) == MAX_DELAY_MS


def test_what_we_left_out_is_no_loss_of_the_link() -> None:
    link, now = Link(), 10.0
    stream = Repair(link)
    link.left_out(3, now)
    for number in range(5):
        stream.answer(number, now + 0.1)
    assert link.lost == 2, "two more than we left out"
    link.reported(0.5, now + repair.LEFT_OUT_S)
    assert link.loss == 0.0
    link.reported(0.5, now + repair.LEFT_OUT_S + 0.1)
    assert link.loss == pytest.approx(0.5 * repair.REPORT_SMOOTHING)


def test_what_was_left_out_long_ago_excuses_nothing() -> None:
    link, now = Link(), 10.0
    stream = Repair(link)
    link.left_out(3, now)
    stream.answer(1, now + repair.LEFT_OUT_S + 0.1)
    link.left_out(1, now + 5.0)
    stream.answer(2, now + 5.1)
    stream.answer(3, now + 5.2)
    assert link.lost == 2
