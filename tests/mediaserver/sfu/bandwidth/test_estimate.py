# SPDX-License-Identifier: Apache-2.0
"""The estimate over simulated links: falls where a link narrows, stays where it only loses, and comes back."""

from __future__ import annotations

import pytest

from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.history import SLOTS, SendHistory
from mediaserver.sfu.bandwidth.rates import FLOOR_BPS
from mediaserver.sfu.bandwidth.sender import PACING_OPEN_BPS, START_BPS, Sender
from tests.sim.leg import LAYERS_BPS, Leg, layered
from tests.sim.network import Link

pytestmark = pytest.mark.usefixtures("plane")

LOW, MIDDLE, TOP = LAYERS_BPS


@pytest.mark.parametrize("loss", [0.0, 0.02])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_link_that_narrows_and_widens_again(loss: float, seed: int) -> None:
    leg = Leg(Link(seed, delay_s=0.05, loss=loss, rate_bps=3e6, queue_s=0.3), back_loss=loss)
    leg.run(10)
    narrow = leg.now
    leg.down.rate_bps = 300e3
    leg.run(15)
    wide = leg.now
    leg.down.rate_bps = 3e6
    leg.run(15)
    assert leg.first(0, lambda rate: rate == TOP) < 105
    assert leg.first(narrow, lambda rate: rate <= LOW) < 1.5
    queues = [queue for at, _, _, queue in leg.seen if narrow + 2 < at < wide]
    assert max(queues) < 0.15, "the queue drains and stays short"
    fed = [rate for at, _, rate, _ in leg.seen if narrow + 2 < at < wide]
    assert fed.count(LOW) > 0.9 * len(fed), "the lowest layer goes on nearly always"
    assert leg.first(wide, lambda rate: rate == TOP) < 10


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_an_estimate_too_low_for_any_picture_rises_by_probes_alone(loss: float) -> None:
    """Sound carries no transport-wide numbers: without a picture nothing but the probes tells of the link."""
    leg = Leg(Link(4, delay_s=0.05, loss=loss, rate_bps=3e6, queue_s=0.3), back_loss=loss, sound=False)
    leg.sender._aimd.set_rate(FLOOR_BPS)
    leg.source = lambda estimate: LOW if leg.now < 100.5 else layered(estimate)
    leg.run(0.5)
    leg.sender._aimd.set_rate(FLOOR_BPS)
    leg.run(12)
    assert leg.first(100.6, lambda rate: rate == TOP) < 10


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1, 0.2])
def test_loss_at_random_is_no_full_link(loss: float, delay_s: float) -> None:
    for seed in range(3):
        leg = Leg(Link(10 * seed, delay_s=delay_s, loss=loss), back_loss=loss)
        leg.run(20)
        assert leg.first(100, lambda rate: rate == TOP) < (5 if loss <= 0.1 else 8)
        assert leg.least(108) > TOP / 0.9
        assert abs(leg.sender.loss - loss) < 0.07


def test_loss_in_bursts_reordering_and_duplicates_leave_most_of_the_rate() -> None:
    for seed in range(3):
        leg = Leg(Link(seed, delay_s=0.1, loss=0.1, burst=6, jitter_s=0.03, duplicate=0.02), back_loss=0.1)
        leg.run(30)
        rates = [rate for at, _, rate, _ in leg.seen if at > 105]
        assert min(rates) >= LOW
        assert rates.count(TOP) > 0.6 * len(rates)
        assert rates.count(LOW) < 0.1 * len(rates)


def test_a_policer_with_next_to_no_queue_is_found_by_its_losses() -> None:
    leg = Leg(Link(1, delay_s=0.05, rate_bps=3e6, queue_s=0.03))
    leg.run(10)
    leg.down.rate_bps = 800e3
    leg.run(15)
    assert leg.first(110, lambda rate: rate <= MIDDLE) < 2
    after = [estimate for at, estimate, _, _ in leg.seen if at > 115]
    assert max(after) < 1.3 * 800e3
    assert min(after) > 0.5 * 800e3


@pytest.mark.parametrize("cut", [False, True])
def test_what_was_lost_before_a_cut_says_nothing_of_the_rate_after_it(cut: bool) -> None:
    sender, numbers, reports = Sender(0.0), [], 0

    def tell(now: float, lost: int) -> None:
        """Feedback on what was sent since the last: of every ten so many are missing."""
        nonlocal reports
        ticks = tuple(None if at % 10 < lost else int(when * 4000) for at, (_, when) in enumerate(numbers))
        sender.feedback(TransportFeedback(1, 2, numbers[0][0], reports & 0xFF, ticks), now)
        numbers.clear()
        reports += 1

    def send(since: float, packets: int) -> None:
        numbers.extend((sender.sent(1000, since + index / 400), since + index / 400) for index in range(packets))

    for round_s in range(4):
        send(round_s / 10, 40)
        tell(round_s / 10 + 0.15, 0)
    send(0.4, 120)
    if cut:
        sender.cut(0.71)
    tell(0.75, 8)
    assert (sender.loss > 0.1) != cut
    send(0.8, 120)
    tell(1.2, 5)
    assert sender.loss > 0.1, "what is lost of what left since does count"


def test_an_outage_is_no_lesson_about_the_rate() -> None:
    for loss in (0.0, 0.1):
        leg = Leg(Link(1, delay_s=0.05, loss=loss, rate_bps=3e6))
        leg.run(10)
        leg.down.up = leg.back.up = False
        leg.run(5)
        assert leg.seen[-1][1] <= START_BPS / 2, "what is sent blindly becomes less"
        leg.down.up = leg.back.up = True
        leg.run(10)
        assert leg.first(115, lambda rate: rate == TOP) < 5
        assert leg.least(120) > TOP / 0.9


