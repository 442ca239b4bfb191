# SPDX-License-Identifier: Apache-2.0
"""Ordering a composite video, watching it being made, cancelling it, taking it out; waveform and small pictures."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from storage import layout
from storage.database.models import AuditEvent, Derivative
from storage.ids import new_id
from storage.objects import open_store
from tests.web.sessions.house import House
from tests.web.sessions.test_playback import audited, put_by_hand, read
from web.api.core import DATABASE


@pytest.fixture
async def stored(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Web and the store."""
    made = House(tmp_path / "data", ui_folder)
    await made.start_store()
    await made.start_web()
    yield made
    await made.close()


async def set_row(house: House, **values: object) -> None:
    async with house.front.app[DATABASE].begin() as db:
        await db.execute(update(Derivative).values(**values))


async def test_a_composite_is_ordered_cancelled_ordered_again_and_taken_out(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk")
    stranger = await stored.front.signed_in("station_officer")
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    path = f"/api/sessions/{session_id}/composite"
    assert (await clerk.get(path)).body == {"composite": None}
    assert (await clerk.get(f"{path}.mp4")).code == "composite_not_ready"
    assert (await clerk.ask("DELETE", path, None)).code == "composite_not_under_way"
    for method in ("GET", "POST", "DELETE"):
        assert (await stranger.ask(method, path, None)).code == "session_not_found"
    assert (await stranger.get(f"{path}.mp4")).code == "session_not_found"

    ordered = await clerk.post(path)
    assert (ordered.status, ordered.body["composite"]["state"]) == (200, "queued")
    assert (await officer.post(path)).code == "composite_under_way"
    await set_row(stored, state="running", progress=0.4)
    assert (await officer.get(path)).body["composite"]["progress"] == 0.4
    assert (await officer.ask("DELETE", path, None)).body["composite"]["state"] == "cancelled"
    again = await clerk.post(path)
    assert (again.body["composite"]["state"], again.body["composite"]["progress"]) == ("queued", 0.0)

    derivative_id, data = again.body["composite"]["id"], bytes(range(256)) * 2_000
    key = layout.derived_key(stored.settings.county, session_id, derivative_id, "composite.mp4")
    await asyncio.to_thread(open_store(stored.settings).put_bytes, key, data)
    sha256 = hashlib.sha256(data).hexdigest()
    await set_row(stored, state="done", progress=1.0, result_key=key, bytes=len(data), sha256=sha256)
    assert (await officer.post(path)).code == "composite_ready"
    status, body, headers = await read(clerk, f"{path}.mp4")
    assert (status, body, headers["Content-Type"]) == (200, data, "video/mp4")
    assert headers["Content-Disposition"].isascii() and ".mp4" in headers["Content-Disposition"]
    status, body, headers = await read(clerk, f"{path}.mp4", Range="bytes=300-399")
    assert (status, body, headers["Content-Range"]) == (206, data[300:400], f"bytes 300-399/{len(data)}")
    assert (await read(clerk, f"{path}.mp4", Range=f"bytes={len(data)}-"))[0] == 416
    assert await audited(stored, "composite.download") == 1, "the range belongs to the same taking out"
    assert (await audited(stored, "composite.order"), await audited(stored, "composite.cancel")) == (2, 1)
    async with stored.front.app[DATABASE].read() as db:
        query = select(AuditEvent).where(AuditEvent.action == "composite.download")
        event = (await db.scalars(query)).one()
    assert (event.by_id, event.object_id, event.data["sha256"]) == (clerk.id, session_id, sha256)


async def test_what_is_not_sealed_cannot_be_ordered(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    session_id = await stored.session(officer)
    reply = await officer.post(f"/api/sessions/{session_id}/composite")
    assert (reply.status, reply.code) == (409, "recording_not_ready")


async def test_waveform_and_pictures_are_served_once_they_are_there_and_kept_by_the_browser(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    stranger = await stored.front.signed_in("station_officer")
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    path, county = f"/api/sessions/{session_id}/overview", stored.settings.county
    assert (await officer.get(path)).code == "overview_not_ready"
    values = {"id": new_id(), "county": county, "session_id": session_id, "kind": "overview", "options": {}}
    async with stored.front.app[DATABASE].begin() as db:
        db.add(Derivative(**values, state="done", progress=1.0, created_utc_ms=1))
    store = open_store(stored.settings)
    for name, data in (("overview.json", b'{"voices": []}'), ("sheet-000.jpg", b"picture")):
        key = layout.derived_key(county, session_id, str(values["id"]), name)
        await asyncio.to_thread(store.put_bytes, key, data)
    status, body, headers = await read(officer, path)
    assert (status, body, headers["Cache-Control"]) == (200, b'{"voices": []}', "private, max-age=86400")
    status, body, headers = await read(officer, f"{path}/0.jpg")
    assert (status, body, headers["Content-Type"]) == (200, b"picture", "image/jpeg")
    again = await read(officer, f"{path}/0.jpg", **{"If-None-Match": headers["ETag"]})
    assert (again[0], again[1]) == (304, b"")
    assert (await officer.get(f"{path}/1.jpg")).code == "not_found"
    assert (await stranger.get(path)).code == (await stranger.get(f"{path}/0.jpg")).code == "session_not_found"
    assert await audited(stored, "session.play") == 1
