# SPDX-License-Identifier: Apache-2.0
"""A composite of cameras that speak H264, VP9 and AV1, recorded from RTP by the recorder's own code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np

from mediaserver.recorder import core
from mediaserver.recording import feed
from mediaserver.rtp import packet as rtp
from storage.manifest import Epoch, Manifest
from tests.faults.recording import COUNTY, SESSION, UTC_MS, Clock, Script, assert_green, finish, settings_of
from tests.faults.recording import surroundings as surroundings_of
from tests.faults.store import FolderStore
from tests.transcribe.derive.test_captions import captions
from tests.video import encode, payloads
from transcribe.derive.composer import Style
from transcribe.derive.film import FRAMES_PER_SECOND, Film, join
from transcribe.derive.grid import Rect, fitted, grid

CODECS = ("h264", "vp9", "av1")
WIDTH, HEIGHT, RATE = 320, 180, 30
FRAMES = 45


async def recorded(folder: Path) -> tuple[Manifest, FolderStore]:
    """A sealed recording of one and a half seconds with a camera of each codec."""
    clock, store = Clock(), FolderStore(folder / "objects")
    settings = settings_of(folder)
    settings.spool_dir.mkdir(parents=True)
    with surroundings_of(store, clock):
        recorder = core.Recorder(settings)
        recorder.start()
        recorder.welcome("boot")
        script = Script(recorder, clock, None)
        script.order("on")
        for number, codec in enumerate(CODECS, 1):
            track = {
                "track_id": f"{codec}-cam", "peer_id": codec, "peer_name": codec, "place": "室", "source": "cam",
                "kind": "video", "codec": codec, "clock_rate": 90_000, "payload_type": 96, "ssrc": number,
                "cname": "", "extensions": {},
            }  # fmt: skip
            reference = feed.session_json(feed.SessionRef(COUNTY, SESSION, SESSION))
            body = {"session": reference, "number": number, "track": track}
            script.take(feed.encode_json(feed.Kind.OPEN, feed.CONTROL_TRACK, next(script.control), body))
            send(script, number, codec)
        clock.ms = FRAMES * 1_000 // RATE
        script.order("stopped")
        await finish(recorder, clock)
        await recorder.close()
    return assert_green(folder, store), store


def send(script: Script, number: int, codec: str) -> None:
    """A bar that grows by nine pixels each frame."""
    sequence = 0
    for index, frame in enumerate(encode(codec, FRAMES, WIDTH, HEIGHT, key_every=15)):
        parts = payloads(codec, frame, index % 15 == 0)
        for part, payload in enumerate(parts):
            sequence += 1
            packet = rtp.build(
                payload_type=96, sequence_number=sequence, timestamp=index * 90_000 // RATE, ssrc=number,
                payload=payload, marker=part == len(parts) - 1,
            )  # fmt: skip
            arrival_us = UTC_MS * 1_000 + index * 1_000_000 // RATE
            script.take(feed.encode_packet(number, sequence, bytes(packet), arrival_us))


async def test_cameras_of_three_codecs_are_all_to_be_seen_at_their_time(tmp_path: Path) -> None:
    made, store = await recorded(tmp_path)
    assert [track.epochs[0].codec for track in made.tracks] == sorted(CODECS) and made.complete
    film = Film(made, captions(), lambda key: (store.folder / key).read_bytes())
    chunk, path = tmp_path / "chunk.mkv", tmp_path / "composite.mp4"
    film.make(0, chunk, lambda share: None)
    assert join([chunk], path, {}, lambda share: None) == film.plan.frames
    whole = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True
    )
    assert (whole.returncode, whole.stderr) == (0, b"")
    asked = ["-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
    probed = subprocess.run(["ffprobe", "-v", "error", *asked], capture_output=True, text=True, check=True)
    assert probed.stdout.split() == ["h264", "aac"]
    style = Style()
    cells = grid(len(CODECS), Rect(0, style.bar_height, style.width, style.height - style.bar_height))
    epochs = {track.track_id: track.epochs[0] for track in made.tracks}
    with av.open(str(path)) as box:
        pictures = [frame.to_ndarray(format="gray") for frame in box.decode(video=0)]
    for at in range(2, film.plan.frames - 2, FRAMES_PER_SECOND // 3):
        tiles = film.plan.scene_at(at).tiles
        assert {tile.track_id for tile in tiles} == set(epochs)
        for tile, cell in zip(tiles, cells, strict=True):
            assert tile.track_id is not None
            expected = bar(epochs[tile.track_id], film.plan.session_ms(at))
            found = shown(pictures[at], cell)
            assert min(abs(found - each) for each in expected) <= 8, (tile.track_id, at, found, expected)


def bar(epoch: Epoch, session_ms: float) -> list[int]:
    """Lengths that the bar may have then, in pixels of the camera: the frame of that time, or the one beside it."""
    index = round((session_ms - epoch.start_ms) * RATE / 1_000)
    return [each * 9 % WIDTH for each in (index - 1, index, index + 1) if 0 <= each < FRAMES]


def shown(picture: np.ndarray[Any, np.dtype[np.uint8]], cell: Rect) -> float:
    """Length of the bar in a cell, in pixels of the camera."""
    at = fitted(16, 9, Rect(cell.x + 2, cell.y + 2, cell.width - 4, cell.height - Style().label_height - 4))
    row = picture[at.y + at.height * 9 // 10, at.x : at.x + at.width]
    return float((row > 55).sum()) * WIDTH / at.width
