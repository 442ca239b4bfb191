# SPDX-License-Identifier: Apache-2.0
"""Peaks and small pictures, made by the worker of itself once a session is sealed."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from sqlalchemy import select, update

from storage import layout
from storage.database.models import Derivative, Session
from tests.acceptance.picture import read_number
from tests.embedded_store import EmbeddedStore, wait
from tests.transcribe.derive.recorded import LATE_MS, PAUSE, record, sealed
from tests.transcribe.installation import Database, WorkerProcess
from tests.web.ui.recording import number_at
from transcribe.derive.grid import Rect, grid
from transcribe.derive.overview import HEIGHT, PICTURE_LATER_MS, WIDTH

LENGTH_MS = 41_000


@pytest.mark.timeout(300)
def test_an_overview_is_made_without_being_asked_for(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "installation")
    store.start()
    database = Database(store.settings)
    session_id = database.new_session()
    sealed(store.settings, store.opened(), session_id, record(tmp_path, LENGTH_MS))
    key = layout.manifest_key(store.settings.county, session_id)
    with database.engine.begin() as link:
        link.execute(update(Session).where(Session.id == session_id).values(manifest_key=key))
    worker = WorkerProcess(store.settings, tmp_path / "worker.log")
    try:
        wait(lambda: worker.events("derivative_done"), 200, "the overview")
        with database.engine.begin() as link:
            row = link.execute(select(Derivative.__table__)).one()
        assert (row.kind, row.state, row.session_id) == ("overview", "done", session_id)
        overview = json.loads(store.opened().read_bytes(row.result_key))
        check_peaks(overview)
        check_pictures(overview, store.opened().read_bytes(row.result_key.replace("overview.json", "sheet-000.jpg")))
        recipe = json.loads(store.opened().read_bytes(row.result_key.replace("overview.json", "recipe.json")))
        assert recipe["manifest_sha256"] == store.opened().stat(key).sha256
    finally:
        worker.kill()
        store.stop()


def check_peaks(overview: dict[str, Any]) -> None:
    assert overview["duration_ms"] == pytest.approx(LENGTH_MS, abs=40)
    peaks = {
        voice["track_id"]: np.frombuffer(base64.b64decode(voice["peaks"]), np.uint8) for voice in overview["voices"]
    }
    assert set(peaks) == {"st1-mic", "hq1-mic"}
    station, late = peaks["st1-mic"], peaks["hq1-mic"]
    assert len(station) == len(late) == pytest.approx(LENGTH_MS // 50, abs=1)
    assert station[5 : PAUSE[0] // 50 - 5].min() > 70, "the tone has 0.37 of full scale"
    assert station[PAUSE[0] // 50 + 5 : PAUSE[1] // 50 - 5].max() == 0, "a pause is silent"
    assert station[PAUSE[1] // 50 + 5 : LENGTH_MS // 50 - 5].min() > 70, "at session time, whatever the files say"
    assert late[: LATE_MS // 50 - 2].max() == 0 and late[LATE_MS // 50 + 5] > 70


def check_pictures(overview: dict[str, Any], sheet: bytes) -> None:
    assert (overview["pictures"]["count"], overview["pictures"]["sheets"]) == (5, 1)
    with av.open(io.BytesIO(sheet)) as box:
        luma = next(box.decode(video=0)).to_ndarray(format="gray")
    assert luma.shape == (HEIGHT, WIDTH * 10)
    pictures = [luma[:, n * WIDTH : (n + 1) * WIDTH] for n in range(5)]
    for n in (0, 3, 4):
        assert abs(read_number(pictures[n][2:-2, 2:-2]) - number_at(n * 10_000 + PICTURE_LATER_MS)) <= 1, n
    for cell in grid(2, Rect(0, 0, WIDTH, HEIGHT)):
        half = pictures[1][cell.y : cell.y + cell.height, cell.x : cell.x + cell.width]
        assert half.max() > 180, "two people at 10.5 s"
    assert pictures[2].max() < 60, "the pause is dark"
