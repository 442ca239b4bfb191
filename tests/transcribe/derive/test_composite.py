# SPDX-License-Identifier: Apache-2.0
"""A composite video as the worker makes it: real store, real database, killed in the middle, checked by ffmpeg."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from sqlalchemy import insert, select, update

from storage import layout
from storage.database.models import Derivative
from storage.ids import new_id
from tests.acceptance.picture import read_number
from tests.embedded_store import EmbeddedStore, wait
from tests.transcribe.derive.recorded import LATE_MS, LOST_MS, PAUSE, record, sealed
from tests.transcribe.installation import Database, WorkerProcess
from tests.web.ui.recording import number_at, tone_hz
from transcribe.derive.composer import Style
from transcribe.derive.film import CHUNK_S, FRAMES_PER_SECOND
from transcribe.derive.grid import Rect, fitted, grid
from transcribe.derive.rows import COMPOSITE
from transcribe.derive.scenes import CARD_MS

LENGTH_MS = 76_000
FILM_MS = LENGTH_MS - (PAUSE[1] - PAUSE[0]) + CARD_MS
assert CHUNK_S * 1000 < FILM_MS < 2 * CHUNK_S * 1000
"""A little more than one chunk."""


def order(database: Database, session_id: str, kind: str = COMPOSITE) -> str:
    derivative_id = new_id()
    values = {
        "id": derivative_id, "county": database.settings.county, "session_id": session_id, "kind": kind,
        "state": "queued", "progress": 0.0, "options": {}, "created_utc_ms": 1,
    }  # fmt: skip
    with database.engine.begin() as link:
        link.execute(insert(Derivative).values(values))
    return derivative_id


def row(database: Database, derivative_id: str) -> dict[str, Any]:
    with database.engine.begin() as link:
        found = link.execute(select(Derivative.__table__).where(Derivative.id == derivative_id)).one()
    return dict(found._mapping)


def set_state(database: Database, derivative_id: str, state: str) -> None:
    with database.engine.begin() as link:
        link.execute(update(Derivative).where(Derivative.id == derivative_id).values(state=state))


def until(database: Database, derivative_id: str, state: str) -> dict[str, Any]:
    def reached() -> bool:
        now = row(database, derivative_id)
        assert now["state"] in {state, "queued", "running"}, now
        return bool(now["state"] == state)

    wait(reached, 240, f"derivative {state}")
    return row(database, derivative_id)


def work_folder(database: Database, derivative_id: str) -> Path:
    return database.settings.data_dir / "work" / "derivatives" / derivative_id


def chunks(database: Database, derivative_id: str) -> list[str]:
    return sorted(path.name for path in work_folder(database, derivative_id).glob("*/chunk-*"))


@pytest.mark.timeout(300)
def test_a_composite_goes_on_after_a_kill_and_shows_and_sounds_the_recording(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    session_id = database.new_session()
    manifest = sealed(store.settings, store.opened(), session_id, record(tmp_path, LENGTH_MS))
    before = {item.key: item.modified_utc_ms for item in store.opened().list("")}
    derivative_id = order(database, session_id)
    workers.append(WorkerProcess(store.settings, tmp_path / "first.log"))
    wait(lambda: workers[0].events("unit_made"), 200, "the first chunk")
    workers[0].kill()
    assert chunks(database, derivative_id) == ["chunk-00000.mkv"]
    assert 0 < row(database, derivative_id)["progress"] < 1
    workers.append(WorkerProcess(store.settings, tmp_path / "second.log"))
    done = until(database, derivative_id, "done")
    assert [event["n"] for event in workers[1].events("unit_made")] == [1], "the first chunk was not made again"
    wait(lambda: not work_folder(database, derivative_id).exists(), what="work folder removed")

    assert done["result_key"] == layout.derived_key(store.settings.county, session_id, derivative_id, "composite.mp4")
    data = store.opened().read_bytes(done["result_key"])
    assert (len(data), store.opened().stat(done["result_key"]).sha256) == (done["bytes"], done["sha256"])
    path = tmp_path / "composite.mp4"
    path.write_bytes(data)
    check_with_ffmpeg(path)
    check_pictures(path)
    check_sound(path)
    recipe = json.loads(store.opened().read_bytes(done["result_key"].replace("composite.mp4", "recipe.json")))
    assert recipe["manifest_sha256"] == store.opened().stat(layout.manifest_key(manifest.county, session_id)).sha256
    assert recipe["files"][0]["sha256"] == done["sha256"]
    assert recipe["software"]["av"] and recipe["options"]["x264"]["crf"]
    assert [scene["cause"] for scene in recipe["scenes"]] == ["", "", "", "paused", ""]
    after = {item.key: item.modified_utc_ms for item in store.opened().list("")}
    assert {key: after.get(key) for key in before} == before, "originals stay as they are"


def check_with_ffmpeg(path: Path) -> None:
    asked = "stream=codec_name,duration,nb_frames:format=duration"
    probe = ["ffprobe", "-v", "error", "-show_entries", asked, "-of", "json", str(path)]
    shown = subprocess.run(probe, capture_output=True, text=True, check=True)
    found = json.loads(shown.stdout)
    assert [stream["codec_name"] for stream in found["streams"]] == ["h264", "aac"]
    frame_s = 1 / FRAMES_PER_SECOND
    lengths = [float(found["format"]["duration"]), *(float(stream["duration"]) for stream in found["streams"])]
    assert lengths == [pytest.approx(FILM_MS / 1000, abs=frame_s)] * 3
    assert int(found["streams"][0]["nb_frames"]) == FILM_MS * FRAMES_PER_SECOND // 1000
    whole = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True
    )
    assert (whole.returncode, whole.stderr) == (0, b"")
    head = path.read_bytes()[:4096]
    assert head.find(b"moov") > 0, "the index stands in front"


def film_s(session_ms: int) -> float:
    """Where a moment of the session is in the film."""
    left_out_ms = PAUSE[1] - PAUSE[0] - CARD_MS if session_ms >= PAUSE[1] else 0
    return (session_ms - left_out_ms) / 1000


def check_pictures(path: Path) -> None:
    """Each cell shows the session's own time; a late joiner, a card and a lost camera stand where they belong."""
    style = Style()
    area = Rect(0, style.bar_height, style.width, style.height - style.bar_height)
    luma = {}
    with av.open(str(path)) as box:
        for n, frame in enumerate(box.decode(video=0)):
            luma[n] = frame.to_ndarray(format="gray") if n % 5 == 0 else None
    for session_ms in (0, 2_000, 6_000, 10_000, 14_000, 30_000, 61_000, 75_000):
        n = round(film_s(session_ms) * FRAMES_PER_SECOND) // 5 * 5
        shown_ms = session_ms - (round(film_s(session_ms) * FRAMES_PER_SECOND) - n) * 1000 / FRAMES_PER_SECOND
        both = LATE_MS <= shown_ms < PAUSE[0]
        cells = grid(2 if both else 1, area)
        picture = luma[n]
        assert picture is not None
        assert abs(read_number(inner(picture, cells[0])) - number_at(shown_ms)) <= 1, session_ms
        if both and shown_ms < LOST_MS:
            assert abs(read_number(inner(picture, cells[1])) - number_at(shown_ms)) <= 1, session_ms
        if both and shown_ms > LOST_MS:
            assert np.median(inner(picture, cells[1])) < 50, "the lost camera is dark"
            assert inner(picture, cells[1]).max() > 180, "and says why"
    card = luma[round(film_s(PAUSE[0]) * FRAMES_PER_SECOND) // 5 * 5 + 10]
    assert card is not None and np.median(card) < 30
    assert card[360 - 70 : 360 + 60].max() > 180, "the card says what was left out"


def inner(picture: np.ndarray[Any, np.dtype[np.uint8]], cell: Rect) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The 16:9 picture in a cell, without its name."""
    at = fitted(16, 9, Rect(cell.x + 2, cell.y + 2, cell.width - 4, cell.height - Style().label_height - 4))
    return picture[at.y : at.y + at.height, at.x : at.x + at.width]


def check_sound(path: Path) -> None:
    """The tone of the session's time sounds, in the card nothing does."""
    with av.open(str(path)) as box:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in box.decode(audio=0)])
    for session_ms in (1_100, 7_100, 15_100, 31_100, 60_100, 74_100):
        assert tone_at(sound, film_s(session_ms)) == pytest.approx(tone_hz(session_ms), abs=12), session_ms
    quiet = sound[round((film_s(PAUSE[0]) + 0.5) * 48_000) : round((film_s(PAUSE[0]) + 2.5) * 48_000)]
    assert np.abs(quiet).max() < 0.01
    loud = sound[round(film_s(6_000) * 48_000) : round(film_s(8_000) * 48_000)]
    assert 0.3 < np.abs(loud).max() <= 1.0, "two voices together, not clipped"


