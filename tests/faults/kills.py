# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the recorder's process at random moments, with a scripted feed and the real store: nothing is missing."""

from __future__ import annotations

import random
from pathlib import Path

from storage.cli.verify import run as verify_recording
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import Publisher, Studio

KILLS_EACH = 10
"""Kills in one recording."""


async def kills(folder: Path, seed: int, count: int) -> int:
    """Kill a recorder so many times while it records, by an odd seed under a key of its own. Returns the packets that
    were recorded, which is all of them.

    Raises AssertionError.
    """
    chance = random.Random(seed)
    studio = Studio(folder)
    studio.own_key = seed % 2 == 1
    await studio.start_store()
    try:
        await studio.start()
        session = studio.session()
        studio.order(session, "on")
        mic = Publisher(studio, session, Stream("audio"), "p1", "mic")
        cam = Publisher(studio, session, Stream("video", ssrc=2), "p1", "cam")
        for _ in range(count):
            await studio.play(chance.uniform(0.05, 6.0), mic, cam)
            await studio.kill_recorder()
            await studio.play(chance.uniform(0.0, 3.0), mic, cam)
            await studio.start_recorder()
        await studio.play(2, mic, cam)
        studio.order(session, "stopped")
        made = await studio.sealed(session)
        assert verify_recording(studio.settings, made.session_id) == 0
        assert made.gaps == (), made.gaps
        found = {track.track_id: sum(s.packets for s in track.segments()) for track in made.tracks}
        assert found == {"p1-mic": mic.sent, "p1-cam": cam.sent}
        assert await studio.delete(session) == 200
        files = {path.name for path in studio.settings.spool_dir.rglob("*") if path.is_file()}
        assert files <= {"feed.json", "uploads.jsonl", "recorder.lock"}, files
        return mic.sent + cam.sent
    finally:
        await studio.close()
