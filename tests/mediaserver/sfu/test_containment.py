# SPDX-License-Identifier: Apache-2.0
"""What one peer does wrong stays with that peer, and is counted."""

from __future__ import annotations

import pytest

from mediaserver.rtp import packet as rtp
from mediaserver.sfu.ports import MAX_SSRCS
from mediaserver.sfu.twcc import MAX_PENDING, TwccReceiver
from tests.sim.call import Call, audio_parameters, vp8_payload
from tests.sim.network import Link


@pytest.fixture
def call() -> Call:
    """`a` shows `b` its camera; `m` has a microphone, and means no good."""
    made = Call(Link(1), Link(2))
    made.room.join("m", "M", "", made.now)
    made.room.add_transport("m-send", "m", "send")
    made.room.produce("m-send", "mic", "audio", audio_parameters(), made.now)
    made.room.transport_up("m-send", made.now)
    made.room.transport_up("b-recv", made.now)
    made.run(1)
    return made


def sent_by(ssrc: int, number: int, *elements: tuple[int, bytes], payload_type: int = 96) -> bytearray:
    block = rtp.build_extensions(list(elements)) if elements else b""
    return bytearray(
        rtp.build(
            payload_type=payload_type,
            sequence_number=number & 0xFFFF,
            timestamp=number,
            ssrc=ssrc,
            payload=vp8_payload(number, key=True),
            marker=True,
            extension_block=block,
        )
    )


def counted(call: Call) -> dict[str, int]:
    found: dict[str, int] = call.room.stats(call.now)["dropped"].get("m-send", {})
    return found


def assert_the_call_goes_on(call: Call) -> None:
    before = len(call.received)
    call.run(2)
    assert len(call.received) - before >= 140  # 25 pictures of three packets a second, and some are on their way
    (stats,) = [s for s in call.room.stats(call.now)["producers"] if s["producer_id"] == call.producer_id]
    assert (stats["lost"], stats["duplicates"], stats["strays"]) == (0, 0, 0)


def test_forged_ssrcs_reach_nobody(call: Call) -> None:
    got = len(call.received)
    for number in range(3_000):
        call.room.receive_rtp("m-send", sent_by(1111 if number % 2 else 50_000 + number, number), call.now)
    assert [item for item in call.room.drain_packets() if not item[2]] == []
    assert counted(call) == {"unknown_ssrc": 3_000} and len(call.received) == got
    assert_the_call_goes_on(call)


def test_ssrcs_that_claim_a_stream_are_bounded(call: Call) -> None:
    for number in range(3_000):
        claim = sent_by(50_000 + number, number, (4, b"1"), payload_type=111)
        call.room.receive_rtp("m-send", claim, call.now)
    call.room.drain_packets()
    assert len(call.room._ports["m-send"].by_ssrc) == MAX_SSRCS
    assert counted(call)["unknown_ssrc"] == 3_000 - (MAX_SSRCS - 1)
    assert_the_call_goes_on(call)


def test_a_replayed_packet_is_forwarded_once(call: Call) -> None:
    packet = sent_by(1111, call.sequence)
    for _ in range(500):
        call.room.receive_rtp("a-send", bytearray(packet), call.now)
    media = [item for item in call.room.drain_packets() if not item[2]]
    assert len(media) == 1
    (stats,) = [s for s in call.room.stats(call.now)["producers"] if s["producer_id"] == call.producer_id]
    assert stats["duplicates"] == 499


def test_a_flood_of_one_peer_costs_the_others_nothing(call: Call) -> None:
    for number in range(6_000):
        wide = (number * 600 & 0xFFFF).to_bytes(2)
        flood = sent_by(3333, number * 7, (4, b"1"), (3, wide), payload_type=111)
        call.room.receive_rtp("m-send", flood, call.now)
    call.room.drain_packets()
    assert len(call.room._ports["m-send"].twcc.pending) <= MAX_PENDING
    assert_the_call_goes_on(call)


def test_feedback_on_numbers_far_apart_is_sorted_once() -> None:
    """Numbers far apart need a report for each, and the work does not grow with their square."""

    class Counted(int):
        compared = 0

        def __lt__(self, other: object) -> bool:
            Counted.compared += 1
            return int(self) < int(other)  # type: ignore[call-overload, no-any-return]

    receiver = TwccReceiver()
    receiver._arrivals = {Counted(number * 600): number for number in range(2_000)}
    assert len(receiver.feedback(1, 2)) == 2_000
    assert Counted.compared < 2_000 * 30
    assert receiver.feedback(1, 2) == []
