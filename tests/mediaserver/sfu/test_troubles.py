# SPDX-License-Identifier: Apache-2.0
"""What counts as black, silent, clipping and stalled, and for how long; virtual time."""

from __future__ import annotations

import pytest

from mediaserver.errors import PeerFault
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.events import SourceFlow
from mediaserver.sfu.troubles import (
    BLACK_BRIGHTEST,
    BLACK_MEAN,
    CLIPPED_SHARE,
    FLOWING_AGAIN_S,
    REPORTS_AT_ONCE,
    SILENT_PEAK,
    STALLED_AFTER_S,
    ReportLimit,
    Troubles,
    picture_trouble,
    sound_trouble,
)
from tests.mediaserver.sfu.test_silence import Meeting


@pytest.mark.parametrize(
    ("mean", "brightest", "trouble"),
    [
        (0, 0, "black"),
        (BLACK_MEAN, BLACK_BRIGHTEST, "black"),
        (BLACK_MEAN + 0.1, BLACK_BRIGHTEST, None),
        (BLACK_MEAN, BLACK_BRIGHTEST + 1, None),  # a candle in a dark room
        (255, 255, None),
    ],
)
def test_pictures(mean: float, brightest: float, trouble: str | None) -> None:
    assert picture_trouble(mean, brightest) == trouble


@pytest.mark.parametrize(
    ("peak", "share", "trouble"),
    [
        (0.0, 0.0, "silent"),
        (SILENT_PEAK, 0.0, "silent"),
        (SILENT_PEAK * 1.01, 0.0, None),
        (1.0, CLIPPED_SHARE, None),
        (1.0, CLIPPED_SHARE * 1.01, "clipping"),
    ],
)
def test_sounds(peak: float, share: float, trouble: str | None) -> None:
    assert sound_trouble(peak, share) == trouble


def flow(source: str = "mic", *, wanted: bool = True, silent_s: float = 0.0, live_s: float = 60.0) -> SourceFlow:
    return SourceFlow("a", source, wanted, silent_s, 0.0 if silent_s > 1.5 else live_s)  # type: ignore[arg-type]


class Watched:
    """One source of one peer."""

    def __init__(self, source: str = "mic") -> None:
        self.state, self.source = Troubles(), source
        self.look()

    def look(self, now_s: float = 0.0, **of: object) -> str | None:
        self.changed = self.state.look([flow(self.source, **of)], now_s, int(now_s * 1000))  # type: ignore[arg-type]
        found = self.state.current()
        return str(found[0]["trouble"]) if found else None


def test_a_stall_begins_at_its_limit_and_ends_when_packets_come_steadily() -> None:
    watched = Watched()
    assert watched.look(10.0, silent_s=STALLED_AFTER_S - 0.01) is None
    assert watched.look(10.01, silent_s=STALLED_AFTER_S) == "stalled"
    assert watched.changed
    assert watched.look(10.5, silent_s=STALLED_AFTER_S + 0.5) == "stalled"
    assert not watched.changed, "told once"
    assert watched.look(11.0, live_s=FLOWING_AGAIN_S - 0.01) == "stalled", "one packet is no promise"
    assert watched.look(11.1, live_s=FLOWING_AGAIN_S) is None
    assert watched.changed


def test_what_was_just_switched_on_gets_its_time() -> None:
    watched = Watched()
    watched.look(100.0, wanted=False, silent_s=90.0)
    assert watched.look(100.1, silent_s=90.1) is None
    assert watched.look(100.1 + STALLED_AFTER_S - 0.01, silent_s=93.0) is None
    assert watched.look(100.1 + STALLED_AFTER_S, silent_s=93.1) == "stalled"


def test_a_stall_outranks_what_was_reported_and_switching_off_ends_both() -> None:
    watched = Watched("cam")
    watched.state.report("a", "cam", "black", 0.0)
    assert watched.look(1.0) == "black"
    assert watched.look(5.0, silent_s=4.0) == "stalled"
    assert watched.look(6.0, live_s=2.0) == "black"
    assert watched.look(7.0, wanted=False) is None
    assert watched.look(8.0) is None, "measured anew when it is on again"


