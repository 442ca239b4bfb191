# SPDX-License-Identifier: Apache-2.0
"""Whole rooms in virtual time: what viewers see when their links narrow, lose or fail, and what cameras are spared."""

from __future__ import annotations

import itertools

import pytest

from mediaserver.rtp import rtcp
from mediaserver.rtp.transport_feedback import TransportFeedback
from mediaserver.sfu.bandwidth.demand import UNWANTED_AFTER_S
from mediaserver.sfu.bandwidth.narrow import OVERFLOW_S
from mediaserver.sfu.bandwidth.offers import COMES_WITHIN_S, MOST_S
from mediaserver.sfu.bandwidth.receiver import DEEP_PACE, LEAST_PACE_BPS, LIT_S
from tests.sim.meeting import Meeting

pytestmark = pytest.mark.usefixtures("plane")


@pytest.mark.parametrize("loss", [0.0, 0.02])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_viewers_link_narrows_and_widens_again(seed: int, loss: float) -> None:
    meeting = Meeting(seed)
    viewer = meeting.watch(rate_bps=3e6, queue_s=0.3, delay_s=0.05, loss=loss)
    meeting.show(viewer, 720)
    meeting.run(10)
    narrow = meeting.now
    viewer.down.rate_bps = 300e3
    meeting.run(15)
    wide = meeting.now
    viewer.down.rate_bps = 3e6
    meeting.run(15)
    assert set(viewer.layers(narrow - 3, narrow)) == {2}
    assert viewer.first(0, narrow) < 3, "the picture becomes smaller"
    assert viewer.longest_gap(narrow, wide) < 1, "and does not stand still"
    assert set(viewer.layers(narrow + 3, wide)) == {0}
    assert viewer.first(2, wide) < 15, "and is back"
    assert viewer.longest_gap(wide, meeting.now) < 0.5


