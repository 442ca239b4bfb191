# SPDX-License-Identifier: Apache-2.0
"""What a tick and a review of a room look at: only what is due, and receivers of which there is something new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mediaserver.rtp import rtcp
from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.receiver import REST_S, Receiver
from mediaserver.sfu.bandwidth.sender import FEEDBACK_LOST_S
from mediaserver.sfu.bandwidth.view import Tile, View
from mediaserver.sfu.room import CALM_TICK_S, TICK_S, Room
from tests.mediaserver.sfu.test_relay import Publisher, begun, ordinary, room


@dataclass
class Calm:
    """A room whose receiver has all it wants over a wide link, and tells so ten times a second."""

    room: Room
    now: float = 1.3
    allocated: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    _number: int = 9
    _reported: int = 1
    _feedbacks: int = 0

    @property
    def receiver(self) -> Receiver:
        return self.room._bandwidth.receivers["b-recv"]

    def run(self, seconds: float, *, tells: bool = True) -> None:
        for step in range(round(seconds / 0.005)):
            self.now += 0.005
            if step % 2 == 0:
                self._number += 1
                self.room.receive_rtp("a-send", ordinary(self._number), self.now)
            if tells and step % 20 == 0:
                self._tell()
            deadline = self.room.next_deadline()
            if deadline is not None and self.now >= deadline:
                self.ticks.append(self.now)
                self.room.handle_timer(self.now)
            self.room.drain_packets()
            self.room.drain_events()

    def _tell(self) -> None:
        sent = range(self._reported, self.receiver.meter.next_number)
        if sent:
            ticks = tuple(int((self.now - 0.01 * (len(sent) - i)) * 4000) for i in range(len(sent)))
            report = TransportFeedback(1, 2, sent[0] & 0xFFFF, self._feedbacks & 0xFF, ticks)
            self.room._bandwidth.feedback(self.receiver.port, report, self.now)
            self._reported, self._feedbacks = sent[-1] + 1, self._feedbacks + 1


@pytest.fixture
def calm(plane: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calm]:
    made, allocate = Calm(begun()), Receiver.allocate

    def counted(receiver: Receiver, *arguments: object) -> object:
        made.allocated.append(made.now)
        return allocate(receiver, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Receiver, "allocate", counted)
    made.run(6)
    made.allocated.clear()
    made.ticks.clear()
    yield made


def test_a_calm_room_ticks_seldom_and_leaves_its_receivers_alone(calm: Calm) -> None:
    calm.run(4)
    assert 4 / CALM_TICK_S * 0.8 <= len(calm.ticks) <= 4 / CALM_TICK_S + 1
    assert 1 <= len(calm.allocated) <= 4 / REST_S + 1


def test_whatever_speaks_against_it_is_looked_at_by_the_next_review(calm: Calm) -> None:
    news = {
        "an estimate of the receiver": lambda: calm.room.receive_rtcp("b-recv", remb(300_000), calm.now),
        "its page": lambda: calm.room.view("b", View({"x": Tile(320, 180, "tile")}), calm.now),
        "another publisher": lambda: calm.room.pause_producer(camera(calm.room), True, calm.now),
        "and back": lambda: calm.room.pause_producer(camera(calm.room), False, calm.now),
    }
    for what, happens in news.items():
        calm.run(1.5)
        calm.allocated.clear()
        happens()
        calm.run(0.16)
        assert calm.allocated, what


def test_a_link_that_falls_silent_is_noticed_though_nobody_looks(calm: Calm) -> None:
    before = calm.receiver.sender.estimate_bps(calm.now)
    calm.run(FEEDBACK_LOST_S - 0.2, tells=False)
    assert calm.receiver.sender.estimate_bps(calm.now) == before
    calm.run(0.5, tells=False)
    assert calm.receiver.sender.estimate_bps(calm.now) < before


def test_a_room_is_in_doubt_while_a_link_has_not_shown_that_it_is_well(calm: Calm) -> None:
    assert not calm.room.in_doubt
    calm.receiver.meter.calm = False
    assert calm.room.in_doubt
    calm.run(0.3)
    assert not calm.room.in_doubt, "what it tells shows nothing"
    calm.run(FEEDBACK_LOST_S + 0.2, tells=False)
    assert calm.room.in_doubt, "it has fallen silent"
    fresh = Calm(begun())
    fresh.run(1, tells=False)
    assert not fresh.room.in_doubt, "of a receiver that gives no feedback nothing is expected"


def test_what_waits_is_sent_by_a_tick_that_comes_soon(calm: Calm) -> None:
    calm.run(0.2)
    calm.receiver.pacer.set_rate(100_000)
    for _ in range(4):
        calm._number += 1
        calm.room.receive_rtp("a-send", ordinary(calm._number), calm.now)
    calm.room.drain_packets()
    deadline = calm.room.next_deadline()
    assert calm.receiver.pacer.waiting and deadline is not None and deadline <= calm.now + TICK_S
    calm.ticks.clear()
    calm.run(0.1)
    assert len(calm.ticks) >= 0.1 / TICK_S / 2


def test_reports_are_due_once_a_second_however_often_a_transport_comes_up(calm: Calm) -> None:
    report = rtcp.build_sender_report(rtcp.SenderReport(1111, 7 << 32, 9, 3, 4))
    calm.room.receive_rtcp("a-send", report, calm.now)
    sent = []
    for step in range(400):
        calm.now += 0.005
        calm._number += 1
        calm.room.receive_rtp("a-send", ordinary(calm._number), calm.now)
        if step in (3, 4, 5, 300):
            calm.room.transport_up("b-recv", calm.now)
        calm.room.handle_timer(calm.now)
        sent += [
            step for to, data, is_rtcp in calm.room.drain_packets() if is_rtcp and to == "b-recv" and data[1] == 200
        ]
    calm.room.transport_down("b-recv", calm.now)
    assert 2 <= len(sent) <= 6
    calm.room.handle_timer(calm.now + 5)
    assert not [to for to, *_ in calm.room.drain_packets() if to == "b-recv"]


def camera(room: Room) -> str:
    return room.producers()[0].producer_id


def remb(bps: int) -> bytes:
    mantissa = (bps >> 2 | 2 << 18).to_bytes(3)
    return b"\x8f\xce\x00\x05" + bytes(7) + b"\x01REMB\x01" + mantissa + bytes(4)


def test_what_the_pacer_gives_up_is_not_held_against_the_link() -> None:
    made, publisher, now = room(), Publisher(7), 5.0
    receiver = made._bandwidth.receivers["b-recv"]
    receiver.pacer.set_rate(50_000)
    while not receiver.pacer.dropped:
        now += 0.01
        for _ in range(10):
            made.receive_rtp("a-send", publisher.packet(now), now)
        made.drain()
    assert receiver.port.link._left_out == receiver.pacer.dropped