def tone_at(sound: np.ndarray[Any, Any], at_s: float) -> float:
    start = round(at_s * 48_000)
    piece = sound[start - 2_400 : start + 2_400] * np.hanning(4_800)
    return float(np.argmax(np.abs(np.fft.rfft(piece, 48_000))))


@pytest.mark.timeout(300)
def test_a_cancelled_composite_stops_at_once_and_a_new_order_begins_again(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    session_id = database.new_session()
    sealed(store.settings, store.opened(), session_id, record(tmp_path, 31_000, cameras=False))
    derivative_id = order(database, session_id)
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log"))
    wait(lambda: row(database, derivative_id)["state"] == "running", what="running")
    set_state(database, derivative_id, "cancelled")
    wait(lambda: workers[0].events("derivative_failed") or workers[0].events("derivative_done"), 120, "the end")
    assert row(database, derivative_id)["state"] == "cancelled"
    wait(lambda: not work_folder(database, derivative_id).exists(), what="work folder removed")
    set_state(database, derivative_id, "queued")
    assert until(database, derivative_id, "done")["error_code"] is None


@pytest.mark.timeout(300)
def test_damage_and_absence_are_said_and_nothing_is_made(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    nothing, damaged = database.new_session(), database.new_session()
    made = sealed(store.settings, store.opened(), damaged, record(tmp_path, 31_000, cameras=False))
    store.opened().put_bytes(made.tracks[0].segments()[0].key, b"other bytes")
    ids = [order(database, nothing), order(database, damaged)]
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log"))
    found = [until(database, derivative_id, "failed")["error_code"] for derivative_id in ids]
    assert found == ["manifest_missing", "segment_damaged"]
    folder = f"{store.settings.county}/sessions/{damaged}/derivatives/"
    assert list(store.opened().list(folder)) == []