def test_numbers_wrap_without_a_trace() -> None:
    plain, wrapping = (
        Leg(Link(3, delay_s=0.05, loss=0.05, rate_bps=2e6), first_number=number) for number in (1, 65_536 - 400)
    )
    for leg in (plain, wrapping):
        leg.run(12)
    assert wrapping.sender.meter.next_number > 65_536 + 1000
    assert plain.seen == wrapping.seen


def test_a_receiver_that_has_all_it_wants_gets_no_padding() -> None:
    leg = Leg(Link(3, delay_s=0.05), source=lambda _: LOW, wanted_bps=LOW)
    leg.run(10)
    assert leg.padding_bytes == 0
    wants_more = Leg(Link(3, delay_s=0.05, rate_bps=600e3), source=lambda _: LOW, wanted_bps=TOP)
    wants_more.run(30)
    assert 0 < wants_more.padding_bytes < 0.1 * wants_more.media_bytes
    assert wants_more.seen[-1][1] < 700e3


def test_without_transport_feedback_reports_and_remb_decide() -> None:
    sender = Sender(0.0)
    now = 0.0

    def send(bps: float, loss: float, rtt: float, seconds: int) -> int:
        nonlocal now
        for _ in range(seconds):
            for _ in range(50):
                now += 0.02
                sender.sent(int(bps / 8 / 50), now)
                sender.tick(now)
            sender.receiver_report(loss, rtt, now)
        return sender.estimate_bps(now)

    assert send(900e3, 0.0, 0.1, 10) > 1.3 * START_BPS / 1.05
    flat = send(900e3, 0.15, 0.1, 10)
    assert flat > 1.2e6, "loss with a flat round trip only holds"
    assert send(900e3, 0.15, 0.4, 10) < 0.6 * flat, "loss with a queue is a full link"
    sender.remb(2e6, now)
    assert sender.estimate_bps(now) == 2_000_000
    sender.remb(300e3, now)
    assert sender.estimate_bps(now) == 300_000
    assert sender.stats(now)["by"] == "reports"
    assert sender.prober.probes == 0


def test_a_link_that_showed_a_limit_gets_bursts_in_small_pieces() -> None:
    leg = Leg(Link(1, delay_s=0.05, rate_bps=3e6))
    leg.run(5)
    assert leg.sender.pacing_bps(leg.now) == PACING_OPEN_BPS
    leg.down.rate_bps = 300e3
    leg.run(5)
    assert leg.sender.pacing_bps(leg.now) < 1e6


def test_an_idle_link_is_no_lost_one() -> None:
    leg = Leg(Link(1, delay_s=0.05, rate_bps=3e6))
    leg.run(5)
    before = leg.sender.estimate_bps(leg.now)
    leg.now += 60
    leg._next = dict.fromkeys(leg._next, leg.now)
    leg.run(3)
    assert leg.least(160) > 0.9 * before


def feedback(base: int, arrivals: list[int | None]) -> TransportFeedback:
    return TransportFeedback(1, 2, base & 0xFFFF, 0, tuple(arrivals))


def test_feedback_is_counted_once_and_only_for_what_was_sent() -> None:
    history = SendHistory()
    for index in range(10):
        assert history.sent(100 + index, index * 0.01) == index + 1
    first = history.match(feedback(1, [4000, None, 4080]))
    assert [(size, arrived) for _, arrived, size, _ in first.received] == [(100, 1.0), (102, 1.02)]
    assert (first.lost, first.total_bytes, first.newest_number) == (1, 303, 3)
    again = history.match(feedback(1, [4000, None, 4080]))
    assert (again.received, again.lost, again.newest_sent_s) == ([], 0, None)
    late = history.match(feedback(2, [4200]))
    assert (len(late.received), late.lost, late.total_bytes) == (1, -1, 0)
    beyond = history.match(feedback(9, [5000, 5001, 5002, None]))
    assert len(beyond.received) == 2, "numbers never sent are passed over"
    assert history.match(feedback(-3, [1, 2])).received == []


def test_what_is_overwritten_is_forgotten() -> None:
    history = SendHistory()
    for index in range(SLOTS + 5):
        history.sent(100, index * 0.001)
    assert [size for *_, size, _ in history.match(feedback(1, [1] * 6)).received] == [100]


def test_a_long_run_of_losses_is_an_outage_and_no_loss() -> None:
    for seconds, lost, outage in ((0.3, 30, False), (0.5, 0, True)):
        history = SendHistory()
        count = int(seconds * 100)
        for index in range(count + 2):
            history.sent(100, index * 0.01)
        outcome = history.match(feedback(1, [4000, *[None] * count, 9000]))
        assert (outcome.lost, outcome.outage) == (lost, outage)


def test_the_receivers_clock_may_wrap() -> None:
    history = SendHistory()
    history.sent(100, 1.0)
    history.sent(100, 1.01)
    wrap = (1 << 24) * 256
    (_, first, _, _), (_, second, _, _) = history.match(feedback(1, [wrap - 20, 20])).received
    assert second - first == pytest.approx(0.01)


def test_no_feedback_lets_the_estimate_sink_to_no_less_than_sound() -> None:
    leg = Leg(Link(1, delay_s=0.05, rate_bps=3e6))
    leg.run(3)
    leg.down.rate_bps = 20e3
    leg.run(20)
    assert leg.least(110) >= FLOOR_BPS
