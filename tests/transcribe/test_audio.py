# SPDX-License-Identifier: Apache-2.0
"""Recorded segments become sound on the session clock: every stretch at its place, silence where nothing came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from storage import manifest
from tests.recordings import opus_packets, webm
from transcribe.audio import decode_track
from transcribe.faults import TranscriptFault

RATE = 16_000
TONE_AT_MS, TONE_MS, LENGTH_MS = 1_000, 500, 3_000
ON_TIME = manifest.Clock()


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of Opus with a tone from 1.0 to 1.5 s."""
    path = tmp_path_factory.mktemp("tone") / "tone.opus"
    t = np.arange(LENGTH_MS * 48) / 48_000
    inside = (t >= TONE_AT_MS / 1000) & (t < (TONE_AT_MS + TONE_MS) / 1000)
    samples = (0.5 * 32767 * np.sin(2 * np.pi * 440 * t) * inside).astype(np.int16)
    with av.open(str(path), "w", format="ogg") as box:
        stream = box.add_stream("libopus", rate=48_000, layout="mono")
        for start in range(0, len(samples), 960):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path


class Recorded:
    """Segments in memory, and the track that lists them."""

    def __init__(self, tone: Path) -> None:
        self.tone = tone
        self.objects: dict[str, bytes] = {}

    def segment(self, from_ms: int, to_ms: int, add_ms: int) -> manifest.Segment:
        packets = [item for item in opus_packets(self.tone)[0] if from_ms <= item.at_ms < to_ms]
        data, _parts = webm(packets, add_ms)
        key = f"segment-{len(self.objects)}"
        self.objects[key] = data
        digest = hashlib.sha256(data).hexdigest()
        return manifest.Segment(
            key, 0, from_ms + add_ms, to_ms + add_ms, len(data), 0, digest, "", "", (), len(packets), 0
        )

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise TranscriptFault("segment_missing", key)
        return self.objects[key]


def epoch(segments: Sequence[manifest.Segment], clock: manifest.Clock = ON_TIME) -> manifest.Epoch:
    start = segments[0].start_ms
    return manifest.Epoch(1, "opus", 48_000, start, start, segments[-1].end_ms, clock, tuple(segments))


def track(*epochs: manifest.Epoch) -> manifest.Track:
    return manifest.Track("a-mic", "a", "mic", "audio", epochs)


def tones_ms(path: Path) -> list[int]:
    """Where each tone begins."""
    samples = np.abs(np.fromfile(path, "<i2").astype(np.int32))
    loud = samples[: len(samples) // 160 * 160].reshape(-1, 160).max(axis=1) > 3000
    edges = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    return [int(edge) * 10 for edge in edges]


def near(found: list[int], wanted: list[int]) -> bool:
    return len(found) == len(wanted) and all(abs(a - b) <= 20 for a, b in zip(found, wanted, strict=True))


def test_segments_follow_each_other_without_a_seam(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    parts = [recorded.segment(at, at + 1_000, 0) for at in range(0, 3_000, 1_000)]
    audio = decode_track(track(epoch(parts)), recorded.read, tmp_path / "pcm")
    assert near(tones_ms(audio.path), [1_000])
    assert abs(audio.path.stat().st_size / 2 / RATE - 3.0) < 0.03
    assert (audio.ranges_ms[0][0], audio.packets_bad) == (0, 0)
    whole = decode_track(track(epoch([recorded.segment(0, 3_000, 0)])), recorded.read, tmp_path / "whole")
    assert audio.path.read_bytes() == whole.path.read_bytes()


def test_sound_lies_where_it_was_spoken_also_after_a_late_start_and_a_gap(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    parts = [recorded.segment(0, 3_000, 7_000), recorded.segment(0, 3_000, 60_000)]
    audio = decode_track(track(epoch(parts)), recorded.read, tmp_path / "pcm")
    assert near(tones_ms(audio.path), [8_000, 61_000])
    assert audio.ranges_ms == [(7_000, audio.ranges_ms[0][1]), (60_000, audio.ranges_ms[1][1])]
    assert abs(audio.ranges_ms[0][1] - 10_000) < 30
    assert audio.path.stat().st_blocks * 512 < audio.path.stat().st_size / 2  # silence takes no room


def test_a_hole_within_a_segment_is_silence_of_the_same_length(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    parts = [recorded.segment(0, 500, 0), recorded.segment(900, 3_000, 0)]
    audio = decode_track(track(epoch(parts)), recorded.read, tmp_path / "pcm")
    assert near(tones_ms(audio.path), [1_000])
    assert abs(audio.path.stat().st_size / 2 / RATE - 3.0) < 0.03


def test_the_sealed_clock_moves_every_time_stamp(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    clock = manifest.Clock(offset_ms=250.0, rate_ppm=10_000.0, sender_reports=9)
    audio = decode_track(track(epoch([recorded.segment(0, 3_000, 5_000)], clock)), recorded.read, tmp_path / "pcm")
    assert near(tones_ms(audio.path), [6_250])


def test_a_later_epoch_begins_anew_and_what_comes_twice_is_dropped(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    first, again = epoch([recorded.segment(0, 3_000, 0)]), epoch([recorded.segment(0, 3_000, 2_000)])
    audio = decode_track(track(first, again), recorded.read, tmp_path / "pcm")
    assert len(tones_ms(audio.path)) == 2
    later = decode_track(track(first, epoch([recorded.segment(0, 3_000, 4_000)])), recorded.read, tmp_path / "later")
    assert near(tones_ms(later.path), [1_000, 5_000])


def test_a_packet_that_cannot_be_read_moves_nothing_after_it(tone: Path, tmp_path: Path) -> None:
    recorded = Recorded(tone)
    part = recorded.segment(0, 3_000, 0)
    packets = opus_packets(tone)[0]
    broken = [replace(item, data=b"\xff\xff\xff") if number == 20 else item for number, item in enumerate(packets)]
    recorded.objects[part.key] = data = webm(broken, 0)[0]
    audio = decode_track(
        track(epoch([replace(part, sha256=hashlib.sha256(data).hexdigest())])), recorded.read, tmp_path / "pcm"
    )
    assert audio.packets - audio.packets_bad == len(packets) - 1
    assert near(tones_ms(audio.path), [1_000])


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: None, "segment_missing"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "segment_damaged"),
        (lambda data: data[:-1], "segment_damaged"),
        (lambda data: b"", "segment_damaged"),
    ],
)
def test_bytes_that_are_not_those_that_were_sealed_stop_the_job(tone: Path, tmp_path: Path, damage, code: str) -> None:  # type: ignore[no-untyped-def]
    recorded = Recorded(tone)
    part = recorded.segment(0, 3_000, 0)
    changed = damage(recorded.objects.pop(part.key))
    if changed is not None:
        recorded.objects[part.key] = changed
    with pytest.raises(TranscriptFault) as raised:
        decode_track(track(epoch([part])), recorded.read, tmp_path / "pcm")
    assert raised.value.code == code
    assert part.key in raised.value.sentence


@pytest.mark.parametrize("data", [b"", b"not a recording", b"\x1a\x45\xdf\xa3" + bytes(100)])
def test_sealed_bytes_that_are_no_recording_stop_the_job(tone: Path, tmp_path: Path, data: bytes) -> None:
    recorded = Recorded(tone)
    part = replace(recorded.segment(0, 3_000, 0), sha256=hashlib.sha256(data).hexdigest())
    recorded.objects[part.key] = data
    with pytest.raises(TranscriptFault, match="segment_unreadable"):
        decode_track(track(epoch([part])), recorded.read, tmp_path / "pcm")
