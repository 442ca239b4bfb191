# SPDX-License-Identifier: Apache-2.0
"""A room at rest, for a private talk is held beside it: nothing that is published in it comes out, at any moment."""

from __future__ import annotations

import itertools

import pytest

from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.events import ConsumerAdded, RecordedPacket, RecordedTrackOpened, SpeakerChanged
from tests.mediaserver.sfu.test_silence import Meeting
from tests.sim.call import IDS, audio_parameters, video_parameters


def test_a_room_at_rest_forwards_and_records_nothing_and_wakes_up_whole() -> None:
    meeting = Meeting()
    meeting.room.record(True, meeting.now)
    before = meeting.speak(100, 10)
    meeting.show(100, 5, key_at=100)
    meeting.room.drain_events()
    meeting.room.rest(True, meeting.now)
    assert meeting.speak(110, 50) == [] and meeting.show(105, 50, key_at=110) == []
    recorded = [e for e in meeting.room.drain_events() if isinstance(e, RecordedPacket | RecordedTrackOpened)]
    assert recorded == []
    meeting.room.rest(False, meeting.now)
    after = meeting.speak(160, 10)
    numbers = [header.sequence_number for header in (*before, *after)]
    assert len(after) == 10 and [(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)] == [1] * 19
    assert len(meeting.show(155, 3, key_at=155)) == 3


def test_who_begins_to_publish_in_a_resting_room_is_not_heard_either() -> None:
    meeting = Meeting()
    meeting.room.rest(True, meeting.now)
    meeting.mic = meeting.room.produce("a-send", "mic", "audio", audio_parameters(), meeting.now)
    meeting.cam = meeting.room.produce("a-send", "cam", "video", video_parameters(), meeting.now)
    added = [e.consumer["paused"] for e in meeting.room.drain_events() if isinstance(e, ConsumerAdded)]
    assert added == [True, True], "its receivers are told that nothing comes"
    assert meeting.speak(100, 20) == [] and meeting.show(100, 20, key_at=100) == []


def test_who_comes_in_while_it_rests_receives_nothing() -> None:
    meeting = Meeting()
    meeting.speak(100, 10)
    meeting.show(100, 5, key_at=100)
    meeting.room.rest(True, meeting.now)
    meeting.room.join("c", "c", "", meeting.now)
    meeting.room.add_transport("c-recv", "c", "recv", now=meeting.now)
    meeting.room.transport_up("c-recv", meeting.now)
    assert meeting.received() == [], "nothing is at hand from before"
    assert meeting.speak(110, 20) == [] and meeting.show(105, 20, key_at=106) == []


def test_neither_a_repair_nor_a_sample_tells_what_came_while_it_rested() -> None:
    meeting = Meeting()
    before = meeting.speak(100, 60)
    meeting.room.rest(True, meeting.now)
    meeting.speak(160, 60)
    assert meeting.room.sample("a", "mic", 0) is None
    asked = [(before[-1].sequence_number + n) & 0xFFFF for n in range(-3, 60)]
    meeting.room.receive_rtcp("b-recv", rtcp.build_nack(1, before[0].ssrc, asked), meeting.now)
    assert meeting.received() == []
    meeting.room.rest(False, meeting.now)
    meeting.speak(220, 1)
    meeting.room.receive_rtcp("b-recv", rtcp.build_nack(1, before[0].ssrc, asked), meeting.now)
    assert len(meeting.received()) <= 1, "of the time since it woke up alone"


@pytest.mark.parametrize("unmutes_while_resting", [True, False])
def test_who_was_muted_stays_so_and_cannot_be_unmuted_into_a_resting_room(unmutes_while_resting: bool) -> None:
    meeting = Meeting()
    meeting.room.silence_producer(meeting.mic, True, meeting.now)
    meeting.room.rest(True, meeting.now)
    if unmutes_while_resting:
        meeting.room.silence_producer(meeting.mic, False, meeting.now)
    assert meeting.speak(100, 10) == []
    meeting.room.rest(False, meeting.now)
    assert len(meeting.speak(110, 10)) == (10 if unmutes_while_resting else 0)


@pytest.mark.parametrize("resting", [True, False])
def test_nobody_speaks_in_a_resting_room(resting: bool) -> None:
    meeting = Meeting()
    meeting.room.rest(resting, meeting.now)
    meeting.room.drain_events()
    for number in range(100, 300):
        meeting.now += 0.02
        level = rtp.build_extensions([(IDS[codecs.AUDIO_LEVEL_URI], bytes([0x80 | 10]))])
        loud = rtp.build(
            payload_type=111,
            sequence_number=number,
            timestamp=number * 960,
            ssrc=3333,
            payload=b"xx",
            extension_block=level,
        )
        meeting.room.receive_rtp("a-send", loud, meeting.now)
        meeting.room.handle_timer(meeting.now)
    told = {e.peer_id for e in meeting.room.drain_events() if isinstance(e, SpeakerChanged)}
    assert told == (set() if resting else {"a"})
