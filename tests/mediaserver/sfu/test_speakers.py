# SPDX-License-Identifier: Apache-2.0
"""Who is heard and who speaks: microphones with RFC 6464 levels in virtual time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import events
from mediaserver.sfu.room import Room

LEVEL_EXTENSION = 12
PACKET_S = 0.02
SPEECH, NOISE, SILENCE = 20, 75, 127


def parameters(ssrc: int, *, levels: bool = True, red: bool = False, **opus: Any) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [
        {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2, "parameters": opus}
    ]
    if red:
        entries.append({"mimeType": "audio/red", "payloadType": 63, "clockRate": 48000, "channels": 2})
    return {
        "mid": "1",
        "codecs": entries,
        "headerExtensions": [{"uri": codecs.AUDIO_LEVEL_URI, "id": LEVEL_EXTENSION}] if levels else [],
        "encodings": [{"ssrc": ssrc}],
    }


@dataclass
class Meeting:
    """`count` peers with a microphone each, and a listener `z`; levels are set by the test."""

    count: int
    sources: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    top_audio: int = 3

    def __post_init__(self) -> None:
        ssrcs = itertools.count(5_000)
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0, top_audio=self.top_audio)
        self.now = 10.0
        self.levels = dict.fromkeys(range(self.count), SILENCE)
        self.sent = [65_500] * self.count
        self.events: list[events.Event] = []
        self.heard: dict[int, list[rtp.Header]] = {n: [] for n in range(self.count)}
        self.heard_at: dict[int, list[float]] = {n: [] for n in range(self.count)}
        self.room.join("z", "Z", "", 0)
        self.room.add_transport("z-r", "z", "recv")
        self.room.transport_up("z-r", self.now)
        self.producers = []
        for index in range(self.count):
            source, extra = self.sources.get(index, ("mic", {}))
            self.room.join(f"p{index}", f"P{index}", "", 0)
            self.room.add_transport(f"p{index}-s", f"p{index}", "send")
            offer = parameters(100 + index, **extra)
            self.producers.append(self.room.produce(f"p{index}-s", source, "audio", offer, self.now))  # type: ignore[arg-type]
            self.room.transport_up(f"p{index}-s", self.now)
        self.by_ssrc = {
            consumer["rtp_parameters"]["encodings"][0]["ssrc"]: int(consumer["peer_id"][1:])
            for consumer in self.room.consumers("z")
        }

    def run(self, seconds: float, *, talking: dict[int, int] | None = None) -> None:
        """Everybody sends a packet each 20 ms."""
        self.levels.update(talking or {})
        end = self.now + seconds
        while self.now < end:
            for index in range(self.count):
                block = rtp.build_extensions([(LEVEL_EXTENSION, bytes([0x80 | self.levels[index]]))])
                packet = rtp.build(
                    payload_type=111,
                    sequence_number=self.sent[index],
                    timestamp=self.sent[index] * 960,
                    ssrc=100 + index,
                    payload=bytes([0x78, index]),
                    extension_block=block,
                )
                self.sent[index] += 1
                self.room.receive_rtp(f"p{index}-s", packet, self.now)
            self.room.handle_timer(self.now)
            self.events += self.room.drain_events()
            for transport, data, is_rtcp in self.room.drain_packets():
                header = rtp.read_header(data)
                if transport == "z-r" and not is_rtcp and header is not None:
                    index = self.by_ssrc[header.ssrc]
                    self.heard[index].append(header)
                    self.heard_at[index].append(self.now)
            self.now += PACKET_S

    def speakers(self) -> list[str | None]:
        return [event.peer_id for event in self.events if isinstance(event, events.SpeakerChanged)]

    def forwarded_since(self, since: float) -> set[int]:
        return {index for index, times in self.heard_at.items() if times and times[-1] >= since}


def test_the_loudest_three_are_forwarded_and_the_rest_is_passed_over() -> None:
    meeting = Meeting(8)
    meeting.run(1, talking={2: SPEECH, 4: SPEECH + 5, 7: SPEECH + 10})
    since = meeting.now
    meeting.run(2)
    assert meeting.forwarded_since(since) == {2, 4, 7}
    assert sum(len(times) for times in meeting.heard_at.values()) < 8 * 3 / PACKET_S * 0.5


def test_somebody_who_begins_to_speak_is_heard_from_the_first_packet() -> None:
    meeting = Meeting(6)
    meeting.run(3, talking={0: NOISE, 1: NOISE, 2: NOISE, 3: NOISE + 20})
    assert not [at for at in meeting.heard_at[3] if at > 11]
    began = meeting.now
    meeting.run(0.1, talking={3: SPEECH})
    assert meeting.heard_at[3][-1] > began
    first = next(at for at in meeting.heard_at[3] if at >= began - 1e-9)
    assert first - began < PACKET_S / 2


def test_packets_that_were_passed_over_leave_no_gap() -> None:
    """Numbers go on by one, and times tell how long nothing was sent, as after silence (DTX)."""
    meeting = Meeting(5)
    meeting.run(2, talking={0: SPEECH, 1: SPEECH, 2: SPEECH})
    for _ in range(3):
        meeting.run(4, talking={0: SILENCE, 4: SPEECH - 5, 3: SPEECH - 5, 2: SPEECH - 5, 1: SILENCE})
        meeting.run(4, talking={0: SPEECH - 5, 4: SILENCE, 3: SILENCE, 2: SPEECH - 5, 1: SPEECH - 5})
    headers = meeting.heard[0]
    gaps = 0
    for before, after in itertools.pairwise(headers):
        assert after.sequence_number == (before.sequence_number + 1) & 0xFFFF
        step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        assert step % 960 == 0
        gaps += step > 960
    assert gaps >= 3
    spoken = (headers[-1].timestamp - headers[0].timestamp & 0xFFFFFFFF) / 48_000
    assert spoken == pytest.approx(meeting.heard_at[0][-1] - meeting.heard_at[0][0], abs=0.05)


def test_a_pause_between_sentences_takes_nobodys_place() -> None:
    meeting = Meeting(6)
    meeting.run(2, talking={0: SPEECH, 1: SPEECH, 2: SPEECH, 3: NOISE, 4: NOISE, 5: NOISE})
    since = meeting.now
    meeting.run(1, talking={0: NOISE})
    assert meeting.forwarded_since(since) == {0, 1, 2}


def test_the_recorder_gets_everybody() -> None:
    meeting = Meeting(6)
    meeting.room.record(True, meeting.now)
    meeting.run(2, talking={0: SPEECH, 1: SPEECH, 2: SPEECH})
    recorded = [event.producer_id for event in meeting.events if isinstance(event, events.RecordedPacket)]
    assert all(recorded.count(producer) == recorded.count(meeting.producers[0]) > 90 for producer in meeting.producers)


def test_music_and_the_sound_of_a_screen_are_never_left_out() -> None:
    sources = {4: ("screen_audio", {}), 5: ("mic", {"sprop-stereo": 1}), 6: ("mic", {"levels": False})}
    meeting = Meeting(8, sources)
    meeting.run(2, talking={0: SPEECH, 1: SPEECH, 2: SPEECH, 3: SPEECH + 3})
    since = meeting.now
    meeting.run(1)
    assert {4, 5, 6} <= meeting.forwarded_since(since)
    stereo = next(c for c in meeting.room.consumers("z") if c["peer_id"] == "p5")["rtp_parameters"]["codecs"][0]
    assert stereo["parameters"]["sprop-stereo"] == 1


def test_a_place_becomes_free_when_a_microphone_ends() -> None:
    meeting = Meeting(4)
    meeting.run(1, talking={0: SPEECH, 1: SPEECH, 2: SPEECH, 3: NOISE})
    meeting.room.close_producer(meeting.producers[1], meeting.now)
    since = meeting.now
    meeting.run(0.2)
    assert meeting.forwarded_since(since) == {0, 2, 3}


def test_speaking_is_told_and_a_cough_is_not() -> None:
    meeting = Meeting(4)
    meeting.run(3, talking={0: SPEECH, 1: NOISE, 2: NOISE})
    assert meeting.speakers() == ["p0"]
    meeting.run(0.1, talking={1: 3})
    meeting.run(2, talking={1: NOISE})
    assert meeting.speakers() == ["p0"]
    meeting.run(1.5, talking={1: SPEECH - 2})
    assert meeting.speakers() == ["p0"], "who speaks at the same time is not yet the speaker"
    meeting.run(3, talking={0: NOISE})
    assert meeting.speakers() == ["p0", "p1"]
    meeting.run(0.5, talking={1: NOISE})
    meeting.run(1, talking={1: SPEECH})
    assert meeting.speakers() == ["p0", "p1"], "a pause for breath changes nothing"
    meeting.run(4, talking={1: NOISE})
    assert meeting.speakers() == ["p0", "p1", None]
    assert meeting.room.stats(meeting.now)["speaker"] is None


def test_somebody_louder_takes_over_only_when_that_lasts() -> None:
    meeting = Meeting(3)
    meeting.run(3, talking={0: 32, 1: NOISE, 2: NOISE})
    meeting.run(0.6, talking={1: 10})
    assert meeting.speakers() == ["p0"]
    meeting.run(3)
    assert meeting.speakers() == ["p0", "p1"]


def red(primary: bytes, copies: list[bytes]) -> bytes:
    """An RFC 2198 payload of Opus (payload type 111)."""
    heads = b"".join(
        bytes([0x80 | 111]) + ((960 * (len(copies) - n)) << 10 | len(copy)).to_bytes(3) for n, copy in enumerate(copies)
    )
    return heads + bytes([111]) + b"".join(copies) + primary


def test_red_is_passed_through_and_undone_for_those_who_do_not_know_it() -> None:
    ssrcs = itertools.count(1)
    room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)
    for peer, knows in (("a", False), ("b", True), ("c", False)):
        room.join(peer, peer, "", 0)
        room.add_transport(f"{peer}-r", peer, "recv", receives_red=knows)
        room.transport_up(f"{peer}-r", 0)
    room.add_transport("a-s", "a", "send")
    room.transport_up("a-s", 0)
    room.produce("a-s", "mic", "audio", parameters(7, red=True, usedtx=1), 0)
    room.record(True, 0)
    (knowing,), (plain,) = room.consumers("b"), room.consumers("c")
    assert [entry["mimeType"] for entry in knowing["rtp_parameters"]["codecs"]] == ["audio/red", "audio/opus"]
    assert [entry["mimeType"] for entry in plain["rtp_parameters"]["codecs"]] == ["audio/opus"]
    payload = red(b"new sound", [b"old", b"older"])
    for number, (payload_type, body) in enumerate([(63, payload), (111, b"bare"), (63, payload), (63, b"\xef")]):
        packet = rtp.build(
            payload_type=payload_type, sequence_number=number, timestamp=960 * number, ssrc=7, payload=body
        )
        room.receive_rtp("a-s", packet, number / 50)
    got: dict[str, list[tuple[int, bytes]]] = {"b-r": [], "c-r": []}
    for transport, data, is_rtcp in room.drain_packets():
        header = rtp.read_header(data)
        assert header is not None
        if not is_rtcp:
            got[transport].append((header.payload_type, bytes(data[header.payload_offset :])))
    assert got["b-r"] == [(codecs.RED_PAYLOAD_TYPE, payload), (100, b"bare"), (codecs.RED_PAYLOAD_TYPE, payload)]
    assert got["c-r"] == [(100, b"new sound"), (100, b"bare"), (100, b"new sound")]
    recorded = [e.packet for e in room.drain_events() if isinstance(e, events.RecordedPacket)]
    headers = [rtp.read_header(packet) for packet in recorded]
    assert [packet[h.payload_offset :] for packet, h in zip(recorded, headers, strict=True) if h] == [
        b"new sound",
        b"bare",
        b"new sound",
    ]
    assert {h.payload_type for h in headers if h} == {111}
    room.receive_rtcp(
        "c-r", rtcp.build_nack(1, plain["rtp_parameters"]["encodings"][0]["ssrc"], [first_number(room)]), 1
    )
    ((_, again, _),) = room.drain_packets()
    header = rtp.read_header(again)
    assert header is not None
    assert bytes(again[header.payload_offset :]) == b"new sound"
    assert room.stats(1)["dropped"] == {"a-s": {"red": 1}}


def first_number(room: Room) -> int:
    (downlink,) = room._ports["c-r"].downlinks.values()
    return downlink.first_sequence
