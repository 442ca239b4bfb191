# SPDX-License-Identifier: Apache-2.0
"""A sealed recording with sound and pictures that tell their time: a late joiner, a pause, a lost camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage import layout
from storage.files import digests_of_bytes
from storage.manifest import Clock, Epoch, Gap, Manifest, Part, Peer, Segment, Track, next_chain
from storage.objects import ObjectStore
from storage.seal import load_key, seal
from storage.settings import Settings
from tests.web.ui.recording import Recording, Stretch

ORIGIN_UTC_MS = 1_790_000_000_000
PEERS = (Peer("st1", "永安派出所 调解室", "永安派出所"), Peer("hq1", "指挥中心", "县公安局"))
LATE_MS = 4_000
LOST_MS = 12_000
"""The camera of headquarters goes, its sound stays."""
PAUSE = (16_000, 29_000)
CLOCK_AHEAD_MS = 1_500
"""The files after the pause run ahead of the session clock, as the sealed clock fit says."""


def record(folder: Path, length_ms: int, *, cameras: bool = True) -> Recording:
    """The recording's files."""
    made = Recording(folder)
    after = Stretch(PAUSE[1], length_ms, -CLOCK_AHEAD_MS, keyframe_every_ms=12_500)
    made.add("st1-mic", "audio", Stretch(0, PAUSE[0]), after)
    made.add("hq1-mic", "audio", Stretch(LATE_MS, PAUSE[0]))
    if cameras:
        made.add("st1-cam", "video", Stretch(0, PAUSE[0]), after)
        made.add("hq1-cam", "video", Stretch(LATE_MS, LOST_MS))
    return made


def sealed(settings: Settings, store: ObjectStore, session_id: str, recording: Recording) -> Manifest:
    """Put files and sealed manifest into the store."""
    tracks = tuple(_track(settings, store, session_id, recording, item) for item in recording.tracks)
    ends = [epoch.end_ms for track in tracks for epoch in track.epochs]
    manifest = Manifest(
        version=1,
        county=settings.county,
        session_id=session_id,
        room=session_id,
        origin_utc_ms=ORIGIN_UTC_MS,
        ended_utc_ms=ORIGIN_UTC_MS + max(ends),
        software="tests",
        server_boots=("boot",),
        peers=PEERS,
        tracks=tracks,
        gaps=(Gap(None, *PAUSE, "paused"), Gap("hq1-cam", LOST_MS, PAUSE[0], "publisher_away")),
        events=(),
        complete=True,
    )
    made = seal(manifest, load_key(settings.secrets_dir), ORIGIN_UTC_MS + max(ends))
    store.put_bytes(layout.manifest_key(settings.county, session_id), made.to_bytes(), "application/json")
    return made


def _track(
    settings: Settings, store: ObjectStore, session_id: str, recording: Recording, item: dict[str, Any]
) -> Track:
    chain, epochs = "", []
    for epoch in item["epochs"]:
        segments = []
        for found in epoch["segments"]:
            names = (settings.county, session_id, item["track_id"], epoch["epoch"], found["n"])
            key, data = layout.segment_key(*names), recording.bytes_of(found)
            digests = digests_of_bytes(data)
            store.put_bytes(key, data, "video/webm")
            chain = next_chain(chain, digests.sha256)
            parts = tuple(Part(**part) for part in found["parts"])
            times = (found["start_ms"], found["end_ms"], found["bytes"], found["header_bytes"])
            seals = (digests.sha256, digests.sm3, chain)
            segments.append(Segment(key, found["n"], *times, *seals, parts, 500, 0))
        clock = Clock(epoch["timestamp_offset_ms"], epoch["rate_ppm"], 4)
        rate = 48_000 if item["kind"] == "audio" else 90_000
        span = (epoch["origin_ms"], epoch["start_ms"], epoch["end_ms"])
        epochs.append(Epoch(epoch["epoch"], epoch["codec"], rate, *span, clock, tuple(segments)))
    return Track(item["track_id"], item["peer_id"], item["source"], item["kind"], tuple(epochs))