@pytest.mark.parametrize("loss", [0.0, 0.02])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_cameras_link_narrows_and_widens_again(seed: int, loss: float) -> None:
    """The server has the upper layers switched off before the camera itself knows; then its estimate decides."""
    meeting = Meeting(seed, loss=loss)
    viewer = meeting.watch(delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(10)
    narrow = meeting.now
    assert meeting.notes == []
    meeting.up.rate_bps = 300e3
    meeting.run(1.5)
    meeting.estimated = 0
    meeting.run(13.5)
    wide = meeting.now
    meeting.up.rate_bps = 3e6
    meeting.run(8)
    meeting.estimated = 2
    meeting.run(7)
    at, highest = meeting.notes[0]
    assert highest == 0 and at - narrow < 0.35, "before the first lost packet is missed"
    assert viewer.longest_gap(narrow, wide) < 1
    assert set(viewer.layers(narrow + 3, wide)) == {0}
    assert viewer.first(2, wide) < 15
    assert viewer.longest_gap(wide, meeting.now) < 0.7


def test_a_publisher_is_not_told_what_overflows_nor_what_little_it_loses_while_it_lacks_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting = Meeting(3, loss=0.02)
    told: list[tuple[float, int, int]] = []

    def hears(packet: bytes) -> None:
        for report in rtcp.parse(packet)[0]:
            if isinstance(report, TransportFeedback):
                told.append((meeting.now, len(report.arrivals), report.arrivals.count(None)))  # noqa: PERF401
        Meeting._hears(meeting, packet)

    monkeypatch.setattr(meeting, "_hears", hears)
    viewer = meeting.watch(delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(8)
    narrow = meeting.now
    meeting.up.rate_bps = 300e3
    meeting.run(1.0)
    began = meeting.room._ports["a-send"].narrow.began
    meeting.estimated = 0
    meeting.run(11)
    meeting.up.rate_bps = 3e6
    meeting.run(4)
    meeting.estimated = 2
    meeting.run(6)

    def missing(since: float, until: float) -> int:
        rows = [row for row in told if since <= row[0] < until]
        assert sum(packets for _, packets, _ in rows) > 10
        return sum(lost for _, _, lost in rows)

    assert missing(narrow - 3, narrow) > 3
    assert missing(began + 0.05, began + OVERFLOW_S) == 0
    assert missing(narrow + 8, meeting.now - 6) == 0
    assert missing(meeting.now - 3, meeting.now) > 3, "all comes again: it is told everything"


def test_a_layer_that_does_not_come_is_asked_for_again_and_again_but_ever_less_often() -> None:
    meeting = Meeting(12)
    viewer = meeting.watch(delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(8)
    meeting.estimated = 0
    gone = meeting.now
    meeting.run(60)
    asked = [at for at, most in meeting.notes if most == 2]
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert COMES_WITHIN_S < gaps[0] < COMES_WITHIN_S + 1
    assert all(later > earlier - 0.25 for earlier, later in itertools.pairwise(gaps))
    assert MOST_S - 0.5 < gaps[-1] < MOST_S + 0.5
    assert viewer.longest_gap(gone + 3, meeting.now) < 0.5, "what does come is not disturbed"
    meeting.estimated = 2
    meeting.run(4)
    assert set(viewer.layers(meeting.now - 1, meeting.now)) == {2}


@pytest.mark.parametrize("loss", [0.05, 0.1])
def test_a_link_that_loses_at_random_keeps_the_large_picture(loss: float) -> None:
    meeting = Meeting(3)
    viewer = meeting.watch(delay_s=0.05, loss=loss)
    meeting.show(viewer, 720)
    meeting.run(20)
    layers = viewer.layers(105, 120)
    assert layers.count(2) > 0.9 * len(layers)
    assert meeting.estimate(viewer) > 1.6e6


def test_after_an_outage_the_picture_is_back_soon() -> None:
    meeting = Meeting(4)
    viewer = meeting.watch(rate_bps=3e6, delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(8)
    viewer.down.up = viewer.back.up = False
    meeting.run(5)
    back = meeting.now
    viewer.down.up = viewer.back.up = True
    meeting.run(10)
    assert viewer.longest_gap(back, back + 5) < 2
    assert viewer.first(2, back) < 8


def test_a_receiver_with_reports_only_is_served_too() -> None:
    meeting = Meeting(5)
    viewer = meeting.watch(delay_s=0.05, with_feedback=False)
    meeting.show(viewer, 360)
    meeting.run(5)
    assert set(viewer.layers(102, 105)) == {1}
    ssrc = viewer.consumer["rtp_parameters"]["encodings"][0]["ssrc"]
    for _ in range(10):
        block = rtcp.ReportBlock(ssrc, 128, 0, 0, 0, 0, 0)  # half is lost
        meeting.room.receive_rtcp("b-recv", rtcp.build_receiver_report(1, [block]), meeting.now)
        meeting.run(0.5)
    assert set(viewer.layers(meeting.now - 1, meeting.now)) == {0}
    remb = b"\x8f\xce\x00\x05" + bytes(8) + b"REMB\x01\x0c\x13\x88" + bytes(4)
    parsed, whole = rtcp.parse(remb)
    assert (parsed, whole) == ([rtcp.Remb(5000 << 3, (0,))], True)
    meeting.room.receive_rtcp("b-recv", remb, meeting.now)
    meeting.run(1)
    assert meeting.told(viewer)[-1] == (0, 0, "bandwidth"), "every fourth picture of the lowest layer"


@pytest.mark.parametrize("estimate", [200e3, 100e3])
def test_not_even_the_first_step_of_a_deep_fall_is_dark(estimate: float) -> None:
    meeting = Meeting(15)
    viewer = meeting.watch(delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(8)
    receiver = meeting.room._bandwidth.receivers["b-recv"]
    receiver.sender._limited_at, receiver._audio_bps = meeting.now, 92e3
    receiver.sender._aimd.set_rate(estimate)
    meeting.room._bandwidth._allocate(receiver, meeting.now)
    target = meeting.downlink(viewer).target
    assert target is not None and target[0] == 0


def test_a_deep_fall_leaves_the_least_picture_on_and_lets_the_key_frame_through() -> None:
    meeting = Meeting(14)
    viewer = meeting.watch(rate_bps=4e6, queue_s=0.3, delay_s=0.05)
    meeting.show(viewer, 720)
    meeting.run(8)
    narrow = meeting.now
    viewer.down.rate_bps = 150e3
    while meeting.downlink(viewer).target == (2, 2):
        meeting.run(0.02)
        assert meeting.now < narrow + 1
    receiver = meeting.room._bandwidth.receivers["b-recv"]
    assert 8 / receiver.pacer._byte_s == pytest.approx(
        max(LEAST_PACE_BPS, DEEP_PACE * meeting.estimate(viewer)), rel=0.1
    )
    targets = {meeting.downlink(viewer).target}
    for _ in range(int((LIT_S - 0.4) * 10)):
        meeting.run(0.1)
        targets.add(meeting.downlink(viewer).target)
    assert None not in targets
    assert all(target is not None and target[0] == 0 for target in targets)
    assert viewer.longest_gap(narrow, narrow + 2) < 1.3


def test_the_view_decides_what_is_sent() -> None:
    meeting = Meeting(6)
    viewer = meeting.watch()
    meeting.run(2)
    assert meeting.downlink(viewer).target == (0, 2), "before the page speaks: a thumbnail"
    meeting.run(2)
    assert meeting.downlink(viewer).target == (2, 2), "a receiver that never speaks shows all of it"
    for height, role, mode, cap, target, reason in (
        (720, "stage", "normal", None, (2, 2), None),
        (180, "tile", "normal", None, (0, 2), None),
        (360, "pinned", "normal", None, (1, 2), None),
        (720, "stage", "low", None, (0, 2), None),
        (720, "stage", "normal", 700_000, (1, 2), "bandwidth"),
        (720, "stage", "audio", None, None, "mode"),
        (None, "tile", "normal", None, None, "hidden"),
        (720, "stage", "normal", None, (2, 2), None),
    ):
        meeting.show(viewer, height, role, mode, cap)  # type: ignore[arg-type]
        downlink = meeting.downlink(viewer)
        assert (downlink.target, downlink.reason) == (target, reason)
        meeting.run(2)
        expected = None if target is None else target[0]
        assert (None if downlink.current is None else downlink.current[0]) == expected
        assert meeting.told(viewer)[-1][2] == reason


def test_layers_that_nobody_needs_stop_and_come_back_at_once() -> None:
    meeting = Meeting(7)
    viewer = meeting.watch()
    meeting.show(viewer, 180, "tile")
    began = meeting.now
    meeting.run(UNWANTED_AFTER_S + 1)
    assert [note for _, note in meeting.notes] == [0]
    assert UNWANTED_AFTER_S <= meeting.notes[0][0] - began < UNWANTED_AFTER_S + 0.3
    meeting.show(viewer, 720)
    meeting.run(1.5)
    assert meeting.notes[-1][1] == 2
    assert meeting.notes[-1][0] - began < UNWANTED_AFTER_S + 2, "asked for as soon as a probe has found the room"
    meeting.run(1.5)
    assert meeting.downlink(viewer).current == (2, 2)
    meeting.show(viewer, None)
    meeting.run(UNWANTED_AFTER_S + 1)
    assert meeting.notes[-1][1] == -1
    meeting.show(viewer, 180, "tile")
    shown_from = meeting.now
    meeting.run(1)
    assert viewer.first(0, shown_from) < 0.5


def test_the_recording_is_a_viewer() -> None:
    meeting = Meeting(8)
    viewer = meeting.watch()
    meeting.show(viewer, 180, "tile")
    meeting.room.record(True, meeting.now)
    meeting.run(UNWANTED_AFTER_S + 3)
    assert meeting.notes == [], "720 lines are recorded"
    meeting.room.record(False, meeting.now)
    meeting.run(UNWANTED_AFTER_S + 1)
    assert [note for _, note in meeting.notes] == [0]
    meeting.room.record(True, meeting.now)
    meeting.run(0.5)
    assert meeting.notes[-1][1] == 2


def test_a_camera_without_viewers_goes_on_with_its_lowest_layer() -> None:
    meeting = Meeting(9)
    meeting.run(UNWANTED_AFTER_S + 1)
    assert [note for _, note in meeting.notes] == [0]
    viewer = meeting.watch()
    joined = meeting.now
    meeting.run(1)
    assert viewer.first(0, joined) < 0.3


def test_a_camera_that_is_switched_off_and_on_is_shown_at_once() -> None:
    meeting = Meeting(10)
    viewer = meeting.watch()
    meeting.show(viewer, 720)
    meeting.run(4)
    meeting.sending = False
    meeting.room.pause_producer(meeting.producer_id, True, meeting.now)
    meeting.run(3)
    meeting.sending = True
    for layer in meeting.layers:
        layer.key_wanted = True
    on = meeting.now
    meeting.room.pause_producer(meeting.producer_id, False, meeting.now)
    assert meeting.downlink(viewer).target is not None
    meeting.run(2)
    assert min(viewer.first(layer, on) for layer in (0, 1, 2)) < 0.4
    assert viewer.first(2, on) < 1.5


def test_every_packet_has_the_next_number() -> None:
    meeting = Meeting(11)
    viewer = meeting.watch(rate_bps=2e6)
    meeting.show(viewer, 720)
    meeting.run(5)
    first = viewer.wide[0]
    numbers = [(number - first) & 0xFFFF for number in viewer.wide]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - len(numbers) < viewer.down.overflowed + 5
