# SPDX-License-Identifier: Apache-2.0
"""What the recorder gets of a simulcast camera: one layer at a time, whole, with the publisher's own numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from mediaserver.rtp import packet as rtp
from mediaserver.sfu import events
from tests.sim.encoder import HEIGHTS
from tests.sim.stage import Stage


@dataclass
class Epoch:
    """What came between opening and closing of a recorded track."""

    ssrc: int
    numbers: list[int] = field(default_factory=list)
    first_is_key: bool = False
    reports: list[int] = field(default_factory=list)
    closed: bool = False


def epochs(stage: Stage) -> list[Epoch]:
    found: list[Epoch] = []
    for event in stage.events:
        if isinstance(event, events.RecordedTrackOpened):
            assert not found or found[-1].closed, "an epoch is closed before the next one opens"
            found.append(Epoch(event.facts.ssrc))
        elif isinstance(event, events.RecordedTrackClosed):
            found[-1].closed = True
        elif isinstance(event, events.RecordedReport):
            found[-1].reports.append(event.rtp_timestamp)
        elif isinstance(event, events.RecordedPacket):
            header = rtp.read_header(event.packet)
            assert header is not None
            assert not found[-1].closed
            assert header.ssrc == found[-1].ssrc, "an epoch holds one layer"
            if not found[-1].numbers:
                found[-1].first_is_key = not event.packet[header.payload_offset + 6] & 1
            found[-1].numbers.append(header.sequence_number)
    return found


def layer_of(epoch: Epoch) -> int:
    return epoch.ssrc - 1000


def test_the_best_layer_is_recorded_though_nobody_watches() -> None:
    stage = Stage(1, loss=0.05, jitter_s=0.01)
    stage.room.record(True, stage.now)
    stage.run(8)
    stage.up.loss = 0
    stage.run(1)
    stage.room.record(False, stage.now)
    stage.run(0.1)
    found = epochs(stage)
    last = found[-1]
    assert layer_of(last) == 2
    assert all(epoch.first_is_key and epoch.closed for epoch in found)
    assert len(found) <= 3
    numbers = sorted((n - last.numbers[0]) & 0xFFFF for n in last.numbers)
    assert numbers == list(range(len(numbers))), "every packet once, repaired ones too"
    assert last.reports


def test_the_recording_height_is_the_limit() -> None:
    stage = Stage(2, room={"recording_height": 400})
    stage.room.record(True, stage.now)
    stage.run(8)
    assert {layer_of(epoch) for epoch in epochs(stage)[-1:]} == {1}
    assert HEIGHTS[1] <= 400 < HEIGHTS[2]


def test_a_layer_that_dies_or_comes_back_opens_an_epoch_at_a_key_frame() -> None:
    stage = Stage(3)
    stage.room.record(True, stage.now)
    stage.run(6)
    before = len(epochs(stage))
    stage.layers[2].on = False
    stage.run(4)
    stage.layers[2].on = stage.layers[2].key_wanted = True
    stage.run(2)
    assert layer_of(epochs(stage)[-1]) == 1, "a layer that just came back must prove itself"
    stage.run(4)
    found = epochs(stage)[before:]
    assert [layer_of(epoch) for epoch in found] == [1, 2]
    assert all(epoch.first_is_key for epoch in found)


def test_watching_a_small_picture_does_not_change_what_is_recorded() -> None:
    stage = Stage(4)
    viewer = stage.view()
    stage.room.record(True, stage.now)
    stage.run(5)
    before = len(epochs(stage))
    stage.target(viewer, 0, 0)
    stage.run(3)
    stage.target(viewer, None)
    stage.run(3)
    assert len(epochs(stage)) == before
    assert layer_of(epochs(stage)[-1]) == 2


def test_a_recording_that_begins_in_the_middle_asks_for_one_key_frame() -> None:
    stage = Stage(5)
    stage.view()
    stage.run(5)
    keys = len(stage.key_at)
    stage.room.record(True, stage.now)
    stage.run(2)
    found = epochs(stage)
    assert [layer_of(epoch) for epoch in found] == [2]
    assert found[0].first_is_key
    assert [layer for _, layer in stage.key_at[keys:]] == [2]