def test_a_source_that_ends_takes_its_alarm_along() -> None:
    watched = Watched()
    watched.state.report("a", "mic", "silent", 0.0)
    assert watched.look(1.0) == "silent"
    assert watched.state.look([], 2.0, 2000)
    assert watched.state.current() == []
    assert not watched.state.look([], 3.0, 3000)


@pytest.mark.parametrize(
    ("source", "trouble", "code"),
    [
        ("mic", "black", "bad_trouble"),
        ("cam", "silent", "bad_trouble"),
        ("screen", None, "bad_trouble"),
        ("cam", "black", "unknown_producer"),
    ],
)
def test_what_cannot_be_reported(source: str, trouble: str | None, code: str) -> None:
    with pytest.raises(PeerFault) as caught:
        Watched("mic").state.report("a", source, trouble, 0.0)
    assert caught.value.code == code


def test_reports_have_a_limit() -> None:
    limit = ReportLimit()
    for _ in range(REPORTS_AT_ONCE):
        limit.take(100.0)
    with pytest.raises(PeerFault, match="reports a second"):
        limit.take(100.9)
    limit.take(101.0)


def test_one_odd_sample_raises_and_ends_nothing() -> None:
    watched = Watched("cam")
    said: list[tuple[str | None, str | None, bool]] = [
        ("black", None, True),
        (None, None, False),
        ("black", None, True),
        ("black", "black", True),  # looked at more often while something is wrong
        (None, "black", True),
        ("black", "black", True),
        (None, "black", True),
        (None, None, False),
    ]
    for number, (sample, told, soon) in enumerate(said):
        watched.state.sample("a", "cam", sample)
        assert (watched.look(number), watched.state.unsure("a", "cam")) == (told, soon), number


def test_a_room_knows_what_comes(plane: str) -> None:
    meeting = Meeting()
    meeting.speak(1, 100)
    flows = {one.source: one for one in meeting.room.flows(meeting.now)}
    assert flows["mic"].wanted
    assert flows["mic"].silent_s == 0
    assert flows["mic"].live_s == pytest.approx(99 * 0.02)
    assert flows["cam"].silent_s == pytest.approx(2.0), "since it was published"
    later = {one.source: one for one in meeting.room.flows(meeting.now + 5)}
    assert (later["mic"].silent_s, later["mic"].live_s) == (5.0, 0.0)
    meeting.room.pause_producer(meeting.mic, True, meeting.now)
    assert [one.paused for one in meeting.room.flows(meeting.now)] == [True, False]
    meeting.room.silence_producer(meeting.cam, True, meeting.now)
    assert not any(one.wanted for one in meeting.room.flows(meeting.now))


def test_a_room_gives_a_key_frame_and_a_second_of_sound_once(plane: str) -> None:
    meeting = Meeting()
    meeting.speak(1, 39)
    meeting.show(1, 5, key_at=3)
    assert meeting.room.sample("a", "mic", 0) is None, "not a second yet"
    meeting.speak(40, 60)
    codec, last, packets = meeting.room.sample("a", "mic", 0) or ("", 0, [])
    headers = [rtp.read_header(packet) for packet in packets]
    assert (codec, [header and header.sequence_number for header in headers]) == ("opus", list(range(50, 100)))
    assert meeting.room.sample("a", "mic", last) is None
    codec, last, packets = meeting.room.sample("a", "cam", 0) or ("", 0, [])
    header = rtp.read_header(packets[0])
    assert (codec, len(packets), header and header.sequence_number) == ("vp8", 1, 3)
    assert meeting.room.sample("a", "cam", last) is None, "no newer key frame"
    assert meeting.room.sample("b", "cam", 0) is None
    meeting.room.silence_producer(meeting.cam, True, meeting.now)
    assert meeting.room.sample("a", "cam", 0) is None, "what the host muted is kept nowhere"
