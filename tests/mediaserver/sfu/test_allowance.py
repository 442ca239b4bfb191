# SPDX-License-Identifier: Apache-2.0
"""What one stream and one peer may send, at the edges of the limits, in both planes; and whom a flood reaches."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import allowance
from mediaserver.sfu.allowance import BURST_S, PEER, STREAM, Allowance, Rate
from mediaserver.sfu.room import Room
from mediaserver.shell.figures import Figures
from tests.sim.call import Call, audio_parameters, video_parameters
from tests.sim.network import Link

SOUND, PICTURES = STREAM["audio"], STREAM["video"]
pytestmark = pytest.mark.usefixtures("plane")


def taken(bucket: allowance.Bucket, count: int, size_bytes: int, now: float) -> int:
    return sum(bucket.take(size_bytes, now) for _ in range(count))


@pytest.mark.parametrize("rate", [SOUND, PICTURES, PEER])
def test_the_edge_of_packets(rate: Rate) -> None:
    bucket, full = allowance.make(rate), rate.packets_per_s * BURST_S
    assert taken(bucket, full, 12, 100.0) == full
    assert taken(bucket, 5, 12, 100.0) == 0
    assert bucket.refused == 5
    assert taken(bucket, rate.packets_per_s, 12, 100.5) == rate.packets_per_s // 2
    assert taken(bucket, 2 * full, 12, 1_000.0) == full, "no more than a full bucket, however long nothing came"


@pytest.mark.parametrize("rate", [SOUND, PICTURES, PEER])
def test_the_edge_of_bits(rate: Rate) -> None:
    bucket, full_bytes = allowance.make(rate), rate.bits_per_s * BURST_S // 8
    assert bucket.take(full_bytes, 100.0)
    assert not bucket.take(1, 100.0)
    assert not bucket.take(full_bytes // 4 + 1, 100.5)
    assert bucket.take(full_bytes // 4, 100.5), "what was refused was not paid for"


def test_a_clock_that_goes_back_fills_nothing() -> None:
    bucket = allowance.make(SOUND)
    assert bucket.take(SOUND.bits_per_s * BURST_S // 8, 100.0)
    for now in (50.0, 100.0, 60.0):
        assert not bucket.take(1, now)
    assert bucket.take(1, 100.1)


def test_both_planes_refuse_the_same(compiled: Any) -> None:
    allowance.use(compiled)
    chance, rate, now = random.Random(5), Rate(97, 200_003), 1.0
    ours, theirs = Allowance(rate.packets_per_s, rate.bits_per_s), allowance.make(rate)
    assert type(theirs) is not Allowance
    for _ in range(5_000):
        now += chance.choice((0.0, 0.001, chance.random() * 0.02, -0.003, 0.5 if chance.random() < 0.01 else 0.0))
        size_bytes = chance.randrange(12, 1_500)
        assert ours.take(size_bytes, now) == theirs.take(size_bytes, now)
    assert ours.refused == theirs.refused > 100


@pytest.mark.parametrize(
    ("kind", "packets_per_s", "size_bytes", "held_s"),
    [
        ("audio", 50, 1_275, 0),  # Opus at its most
        ("audio", 50, 1_050, 0),  # music of 200 kbit/s with its RED
        ("audio", 100, 200, 0),  # frames of 10 ms
        ("audio", 50, 160, 7),  # a link that let go of all that it had held
        ("video", 260, 1_200, 0),  # the screen, 2.5 Mbit/s
        ("video", 260, 1_200, 9),
        ("video", 1_250, 1_200, 1),  # an encoder's 12 Mbit/s
    ],
)
def test_what_browsers_and_encoders_send_passes(kind: str, packets_per_s: int, size_bytes: int, held_s: int) -> None:
    bucket = allowance.make(STREAM[kind])
    assert taken(bucket, packets_per_s * held_s, size_bytes, 100.0) == packets_per_s * held_s
    count = packets_per_s * 3
    assert sum(bucket.take(size_bytes, 101.0 + number / packets_per_s) for number in range(count)) == count


def test_a_shared_screens_key_frame_passes() -> None:
    """Text in 4K: a key frame of 2 MB at once, while the stream goes on."""
    bucket = allowance.make(PICTURES)
    assert taken(bucket, 1_700, 1_200, 100.0) == 1_700
    assert sum(bucket.take(1_200, 100.0 + number / 260) for number in range(780)) == 780


# In a room


def flood(number: int, ssrc: int = 3333, size_bytes: int = 900, payload_type: int = 111) -> bytearray:
    block = rtp.build_extensions([(4, b"1"), (3, (number & 0xFFFF).to_bytes(2))])
    return rtp.build(
        payload_type=payload_type, sequence_number=number & 0xFFFF, timestamp=number * 960, ssrc=ssrc,
        payload=bytes(size_bytes), extension_block=block,
    )  # fmt: skip


@pytest.fixture
def call() -> Call:
    """`a` shows `b` its camera over a link of 3 Mbit/s; `m` has a microphone, and means no good."""
    made = Call(Link(1), Link(2, rate_bps=3_000_000))
    made.others_payload_type = codecs.OPUS.payload_type
    made.room.join("m", "M", "", made.now)
    made.room.add_transport("m-send", "m", "send")
    made.room.produce("m-send", "mic", "audio", audio_parameters(), made.now)
    made.room.transport_up("m-send", made.now)
    made.room.transport_up("b-recv", made.now)
    made.run(1)
    return made


def test_a_flood_of_sound_leaves_the_pictures_to_the_same_receiver_alone(call: Call) -> None:
    """2,000 packets of 900 bytes a second, 14 Mbit/s, without an end."""
    given, before = 0, call.room.stats(call.now)["producers"][0]
    for step in range(40):
        if step == 20:  # its bucket is empty by now, and the link has recovered from what was in it
            seen, began = len(call.received), call.now
        for _ in range(200):
            call.room.receive_rtp("m-send", flood(given), call.now)
            given += 1
        call.run(0.1)
    assert len(call.received) - seen >= 0.95 * 75 * (call.now - began), "25 pictures of three packets in a second"
    stats = call.room.stats(call.now)
    camera, sound = stats["producers"]
    assert (camera["over_rate"], camera["lost"]) == (0, before["lost"])
    assert sound["packets"] + sound["over_rate"] + sound["strays"] == given
    most = SOUND.bits_per_s / 8 * (BURST_S + 4.1) / 900
    assert 0.8 * most < sound["packets"] <= most
    assert stats["over_rate"] == {"m": sound["over_rate"]} and stats["dropped"] == {
        "m-send": {"over_rate": sound["over_rate"]}
    }


def test_metrics_tell_who_floods(call: Call) -> None:
    for number in range(500):
        call.room.receive_rtp("m-send", flood(number, size_bytes=10), call.now)
    figures, peers = Figures(0), [{"peer_id": name, "state": "connected"} for name in ("a", "m")]
    moderation = {"locked": False, "knocking_count": 0, "hands": []}
    figures.room(
        {"room": "r", "moderation": moderation, "peers": peers, "recording": {"state": "off"}},
        call.room.stats(call.now),
    )
    over = 500 - SOUND.packets_per_s * BURST_S
    found = {family.name.removeprefix("videohome_media_"): family.samples for family in figures.collect()}
    assert {s.labels["peer"]: s.value for s in found["peer_over_rate"]} == {"a": 0, "m": over}
    assert sorted(sample.value for sample in found["uplink_over_rate"]) == [0, over]


def test_what_was_refused_is_reported_as_lost(call: Call) -> None:
    for number in range(SOUND.packets_per_s * BURST_S + 100):
        call.room.receive_rtp("m-send", flood(number, size_bytes=10), call.now)
    assert max(call.room._ports["m-send"].twcc.pending) == SOUND.packets_per_s * BURST_S - 1


def test_a_peer_has_a_limit_for_all_that_it_sends() -> None:
    """Its streams, what belongs to no stream, what is no packet, and RTCP, by whichever of its transports it comes."""
    room = Room("r", new_ssrc=iter(range(900_001, 999_999, 7)).__next__, wallclock_offset_s=0.0)
    room.join("m", "M", "", 1.0)
    for direction in ("send", "recv"):
        room.add_transport(f"m-{direction}", "m", direction)  # type: ignore[arg-type]
        room.transport_up(f"m-{direction}", 1.0)
    room.produce("m-send", "cam", "video", video_parameters(), 1.0)
    each = PEER.packets_per_s * BURST_S // 4
    for number in range(each):
        room.receive_rtp("m-send", flood(number, 50_000, 20), 1.0)
        room.receive_rtp("m-recv", flood(number, 1111, 20, 96), 1.0)
        room.receive_rtp("m-send", b"\x80", 1.0)
        room.receive_rtcp("m-recv", bytes(8), 1.0)
    dropped = room.stats(1.0)["dropped"]
    assert dropped["m-send"] == {"unknown_ssrc": each, "malformed": each}
    assert dropped["m-recv"] == {"unknown_ssrc": each, "malformed_rtcp": each}
    for transport in ("m-send", "m-recv"):
        room.receive_rtp(transport, flood(1, 1111, 20, 96), 1.0)
        room.receive_rtcp(transport, bytes(8), 1.0)
    stats = room.stats(1.0)
    assert stats["over_rate"] == {"m": 4} and stats["producers"][0]["packets"] == 0
    assert room.malformed_rtcp == each
    room.receive_rtp("m-send", flood(2, 1111, 20, 96), 2.0)
    assert room.stats(2.0)["producers"][0]["packets"] == 1, "a second later it may send again"


def test_retransmissions_count_with_their_stream(call: Call) -> None:
    for number in range(PICTURES.packets_per_s * BURST_S + 10):
        again = rtp.build(payload_type=97, sequence_number=number, timestamp=1, ssrc=2222, payload=b"")
        call.room.receive_rtp("a-send", again, call.now)
    (camera, _) = call.room.stats(call.now)["producers"]
    assert camera["over_rate"] == 10 and camera["rtx_empty"] == PICTURES.packets_per_s * BURST_S
