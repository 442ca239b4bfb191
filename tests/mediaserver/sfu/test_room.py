# SPDX-License-Identifier: Apache-2.0
"""A room in virtual time: what is lost is repaired, what is late still comes, and a newcomer gets a picture."""

from __future__ import annotations

import itertools
import random

import pytest

from mediaserver.errors import PeerFault
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import events
from mediaserver.sfu.room import Room
from tests.sim.call import Call, audio_parameters, video_parameters, vp8_payload
from tests.sim.network import Link

pytestmark = pytest.mark.usefixtures("plane")


def make_room() -> Room:
    ssrcs = itertools.count(1000)
    return Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)


def packet(ssrc: int, sequence: int, payload: bytes, *, payload_type: int = 96, extension_block: bytes = b"") -> bytes:
    return bytes(
        rtp.build(
            payload_type=payload_type,
            sequence_number=sequence,
            timestamp=sequence * 3000,
            ssrc=ssrc,
            payload=payload,
            extension_block=extension_block,
        )
    )


@pytest.mark.parametrize(
    ("loss", "jitter_s", "duplicate"), [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0), (0.1, 0.03, 0.05), (0.2, 0.01, 0.0)]
)
def test_loss_on_both_legs_is_repaired(loss: float, jitter_s: float, duplicate: float) -> None:
    """Every packet that the camera sent reaches the receiver once, in unbroken numbers, through wrap-around."""
    call = Call(
        Link(1, loss=loss, jitter_s=jitter_s, duplicate=duplicate),
        Link(2, loss=loss, jitter_s=jitter_s, duplicate=duplicate),
    )
    call.room.transport_up("b-recv", call.now)
    call.run(12)
    call.run(2, frames_every_s=0)
    numbers = sorted((n - min(call.received_at, key=call.received_at.__getitem__)) & 0xFFFF for n in call.received)
    missing = (numbers[-1] + 1) - len(numbers)
    # A repair itself can be lost ten times over only at 20 %: what stays missing is stated, not hidden.
    assert missing <= (0 if loss <= 0.1 else 3)
    assert len(numbers) >= 880 if loss < 0.2 else len(numbers) > 800
    payloads = {payload for payload in call.received_payload.values()}
    assert payloads <= set(call.sent.values())


def test_a_newcomer_gets_a_key_frame_only_after_its_transport_is_up() -> None:
    call = Call(Link(3), Link(4))
    call.run(2)
    assert not call.received
    up_at = call.now
    call.room.transport_up("b-recv", call.now)
    call.run(1)
    assert call.first_key_at is not None
    assert call.first_key_at - up_at < 0.2
    asked = call.keyframe_requests
    call.run(3)
    assert call.keyframe_requests == asked, "no more is asked once a key frame was forwarded"


def test_a_request_that_the_camera_ignores_is_repeated() -> None:
    call = Call(Link(5), Link(6))
    call.run(0.5)
    call.pli_at.append(call.now)  # the camera has just answered another request and ignores the next 300 ms
    call.room.transport_up("b-recv", call.now)
    call.run(1)
    assert call.first_key_at is not None


def test_feedback_tells_exactly_what_arrived() -> None:
    call = Call(Link(7, loss=0.1, jitter_s=0.02), Link(8))
    arrived = []
    original = call.room.receive_rtp

    def spy(transport_id: str, data: bytes | bytearray, now: float) -> None:
        header = rtp.read_header(data)
        assert header is not None
        arrived.extend(
            int.from_bytes(data[at : at + 2]) for number, at, _ in rtp.extensions(data, header) if number == 3
        )
        original(transport_id, data, now)

    call.room.receive_rtp = spy  # type: ignore[method-assign]
    call.run(5)
    call.run(0.5, frames_every_s=0)
    told = [number for data in call.feedback for number, _ in read_feedback(data)]
    assert sorted(told) == sorted(set(arrived))


