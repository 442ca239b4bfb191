# SPDX-License-Identifier: Apache-2.0
"""Readers that are not ours open every file of every codec: FFmpeg bit by bit, and Chromium; both find its length."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from storage.manifest import Manifest, Segment, Track
from tests.faults.store import FolderStore
from tests.mediaserver.recorder.chromium_reader import chromium_page, read_by_chromium
from tests.mediaserver.recorder.codecs import FRAMES_PER_S, SOUND_MS, one_after_another, recorded

CODECS = ("vp8", "h264", "vp9", "av1")
FRAMES = 24 * FRAMES_PER_S
FRAME_MS = {"video": 1_000 / FRAMES_PER_S, "audio": float(SOUND_MS)}
ROUNDED_MS = 1.5
"""File and manifest hold whole milliseconds."""


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, FolderStore]:
    folder = tmp_path_factory.mktemp("codecs")
    return await recorded(folder, CODECS, FRAMES, (160, 90), key_every=150, sound=True)


def files(made: tuple[Manifest, FolderStore]) -> list[tuple[Track, Segment, Path]]:
    manifest, store = made
    found = [(track, segment, store.folder / segment.key) for track in manifest.tracks for segment in track.segments()]
    assert manifest.complete and {track.epochs[0].codec for track in manifest.tracks} == {*CODECS, "opus"}
    assert len(found) == 3 * len(manifest.tracks)
    return found


def read_by_ffprobe(path: Path) -> tuple[float, float, int]:
    """When the first packet begins and the last ends, in ms, and how many there are."""
    show = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time,duration_time", "-of", "json", str(path)]
    probe = subprocess.run(show, capture_output=True, text=True, check=True)
    assert probe.stderr == ""
    packets = json.loads(probe.stdout)["packets"]
    ends = [float(each["pts_time"]) + float(each.get("duration_time", 0)) for each in packets]
    return min(float(each["pts_time"]) for each in packets) * 1_000, max(ends) * 1_000, len(packets)


def test_ffmpeg_reads_every_file_without_a_fault_and_finds_its_length(made: tuple[Manifest, FolderStore]) -> None:
    for track, segment, path in files(made):
        whole = subprocess.run(
            ["ffmpeg", "-v", "error", "-xerror", "-err_detect", "crccheck+bitstream+buffer", "-i", str(path),
             "-c", "copy", "-f", "null", "-"], capture_output=True,
        )  # fmt: skip
        assert (whole.returncode, whole.stderr) == (0, b""), path
        start_ms, end_ms, _ = read_by_ffprobe(path)
        assert start_ms == pytest.approx(segment.start_ms, abs=ROUNDED_MS), path
        assert end_ms == pytest.approx(segment.end_ms, abs=FRAME_MS[track.kind] + ROUNDED_MS), path


def test_a_whole_track_decodes_to_as_many_pictures_as_were_sent(
    made: tuple[Manifest, FolderStore], tmp_path: Path
) -> None:
    """The first file whole, of the others the clusters: as a player puts them together."""
    manifest, store = made
    for track in manifest.tracks:
        path = tmp_path / f"{track.track_id}.webm"
        pieces = [(store.folder / s.key).read_bytes()[s.header_bytes if s.segment else 0 :] for s in track.segments()]
        path.write_bytes(b"".join(pieces))
        decode = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-fps_mode", "passthrough", "-f", "null", "-"]
        asked = subprocess.run([*decode, "-progress", "-"], capture_output=True, text=True)
        assert (asked.returncode, asked.stderr) == (0, ""), track.track_id
        if track.kind == "video":
            told = [line for line in asked.stdout.splitlines() if line.startswith("frame=")]
            assert int(told[-1].removeprefix("frame=")) == FRAMES, track.track_id


async def test_another_codec_is_another_epoch_of_the_same_track(tmp_path: Path) -> None:
    manifest, store = await one_after_another(tmp_path, CODECS, 2 * FRAMES_PER_S, (160, 90))
    (track,) = manifest.tracks
    assert [epoch.codec for epoch in track.epochs] == list(CODECS) and manifest.complete
    for before, after in zip(track.epochs, track.epochs[1:], strict=False):
        assert after.start_ms == pytest.approx(before.end_ms, abs=FRAME_MS["video"] + ROUNDED_MS)
    for number, epoch in enumerate(track.epochs):
        (segment,) = epoch.segments
        path = store.folder / segment.key
        start_ms, end_ms, frames = read_by_ffprobe(path)
        assert frames == 2 * FRAMES_PER_S
        assert (start_ms, end_ms) == pytest.approx((number * 2_000, number * 2_000 + 2_000), abs=FRAME_MS["video"] + 2)
        decode = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
        whole = subprocess.run(decode, capture_output=True)
        assert (whole.returncode, whole.stderr) == (0, b""), path


async def test_chromium_opens_every_file_and_finds_its_length(made: tuple[Manifest, FolderStore]) -> None:
    async with chromium_page() as page:
        for track, segment, path in files(made):
            said = await read_by_chromium(page, path, "video/webm")
            assert "error" not in said, (path, said)
            # Its time line begins at nought, wherever the file's begins.
            most_ms = FRAME_MS[track.kind] + ROUNDED_MS
            assert said["end_s"] * 1_000 == pytest.approx(segment.end_ms, abs=most_ms), (path, said)
            assert said["width"] == (160 if track.kind == "video" else 0)
