# SPDX-License-Identifier: Apache-2.0
"""What receivers tell that is nothing new costs little: it is summed up, and nothing is late or lost by that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mediaserver.rtp import rtcp
from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth import meter
from mediaserver.sfu.bandwidth.delay import Usage
from mediaserver.sfu.bandwidth.loss import OBSERVATION_S, LossModel
from mediaserver.sfu.bandwidth.meter import QUIET_S, Metering, Told
from mediaserver.sfu.bandwidth.sender import FEEDBACK_LOST_S, Sender
from mediaserver.sfu.room import Room
from mediaserver.shell import native_port
from tests.mediaserver.sfu.test_relay import begun

EVERY_S = 0.1
PACKETS = 20
"""Of one feedback."""


class Telling:
    """A meter, a link without delay, and feedback ten times a second."""

    def __init__(self, made: Metering) -> None:
        self.meter, self.now, self.count = made, 10.0, 250
        self.told: list[Told] = []

    def tell(self, *, lost: int = 0, slower_s: float = 0.0, skips: int = 0) -> list[Told]:
        """Send and tell of it once; `slower_s` each packet takes longer than the one before."""
        first, ticks = self.meter.next_number, []
        for number in range(PACKETS):
            self.meter.sent(1000, self.now)
            self.now += EVERY_S / PACKETS
            late = slower_s * number
            ticks.append(None if number < lost else int((self.now + late) * 4000))
        self.count += 1 + skips
        report = TransportFeedback(1, 2, first & 0xFFFF, self.count & 0xFF, tuple(ticks))
        news = self.meter.take(report, self.now)
        self.told += news
        return news


@pytest.fixture
def told(plane: str) -> Telling:
    return Telling(meter.make())


def test_nothing_is_summed_up_before_the_owner_says_that_all_is_well(told: Telling) -> None:
    for _ in range(5):
        assert len(told.tell()) == 1


def test_quiet_feedback_is_told_as_one_sum(told: Telling) -> None:
    told.tell()
    told.meter.calm = True
    news: list[Told] = []
    while not news:
        news = told.tell()
    [(count, summary, now)] = news
    feedbacks, least_s = summary[8:]
    assert feedbacks == pytest.approx(QUIET_S / EVERY_S, abs=1)
    assert (count, now) == (told.count & 0xFF, told.now), "as of the last one"
    assert summary[:4] == (feedbacks * PACKETS, 0, feedbacks * PACKETS * 1000, told.meter.next_number - 1)
    assert summary[5:8] == (False, Usage.NORMAL, [])
    assert least_s == pytest.approx(EVERY_S / PACKETS)
    assert told.meter.settle() == [], "nothing is left"


@pytest.mark.parametrize("what", [{"lost": 2}, {"skips": 1}])
def test_what_is_not_quiet_is_told_at_once_and_what_came_before_it_first(told: Telling, what: dict[str, Any]) -> None:
    told.tell()
    told.meter.calm = True
    assert told.tell() == told.tell() == []
    before, news = told.tell(**what)
    assert before[1][:2] == (2 * PACKETS, 0) and before[1][8] == 2
    assert news[1][:2] == (PACKETS - what.get("lost", 0), what.get("lost", 0)) and news[1][8] == 1


def test_a_queue_that_grows_is_told_at_once(told: Telling) -> None:
    told.tell()
    told.meter.calm = True
    for _ in range(6):
        if news := told.tell(slower_s=0.004):
            break
    assert news[-1][1][6] is Usage.OVER or told.meter.queue_ms > 0
    assert news[-1][2] == told.now
    told.meter.awaited = 1
    assert told.tell()[-1][1][8] == 1, "so is what may belong to a probe"


def test_the_estimate_counts_every_feedback_and_knows_of_what_was_summed_up(plane: str) -> None:
    sender = Sender(10.0)
    told = Telling(sender.meter)
    sender.wanted(100_000.0)
    calls = 0
    for _ in range(60):
        for one in told.tell():
            sender.told(*one)
            calls += 1
    assert sender.feedback_lost == 0 and sender.feedbacks >= 54
    assert calls <= 25
    assert sender.meter.calm
    sender.meter.sent(1000, told.now)
    sender.tick(told.now + FEEDBACK_LOST_S + 0.1)
    assert sender.feedbacks == 60, "what was summed up is told before silence is judged"
    assert not sender.meter.calm
    assert told.tell(), "the first word after a silence is heard at once"


def test_a_sum_without_loss_counts_as_the_observations_it_is_made_of() -> None:
    singly, at_once = LossModel(), LossModel()
    for number in range(40):
        singly.add(60, 0, 60_000, OBSERVATION_S, 10 + number * OBSERVATION_S)
        if number % 2:
            at_once.add(120, 0, 120_000, 2 * OBSERVATION_S, 10 + number * OBSERVATION_S)
    for number in range(4):
        for model in (singly, at_once):
            model.add(60, 9, 60_000, OBSERVATION_S, 20 + number * OBSERVATION_S)
    assert (singly.loss, singly.cap_bps, singly.inherent) == (at_once.loss, at_once.cap_bps, at_once.inherent)


# Receiver reports


@pytest.fixture
def back_to_python() -> Iterator[None]:
    yield
    native_port.use(None)


class Reporting:
    """A room whose receiver tells by feedback, and reports."""

    def __init__(self, compiled: Any | None) -> None:
        native_port.use(compiled)
        self._compiled = compiled
        self.room: Room = begun()
        self.now, self.in_c = 2.0, 0
        self.room.receive_rtcp("a-send", rtcp.build_sender_report(rtcp.SenderReport(1111, 77 << 31, 9, 3, 4)), self.now)
        self.receiver = self.room._bandwidth.receivers["b-recv"]
        self.told = Telling(self.receiver.meter)
        self.told.now = self.now
        for _ in range(20):
            for one in self.told.tell():
                self.receiver.told(*one)
        assert self.receiver.meter.calm

    def report(self, blocks: list[rtcp.ReportBlock], extra: bytes = b"") -> None:
        """The receiver reports."""
        self.now += 0.37
        data = rtcp.build_receiver_report(1, blocks) + extra
        if self._compiled is not None:
            taken = self._compiled.take_told(self.room.lane_of("b-recv"), data, self.now)
            self.in_c += taken == []
            if taken is not None:
                assert taken == []
                return
        self.room.receive_rtcp("b-recv", data, self.now)

    def state(self) -> tuple[Any, ...]:
        """All that reports change."""
        port = self.room._ports["b-recv"]
        link = vars(port.link) | {"_meter": None, "_seen": None, "next_look_at": None}
        consumers = [downlink.stats() for downlink in port.downlinks.values()]
        return consumers, link, self.receiver.stats(self.now), self.room.malformed_rtcp


def blocks(chance: random.Random, ssrcs: list[int]) -> list[rtcp.ReportBlock]:
    """Of one report: mostly good news."""
    return [
        rtcp.ReportBlock(
            chance.choice(ssrcs),
            chance.choice((0, 0, 0, 0, 0, 0, 9)),
            chance.choice((0, 5)),
            70_000,
            3,
            chance.choice((0, 77 << 15 & 0xFFFFFFFF, chance.getrandbits(32))),
            chance.choice((0, 65536, chance.getrandbits(18))),
        )
        for _ in range(chance.choice((0, 1, 1, 2, 31)))
    ]


@pytest.mark.usefixtures("back_to_python")
def test_reports_are_taken_the_same_by_both_planes(compiled: Any) -> None:
    for seed in range(60):
        states, in_c = [], 0
        for module in (None, compiled):
            chance = random.Random(seed)
            made = Reporting(module)
            ssrcs = [5, *(downlink.ssrc for downlink in made.room._ports["b-recv"].downlinks.values())]
            seen = []
            for _ in range(12):
                made.report(blocks(chance, ssrcs), chance.choice((b"", b"", b"", rtcp.build_sdes(1, "x"))))
                seen.append(made.state())
            states.append(seen)
            in_c += made.in_c
        assert states[0] == states[1]
    assert in_c, "some go the short way"


@pytest.mark.usefixtures("back_to_python")
def test_a_loss_that_is_reported_comes_to_python(compiled: Any) -> None:
    made = Reporting(compiled)
    downlinks = made.room._ports["b-recv"].downlinks.values()
    picture = next(d.ssrc for d in downlinks if d.span.uplink.report is not None)
    sound = next(d.ssrc for d in downlinks if d.ssrc != picture)
    made.report([rtcp.ReportBlock(picture, 0, 0, 70_000, 3, 77 << 15, 0)])
    assert made.in_c == 1 and made.room._ports["b-recv"].link.rtt_s is not None
    made.report([rtcp.ReportBlock(sound, 0, 0, 1, 1, 0, 0), rtcp.ReportBlock(picture, 30, 0, 70_000, 3, 0, 0)])
    made.report([rtcp.ReportBlock(picture, 0, 0, 70_000, 3, 0, 0)])
    assert made.in_c == 1, "also the next one, which says that it is over"
    assert made.room._ports["b-recv"].link.loss > 0