def read_feedback(data: bytes) -> list[tuple[int, int]]:
    """(sequence number, tick of 250 us) of the received packets: an independent reading of the draft's section 3.1."""
    base, count = int.from_bytes(data[12:14]), int.from_bytes(data[14:16])
    tick = int.from_bytes(data[16:19]) * 256
    at, symbols = 20, []
    while len(symbols) < count:
        word = int.from_bytes(data[at : at + 2])
        at += 2
        if word >> 15 == 0:
            symbols += [word >> 13 & 3] * (word & 0x1FFF)
        elif word >> 14 == 2:
            symbols += [word >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [word >> bit & 3 for bit in range(12, -1, -2)]
    found = []
    for index, symbol in enumerate(symbols[:count]):
        if symbol:
            size = 1 if symbol == 1 else 2
            tick += int.from_bytes(data[at : at + size], signed=size == 2)
            at += size
            found.append((base + index & 0xFFFF, tick))
    return found


def test_streams_without_ssrc_are_found_by_mid_and_rid() -> None:
    room = make_room()
    room.join("a", "A", "", 0)
    room.add_transport("s", "a", "send")
    parameters = video_parameters(rid="r0")
    room.produce("s", "cam", "video", parameters, 0)
    room.transport_up("s", 0)
    room.record(True, 0)
    named = rtp.build_extensions([(4, b"0"), (10, b"r0")])
    room.receive_rtp("s", packet(77, 1, vp8_payload(1, key=True), extension_block=named), 0.1)
    room.receive_rtp("s", packet(77, 2, vp8_payload(1, key=False)), 0.1)
    room.receive_rtp("s", packet(78, 2, vp8_payload(1, key=False)), 0.1)
    kinds = [type(event) for event in room.drain_events()]
    assert kinds == [events.RecordedTrackOpened, events.RecordedPacket, events.RecordedPacket]
    assert room.stats(0)["dropped"] == {"s": {"unknown_ssrc": 1}}


def test_recording_gets_every_packet_once_with_the_publishers_numbers() -> None:
    call = Call(Link(9, loss=0.08, duplicate=0.1), Link(10))
    call.room.record(True, call.now)
    call.run(6)
    call.run(1, frames_every_s=0)
    opened = [e for e in call.events if isinstance(e, events.RecordedTrackOpened)]
    assert [o.facts.ssrc for o in opened] == [1111]
    numbers = []
    for event in call.events:
        if isinstance(event, events.RecordedPacket):
            header = rtp.read_header(event.packet)
            assert header is not None
            assert header.ssrc == 1111
            numbers.append(header.sequence_number)
            assert event.packet[header.payload_offset : header.payload_end] == call.sent[header.sequence_number]
    assert len(numbers) == len(set(numbers)) == len(call.sent)
    call.room.record(False, call.now)
    assert isinstance(call.room.drain_events()[-1], events.RecordedTrackClosed)
    call.run(1)
    assert not any(isinstance(e, events.RecordedPacket) for e in call.room.drain_events())


def test_random_bytes_never_raise_and_memory_stays_bounded() -> None:
    room = make_room()
    room.join("a", "A", "", 0)
    room.add_transport("s", "a", "send")
    room.produce("s", "cam", "video", video_parameters(), 0)
    room.transport_up("s", 0)
    source = random.Random(11)
    for index in range(20_000):
        data = bytearray(source.randbytes(source.randrange(0, 60)))
        if len(data) > 12 and index % 2:
            data[0] = data[0] & 0x3F | 0x80
            data[8:12] = (1111).to_bytes(4)
        room.receive_rtp("s", data, index / 1000)
        room.receive_rtcp("s", bytes(data), index / 1000)
        if index % 100 == 0:
            room.handle_timer(index / 1000)
            room.drain_packets()
            room.drain_events()
    assert len(room._ports["s"].by_ssrc) <= 32
    assert sum(room.stats(0)["dropped"]["s"].values()) > 0


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("unknown_transport", lambda r: r.produce("x", "cam", "video", video_parameters(), 0)),
        ("wrong_direction", lambda r: r.produce("recv", "cam", "video", video_parameters(), 0)),
        ("bad_source", lambda r: r.produce("send", "cam", "audio", audio_parameters(), 0)),
        ("bad_source", lambda r: r.produce("send", "roof", "video", video_parameters(), 0)),
        ("bad_rtp_parameters", lambda r: r.produce("send", "cam", "video", {}, 0)),
        ("bad_rtp_parameters", lambda r: r.produce("send", "cam", "video", video_parameters(ssrc="x"), 0)),
        ("unsupported_codec", lambda r: r.produce("send", "cam", "video", audio_parameters(), 0)),
        ("unknown_producer", lambda r: r.close_producer("x", 0)),
        ("unknown_peer", lambda r: r.add_transport("y", "nobody", "send")),
        ("transport_exists", lambda r: r.add_transport("send", "a", "send")),
    ],
)
def test_wrong_requests_are_refused_with_a_code(code: str, act: object) -> None:
    room = make_room()
    room.join("a", "A", "", 0)
    room.add_transport("send", "a", "send")
    room.add_transport("recv", "a", "recv")
    assert callable(act)
    with pytest.raises(PeerFault) as fault:
        act(room)
    assert fault.value.code == code


def test_joining_leaving_and_muting_are_told() -> None:
    room = make_room()
    for peer in ("a", "b"):
        room.join(peer, peer.upper(), "", 0)
        room.add_transport(f"{peer}-s", peer, "send")
        room.add_transport(f"{peer}-r", peer, "recv")
    producer = room.produce("a-s", "mic", "audio", audio_parameters(), 0)
    (added,) = room.drain_events()
    assert isinstance(added, events.ConsumerAdded)
    assert added.peer_id == "b"
    assert added.consumer == room.consumers("b")[0]
    assert added.consumer["rtp_parameters"]["codecs"][0]["channels"] == 2
    room.pause_producer(producer, True, 0)
    assert room.drain_events() == [events.ConsumerPaused("b", added.consumer["id"], True)]
    again = room.produce("a-s", "mic", "audio", audio_parameters(ssrc=4444), 0)
    assert [type(e) for e in room.drain_events()] == [events.ConsumerClosed, events.ConsumerAdded]
    assert [p.producer_id for p in room.producers()] == [again]
    room.leave("a", 0)
    assert [type(e) for e in room.drain_events()] == [events.ConsumerClosed]
    assert room.producers() == room.consumers("b") == []
    room.leave("b", 0)
    room.handle_timer(10)
    assert room.next_deadline() is None
