# SPDX-License-Identifier: Apache-2.0
"""A source that the host muted: nothing of it comes out, and nothing of that time can be asked for afterwards."""

from __future__ import annotations

import itertools

from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.sfu.events import ConsumerPaused, RecordedPacket, RecordedTrackClosed, RecordedTrackOpened
from mediaserver.sfu.room import Room
from tests.sim.call import audio_parameters, video_parameters, vp8_payload


class Meeting:
    """`a` speaks and shows, `b` receives; virtual time."""

    def __init__(self) -> None:
        ssrcs = itertools.count(900_001, 7919)
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)
        self.now = 10.0
        for peer in "ab":
            self.room.join(peer, peer, "", self.now)
        self.room.add_transport("a-send", "a", "send")
        self.room.add_transport("b-recv", "b", "recv")
        self.mic = self.room.produce("a-send", "mic", "audio", audio_parameters(), self.now)
        self.cam = self.room.produce("a-send", "cam", "video", video_parameters(), self.now)
        self.room.transport_up("a-send", self.now)
        self.room.transport_up("b-recv", self.now)
        self.room.drain_packets()
        self.room.drain_events()

    def speak(self, first: int, count: int) -> list[rtp.Header]:
        """Packets of the microphone; what `b` gets of them."""
        return self._send(first, count, 111, 3333, lambda n: b"xx")

    def show(self, first: int, count: int, *, key_at: int | None = None) -> list[rtp.Header]:
        """Pictures of one packet each."""
        return self._send(first, count, 96, 1111, lambda n: vp8_payload(n, key=n == key_at))

    def _send(self, first: int, count: int, payload_type: int, ssrc: int, payload: object) -> list[rtp.Header]:
        for number in range(first, first + count):
            self.now += 0.02
            packet = rtp.build(
                payload_type=payload_type,
                sequence_number=number & 0xFFFF,
                timestamp=number * 960,
                ssrc=ssrc,
                payload=payload(number),  # type: ignore[operator]
                marker=True,
            )
            self.room.receive_rtp("a-send", packet, self.now)
        return self.received()

    def received(self) -> list[rtp.Header]:
        headers = [rtp.read_header(data) for port, data, is_rtcp in self.room.drain_packets() if not is_rtcp]
        return [header for header in headers if header is not None]


def test_nothing_is_forwarded_and_the_numbers_go_on_without_a_hole() -> None:
    meeting = Meeting()
    before = meeting.speak(65_530, 10)
    assert len(before) == 10
    meeting.room.silence_producer(meeting.mic, True, meeting.now)
    assert meeting.speak(65_540, 50) == []
    meeting.room.silence_producer(meeting.mic, False, meeting.now)
    after = meeting.speak(65_590, 10)
    assert len(after) == 10
    numbers = [header.sequence_number for header in (*before, *after)]
    assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)] == [1] * 19
    assert {header.ssrc for header in after} == {before[0].ssrc}


def test_what_was_said_while_muted_cannot_be_asked_for() -> None:
    meeting = Meeting()
    before = meeting.show(100, 10, key_at=100)
    meeting.room.silence_producer(meeting.cam, True, meeting.now)
    meeting.show(110, 10, key_at=110)
    meeting.room.silence_producer(meeting.cam, False, meeting.now)
    after = meeting.show(120, 10, key_at=122)
    assert len(after) == 8, "a picture begins with a key frame"
    wanted = [(before[0].sequence_number + n) & 0xFFFF for n in range(60)]
    sent_late = {header.timestamp for header in after}
    meeting.room.receive_rtcp("b-recv", rtcp.build_nack(1, before[0].ssrc, wanted), meeting.now)
    again = {header.timestamp for header in meeting.received()}
    assert again <= sent_late, "neither what was muted nor what came before it"
    assert again, "what came after it is repaired as always"


def test_pages_are_told_of_the_change_once() -> None:
    meeting = Meeting()
    room = meeting.room
    paused = lambda: [e.paused for e in room.drain_events() if isinstance(e, ConsumerPaused)]  # noqa: E731
    room.silence_producer(meeting.mic, True, meeting.now)
    room.silence_producer(meeting.mic, True, meeting.now)
    assert paused() == [True]
    assert [c["paused"] for c in room.consumers("b") if c["producer_id"] == meeting.mic] == [True]
    room.pause_producer(meeting.mic, True, meeting.now)  # the page switches off what is muted anyway
    room.pause_producer(meeting.mic, False, meeting.now)  # switching on alone lifts no mute
    assert paused() == []
    assert meeting.speak(1, 5) == []
    room.silence_producer(meeting.mic, False, meeting.now)
    assert paused() == [False]


def test_the_record_holds_nothing_of_it_and_begins_a_new_epoch_afterwards() -> None:
    meeting = Meeting()
    meeting.room.record(True, meeting.now)
    meeting.speak(1, 5)
    assert [type(e) for e in meeting.room.drain_events()] == [RecordedTrackOpened, *[RecordedPacket] * 5]
    meeting.room.silence_producer(meeting.mic, True, meeting.now)
    meeting.speak(6, 5)
    events = [e for e in meeting.room.drain_events() if not isinstance(e, ConsumerPaused)]
    assert events == [RecordedTrackClosed(meeting.mic)]
    meeting.room.silence_producer(meeting.mic, False, meeting.now)
    meeting.speak(11, 5)
    events = [e for e in meeting.room.drain_events() if not isinstance(e, ConsumerPaused)]
    assert [type(e) for e in events] == [RecordedTrackOpened, *[RecordedPacket] * 5]


def test_a_muted_camera_is_not_asked_for_key_frames() -> None:
    meeting = Meeting()
    meeting.show(1, 3, key_at=1)
    meeting.room.silence_producer(meeting.cam, True, meeting.now)
    meeting.room.record(True, meeting.now)  # would want one
    meeting.show(4, 100)
    meeting.room.drain_packets()
    asked = 0
    for _ in range(200):
        meeting.now += 0.01
        meeting.room.handle_timer(meeting.now)
        for port, data, is_rtcp in meeting.room.drain_packets():
            if is_rtcp and port == "a-send":
                asked += sum(isinstance(report, rtcp.KeyframeRequest) for report in rtcp.parse(data)[0])
    assert asked == 0
    meeting.room.silence_producer(meeting.cam, False, meeting.now)
    meeting.now += 0.01
    meeting.room.handle_timer(meeting.now)
    reports = [r for p, data, c in meeting.room.drain_packets() if c and p == "a-send" for r in rtcp.parse(data)[0]]
    assert any(isinstance(report, rtcp.KeyframeRequest) for report in reports)


def test_the_publisher_is_told_of_no_loss_while_muted() -> None:
    meeting = Meeting()
    meeting.speak(1, 5)
    meeting.room.silence_producer(meeting.mic, True, meeting.now)
    meeting.speak(6, 100)
    stats = next(p for p in meeting.room.stats(meeting.now)["producers"] if p["producer_id"] == meeting.mic)
    assert (stats["lost"], stats["packets"]) == (0, 105)
