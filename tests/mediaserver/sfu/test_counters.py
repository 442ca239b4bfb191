# SPDX-License-Identifier: Apache-2.0
"""What a room counts adds up, and nothing of what has ended is remembered."""

from __future__ import annotations

import pytest

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.room import Room
from mediaserver.sfu.uplink import Uplink
from tests.sim.call import Call, video_parameters
from tests.sim.network import Link
from tests.sim.stage import Stage
from tests.soak.checks import sizes


def test_numbers_that_begin_anew_are_no_loss() -> None:
    call = Call(Link(1), Link(2))
    call.run(2)
    call.sequence += 20_000
    call.run(2)
    (stats,) = call.room.stats(call.now)["producers"]
    assert stats["packets"] > 250 and stats["lost"] == 0
    assert stats["strays"] == 1  # the first packet after the jump, before its successor confirmed it


@pytest.mark.parametrize("gap", [1, 7])
def test_every_packet_of_a_stream_is_counted_under_one_name(gap: int) -> None:
    uplink = Uplink(codecs.VP8)
    for number in (5, 5 + gap, 5 + gap + 3000, 9, 5 + gap + 5000, 5 + gap + 5001):
        uplink.accept(number, 1.0)
    assert uplink.strays == 2 and uplink.received == uplink.strays


def test_a_repair_without_content_is_counted() -> None:
    call = Call(Link(1), Link(2))
    call.run(1)
    empty = rtp.build(payload_type=97, sequence_number=1, timestamp=1, ssrc=2222, payload=b"")
    call.room.receive_rtp("a-send", bytearray(empty), call.now)
    (stats,) = call.room.stats(call.now)["producers"]
    assert (stats["rtx_packets"], stats["rtx_empty"]) == (1, 1)


def test_producers_that_end_before_anybody_looked_leave_nothing() -> None:
    room = Room("r", new_ssrc=lambda: 7, wallclock_offset_s=0.0)
    for number in range(50):
        room.join(f"p{number}", "P", "", 1.0)
        room.add_transport(f"p{number}-send", f"p{number}", "send")
        room.transport_up(f"p{number}-send", 1.0)
        room.produce(f"p{number}-send", "cam", "video", video_parameters(), 1.0)
        room._bandwidth.spoke(f"p{number}")
        room.leave(f"p{number}", 1.0)
    assert {name: size for name, size in sizes(room).items() if size and not name.startswith("Outbox")} == {}


def test_a_receiver_waits_once_though_its_layer_begins_anew_meanwhile() -> None:
    stage = Stage(5, 2)
    viewer = stage.view()
    stage.run(1)
    stage.target(viewer, 0)
    stage.run(1)
    producer = stage.room._producers[stage.producer_id]
    stage.layers[1].key_wanted, stage.key_requests_obeyed = False, False
    stage.target(viewer, 1)
    stage.run(0.2)
    assert producer.pending == (stage.downlink(viewer),)
    stage.room.silence_producer(stage.producer_id, True, stage.now)
    assert producer.pending == (stage.downlink(viewer),)
