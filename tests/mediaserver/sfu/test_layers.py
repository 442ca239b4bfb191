# SPDX-License-Identifier: Apache-2.0
"""Simulcast in virtual time: which layer a receiver gets, and that it sees one unbroken stream."""

from __future__ import annotations

import itertools

import pytest

from tests.sim.stage import Stage, Viewer


def true_times(stage: Stage, viewer: Viewer, tolerance_s: float = 0.002) -> None:
    """Every frame is shown as long after the one before as it was taken after it."""
    shown = viewer.decoder.finish()
    for before, after in itertools.pairwise(shown):
        step = (after.timestamp - before.timestamp & 0xFFFFFFFF) / 90_000
        taken = stage.captured[after.frame] - stage.captured[before.frame]
        assert step == pytest.approx(taken, abs=tolerance_s), (before, after)


def shown_rate(stage: Stage, viewer: Viewer, since: float) -> float:
    """Frames a second that the viewer could show."""
    shown = [frame for frame in viewer.decoder.finish() if frame.at >= since]
    return len(shown) / (stage.now - since)


def test_a_receiver_gets_the_highest_layer_and_every_frame() -> None:
    stage = Stage(1)
    viewer = stage.view()
    stage.run(6)
    shown = viewer.decoder.finish()
    assert shown[0].frame == 1
    assert shown[-1].layer == 2
    frames = [frame.frame for frame in shown]
    assert frames == sorted(frames)
    assert len(frames) >= stage.frame_number - 3
    assert not viewer.decoder.missing()
    true_times(stage, viewer)
    assert viewer.wide == [(viewer.wide[0] + n) & 0xFFFF for n in range(len(viewer.wide))]


@pytest.mark.parametrize(("spatial", "temporal", "rate"), [(0, 2, 30), (1, 1, 15), (2, 0, 7.5)])
def test_a_target_is_obeyed_in_space_and_time(spatial: int, temporal: int, rate: float) -> None:
    stage = Stage(2)
    viewer = stage.view()
    stage.run(4)
    stage.target(viewer, spatial, temporal)
    stage.run(1)
    since = stage.now
    stage.run(4)
    shown = [frame for frame in viewer.decoder.finish() if frame.at > since]
    assert {frame.layer for frame in shown} == {spatial}
    assert max(frame.temporal for frame in shown) <= temporal
    assert shown_rate(stage, viewer, since) == pytest.approx(rate, rel=0.1)
    assert not viewer.decoder.missing()
    true_times(stage, viewer)
    stage.target(viewer, 2, 2)
    stage.run(1)
    since = stage.now
    stage.run(2)
    assert shown_rate(stage, viewer, since) == pytest.approx(30, rel=0.1)
    true_times(stage, viewer)


def test_more_of_time_begins_at_once_without_a_key_frame() -> None:
    stage = Stage(3)
    viewer = stage.view()
    stage.run(4)
    stage.target(viewer, 2, 0)
    stage.run(1)
    keys = len(stage.key_at)
    stage.target(viewer, 2, 2)
    since = stage.now
    stage.run(1)
    assert len(stage.key_at) == keys
    assert shown_rate(stage, viewer, since + 0.2) == pytest.approx(30, rel=0.1)


def test_paused_and_resumed_goes_on_without_a_gap() -> None:
    stage = Stage(4)
    viewer = stage.view()
    stage.run(3)
    stage.target(viewer, None, 0, "hidden")
    stage.run(0.1)
    got = len(viewer.decoder.pieces)
    stage.run(5)
    assert len(viewer.decoder.pieces) == got
    stage.target(viewer, 2)
    stage.run(2)
    assert viewer.decoder.finish()[-1].frame >= stage.frame_number - 2
    assert not viewer.decoder.missing()
    assert (None, None, "hidden") in stage.told(viewer)
    assert stage.told(viewer)[-1] == (2, 2, None)
    true_times(stage, viewer)


@pytest.mark.parametrize("reports", [True, False])
def test_a_layer_that_dies_is_left_and_taken_again(reports: bool) -> None:
    stage = Stage(5, reports=reports)
    viewer = stage.view()
    stage.run(5)
    assert viewer.decoder.finish()[-1].layer == 2
    stage.layers[2].on = False
    died = stage.now
    stage.run(4)
    shown = [frame for frame in viewer.decoder.finish() if frame.at > died]
    assert shown[-1].layer == 1
    first = next(frame.at for frame in shown if frame.layer == 1)
    assert first - died < 0.9, "it is not waited for as long as for a layer whose whole camera is silent"
    assert stage.told(viewer)[-1] == (1, 2, "publisher")
    stage.layers[2].on = stage.layers[2].key_wanted = True
    stage.run(4)
    assert viewer.decoder.finish()[-1].layer == 2
    assert stage.told(viewer)[-1] == (2, 2, None)
    true_times(stage, viewer, 0.002 if reports else 0.05)


