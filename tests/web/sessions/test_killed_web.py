# SPDX-License-Identifier: Apache-2.0
"""The web program as a process of its own, killed in the middle of a call."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from storage.database.engine import open_database
from storage.database.upgrade import upgrade_database
from tests.web.front import Browser, Front
from tests.web.sessions.house import House, eventually
from web.api.core import DATABASE


async def answers(front: Front) -> bool:
    try:
        return (await front.browser().get("/readyz")).status == 200
    except (aiohttp.ClientError, OSError):
        return False


async def test_a_killed_web_costs_nobody_the_place_in_the_room(tmp_path: Path, ui_folder: Path) -> None:
    house = House(tmp_path / "data", ui_folder)
    house.settings.data_dir.mkdir(parents=True)
    upgrade_database(house.settings)
    database = open_database(house.settings)
    try:
        await house.start_mediaserver()
        await house.start_recorder()
        await house.start("web", house.settings.data_dir / "tls" / "server.crt")
        trust = ssl.create_default_context(cafile=str(house.settings.data_dir / "tls" / "ca.crt"))
        app: Any = {DATABASE: database}
        keeper: Any = None
        url = URL(f"https://127.0.0.1:{house.settings.https_port}/")
        house.front = Front(house.settings, house.clock, app, keeper, url, trust)
        await eventually(lambda: answers(house.front), 30)
        await call_through_a_kill(house, await house.front.signed_in("station_officer"))
    finally:
        for page in house.pages:
            await page.close()
        await house.front.close()
        for module in list(house.processes):
            await house.kill(module)
        await database.close()


async def call_through_a_kill(house: House, officer: Browser) -> None:
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    started = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert started.status == 200, started.body
    await house.kill("web")
    await page.closed_with()
    room = (await house.rooms())[session_id]
    assert (len(room["peers"]), room["recording"]["state"]) == (1, "on"), "the call goes on and is recorded"
    await house.start("web")
    await eventually(lambda: answers(house.front), 30)
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["state"] == "on" and detail["participants"][0]["present"]
    assert detail["recording"]["started_utc_ms"] == started.body["recording"]["started_utc_ms"]
    await page.open()
    resumed = await page.good("resume", {"version": 1, "resume_token": page.joined["resume_token"]})
    assert resumed["peer_id"] == page.joined["peer_id"], "the same place, the same transports"
    paused = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "pause"})
    assert paused.body["recording"]["state"] == "paused"
    assert (await house.rooms())[session_id]["recording"]["state"] == "paused"
