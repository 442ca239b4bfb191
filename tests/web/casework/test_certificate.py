# SPDX-License-Identifier: Apache-2.0
"""The certificate says exactly what the manifest's gaps say: what, when, whose, why, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from storage.manifest import Clock, Epoch, Event, Gap, Manifest, Peer, Seal, Segment, Track
from web.casework.certificate import Length, Moment, Sentence, Term, Word, merged, session_certificate
from web.documents.certificate import lines
from web.words import Words

ORIGIN_UTC_MS = 1_795_510_800_000
DIGEST = "ab" * 32


def track(track_id: str) -> Track:
    peer_id, _, source = track_id.rpartition("-")
    segment = Segment("k", 0, 0, 60_000, 1, 0, "0" * 64, "0" * 64, "0" * 64, (), 1, 0)
    kind = "audio" if source == "mic" else "video"
    epoch = Epoch(1, "opus", 48_000, 0, 0, 60_000, Clock(), (segment,))
    return Track(track_id, peer_id, source, kind, (epoch,))  # type: ignore[arg-type]


def manifest(*gaps: Gap, complete: bool = False, events: tuple[Event, ...] = ()) -> Manifest:
    return Manifest(
        version=1,
        county="c",
        session_id="s",
        room="s",
        origin_utc_ms=ORIGIN_UTC_MS,
        ended_utc_ms=ORIGIN_UTC_MS + 60_000,
        software="test",
        server_boots=("b",),
        peers=(Peer("p1", "永安派出所", ""), Peer("p2", "局信访办", "")),
        tracks=(track("p1-mic"), track("p2-cam")),
        gaps=gaps,
        events=events,
        complete=complete,
        seal=Seal("Ed25519", "0", "0", "0", ORIGIN_UTC_MS + 70_000),
    )


def sentences(made: Manifest, section: str) -> list[Sentence]:
    return [item for item in session_certificate(made, DIGEST).sentences if item.section == section]


def told(sentence: Sentence) -> tuple[str, int, int, object, object, object]:
    """Name, start and length on the session clock, whose, what, why."""
    start, length = sentence.params["from"], sentence.params["length"]
    assert isinstance(start, Moment) and isinstance(length, Length)
    what, cause = sentence.params.get("what"), sentence.params.get("cause")
    return (
        sentence.id,
        start.utc_ms - ORIGIN_UTC_MS,
        length.ms,
        sentence.params.get("name"),
        what.id if isinstance(what, Term) else None,
        cause.id if isinstance(cause, Term) else None,
    )


def test_a_recording_without_gaps_is_complete_and_lists_nothing() -> None:
    made = session_certificate(manifest(complete=True), DIGEST)
    assert made.complete
    assert [item.id for item in made.sentences] == ["recorded", "complete", "sealed", "code", "check"]
    (recorded,) = sentences(manifest(complete=True), "recorded")
    assert recorded.params["length"] == Length(60_000)
    assert recorded.params["names"] == ("永安派出所", "局信访办")
    code = next(item for item in made.sentences if item.id == "code")
    assert code.params["code"] == made.integrity_code


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (Gap("p1-mic", 500, 900, "loss", 1, 20, 20), ("missing", 500, 400, "永安派出所", "what-sound", "cause-loss")),
        (
            Gap("p2-cam", 1_000, 9_000, "feed_overflow"),
            ("missing", 1_000, 8_000, "局信访办", "what-picture", "cause-feed-overflow"),
        ),
        (
            Gap("p2-screen", 0, 60_000, "recorder_down"),
            ("missing", 0, 60_000, "局信访办", "what-screen", "cause-recorder-down"),
        ),
        (
            Gap("p2-screen_audio", 0, 60_000, "loss"),
            ("missing", 0, 60_000, "局信访办", "what-screen-sound", "cause-loss"),
        ),
        (
            Gap(None, 5_000, 8_000, "mediaserver_down"),
            ("missing-all", 5_000, 3_000, None, "what-all", "cause-mediaserver-down"),
        ),
        (Gap(None, 5_000, 8_000, "disk_full"), ("missing-all", 5_000, 3_000, None, "what-all", "cause-disk-full")),
        (Gap("p9-mic", 5_000, 8_000, "loss"), ("missing", 5_000, 3_000, "p9", "what-sound", "cause-loss")),
    ],
)
def test_a_gap_is_told_with_time_owner_and_cause(gap: Gap, expected: tuple[object, ...]) -> None:
    made = session_certificate(manifest(gap), DIGEST)
    assert not made.complete
    assert [item.params for item in made.sentences if item.id == "gaps"] == [{"count": 1}]
    (sentence,) = sentences(manifest(gap), "missing")
    assert told(sentence) == expected and sentence.from_ms == gap.from_ms


def test_pauses_and_absences_leave_it_complete_and_are_told_apart() -> None:
    reasoned = Event(10_000, ORIGIN_UTC_MS + 10_000, "recording_paused", {"reason": "背对背调解"})
    gaps = (
        Gap(None, 10_000, 20_000, "paused"),
        Gap(None, 40_000, 50_000, "paused"),
        Gap("p1-mic", 30_000, 35_000, "publisher_away"),
        Gap(None, 55_000, 56_000, "publisher_away"),
    )
    made = manifest(*gaps, complete=True, events=(reasoned,))
    assert session_certificate(made, DIGEST).complete and sentences(made, "missing") == []
    found = sentences(made, "interruptions")
    assert [item.id for item in found] == ["paused-because", "away", "paused", "away-all"]
    assert found[0].params["reason"] == "背对背调解"


def test_a_reason_from_the_list_is_told_in_the_readers_words() -> None:
    reasons = ("rest", "consent_withdrawn", "break-reason-rest")
    events = tuple(
        Event(n * 10_000, ORIGIN_UTC_MS, "recording_paused", {"reason": reason}) for n, reason in enumerate(reasons)
    )
    gaps = tuple(Gap(None, n * 10_000 + 500, n * 10_000 + 5_000, "paused") for n in range(3))
    found = sentences(manifest(*gaps, complete=True, events=events), "interruptions")
    assert [item.params["reason"] for item in found] == [
        Word("break-reason-rest"),
        Word("break-reason-consent-withdrawn"),
        "break-reason-rest",
    ]
    made = session_certificate(manifest(*gaps, complete=True, events=events), DIGEST)
    words = Words()
    zone = ZoneInfo("Asia/Shanghai")
    texts = [line.text for line in lines(made, lambda name, **params: words.say(name, "zh-CN", params), zone)]
    assert any(text.endswith("原因：休息。") for text in texts)
    assert any(text.endswith("原因：有人撤回同意。") for text in texts)


def test_a_manifest_that_calls_itself_complete_is_not_believed_against_its_own_gaps() -> None:
    assert not session_certificate(manifest(Gap("p1-mic", 1, 2, "loss"), complete=True), DIGEST).complete
    assert not session_certificate(manifest(complete=False), DIGEST).complete


def test_who_was_there_without_sound_and_picture_is_told() -> None:
    made = replace(manifest(complete=True), tracks=(track("p1-mic"),))
    assert [item.params for item in sentences(made, "recorded")[1:]] == [{"name": "局信访办"}]
    assert [item.id for item in sentences(replace(made, tracks=()), "recorded")] == ["nothing"]


def test_bursts_of_loss_are_told_as_one() -> None:
    gaps = (
        Gap("p1-mic", 8_000, 8_100, "loss", packets=5),
        Gap("p1-mic", 1_000, 1_100, "loss", packets=2),
        Gap("p2-cam", 1_050, 1_200, "loss", packets=9),
        Gap("p1-mic", 3_100, 3_200, "loss", packets=3),
        Gap("p1-mic", 3_150, 3_160, "feed_overflow", packets=1),
        Gap("p1-mic", 5_300, 5_400, "loss", packets=1),
    )
    assert [(gap.track_id, gap.from_ms, gap.to_ms, gap.cause, gap.packets) for gap in merged(gaps)] == [
        ("p1-mic", 1_000, 3_200, "loss", 5),
        ("p2-cam", 1_050, 1_200, "loss", 9),
        ("p1-mic", 3_150, 3_160, "feed_overflow", 1),
        ("p1-mic", 5_300, 5_400, "loss", 1),
        ("p1-mic", 8_000, 8_100, "loss", 5),
    ]