def test_the_lowest_layer_alone_is_better_than_nothing() -> None:
    stage = Stage(6)
    viewer = stage.view()
    stage.run(3)
    stage.target(viewer, 0)
    stage.run(1)
    stage.layers[0].on = False
    stage.run(3)
    assert viewer.decoder.finish()[-1].layer == 1
    assert viewer.decoder.finish()[-1].frame >= stage.frame_number - 2


def test_a_newcomer_is_served_from_the_ring_without_a_key_frame() -> None:
    stage = Stage(7)
    stage.view("b")
    stage.run(4)
    viewer = stage.view("c", up=False)
    stage.room.receive_rtcp("b-recv", b"", stage.now)
    stage.layers[2].key_wanted = True
    stage.run(0.5)
    keys, requests, joined = len(stage.key_at), len(stage.requests), stage.now
    stage.room.transport_up("c-recv", stage.now)
    stage.run(1)
    shown = viewer.decoder.finish()
    assert shown[0].at - joined < 0.05
    assert shown[0].layer == 2
    assert (len(stage.key_at), len(stage.requests)) == (keys, requests)
    newest = max(frame.frame for frame in shown if frame.at - joined < 0.03)
    late = [frame for frame in shown if frame.frame <= newest]
    spread = (late[-1].timestamp - late[0].timestamp & 0xFFFFFFFF) / 90_000
    assert spread <= 0.001 * len(late), "what is past is shown at once"
    assert not viewer.decoder.missing()


def test_a_newcomer_gets_no_old_key_frame() -> None:
    stage = Stage(8)
    stage.view("b")
    stage.run(8)
    viewer = stage.view("c")
    stage.run(1)
    shown = viewer.decoder.finish()
    assert stage.captured[shown[0].frame] > stage.now - 1.2
    assert shown[0].key


def test_a_stall_is_asked_about_left_and_told() -> None:
    """The camera's top layer sends on but never a key frame; then nothing comes at all."""
    stage = Stage(9)
    viewer = stage.view()
    stage.run(2)
    stage.target(viewer, 0)
    stage.run(1)
    stage.key_requests_obeyed = False
    stage.target(viewer, 2)
    stage.run(3)
    assert viewer.decoder.finish()[-1].frame >= stage.frame_number - 2, "the old layer goes on while the new one fails"
    stage.sending = False
    asked = len(stage.requests)
    stage.run(5)
    assert len(stage.requests) > asked
    assert stage.told(viewer)[-1] == (None, None, "stalled")
    stage.sending = stage.key_requests_obeyed = True
    stage.run(2)
    assert stage.told(viewer)[-1][0] is not None
    assert viewer.decoder.finish()[-1].frame >= stage.frame_number - 2


def test_a_muted_camera_is_no_stall() -> None:
    stage = Stage(10)
    viewer = stage.view()
    stage.run(3)
    stage.room.pause_producer(stage.producer_id, True, stage.now)
    stage.sending = False
    stage.run(1)
    asked = len(stage.requests)
    stage.run(10)
    assert len(stage.requests) == asked
    assert (None, None, "stalled") not in stage.told(viewer)
    stage.room.pause_producer(stage.producer_id, False, stage.now)
    stage.sending = True
    stage.run(2)
    assert viewer.decoder.finish()[-1].frame >= stage.frame_number - 2


def test_requests_of_many_receivers_cost_one_key_frame_a_second() -> None:
    stage = Stage(11)
    viewers = [stage.view(f"v{index}") for index in range(6)]
    stage.run(3)
    keys = [at for at, index in stage.key_at if index == 2]
    since = stage.now
    for _ in range(40):
        for viewer in viewers:
            viewer.pli(stage.now)
        stage.run(0.1)
    keys = [at for at, index in stage.key_at if index == 2 and at > since]
    assert 3 <= len(keys) <= 5
    assert not [at for at, index in stage.key_at if index < 2 and at > since], "nobody needs the other layers"


@pytest.mark.parametrize(
    ("loss", "jitter_s", "duplicate"), [(0.02, 0.0, 0.0), (0.05, 0.02, 0.05), (0.1, 0.03, 0.0), (0.2, 0.01, 0.02)]
)
def test_loss_on_both_legs_leaves_a_stream_that_decodes(loss: float, jitter_s: float, duplicate: float) -> None:
    stage = Stage(13, loss=loss, jitter_s=jitter_s, duplicate=duplicate)
    viewer = stage.view(loss=loss, jitter_s=jitter_s, duplicate=duplicate)
    stage.run(4)
    for spatial, temporal in ((0, 2), (2, 1), (1, 0), (2, 2)):
        stage.target(viewer, spatial, temporal)
        stage.run(2)
    stage.run(1)
    shown = viewer.decoder.finish()
    assert shown[-1].layer == 2
    assert stage.frame_number - shown[-1].frame < 20
    missing = len(viewer.decoder.missing())
    assert missing <= 0.02 * len(viewer.decoder.pieces) + 5
