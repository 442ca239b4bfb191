# SPDX-License-Identifier: Apache-2.0
"""A mediaserver dies with events that the recorder, dead as well, had not got: the record gets them all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.web.sessions.house import House, until


def on_disk(house: House, session_id: str) -> list[tuple[str, str]]:
    """Type of each event that the recorder has written down, and its label or name."""
    journal = house.settings.spool_dir / house.settings.county / "sessions" / session_id / "journal.jsonl"
    written = journal.read_bytes() if journal.exists() else b""
    lines: list[dict[str, Any]] = [json.loads(line) for line in written.splitlines()]
    return [
        (line["type"], str(line["data"].get("label") or line["data"].get("name")))
        for line in lines
        if line["t"] == "event" and line["type"] in ("consent", "marker")
    ]


async def test_what_died_with_the_mediaserver_is_told_again(tmp_path: Path, ui_folder: Path) -> None:
    house = House(tmp_path / "data", ui_folder)
    await house.start_mediaserver()
    await house.start_recorder()
    await house.start_web()
    try:
        host = await house.front.signed_in("station_officer", name="刘卫国")
        session_id = await house.session(host)
        people = await house.consented(host, session_id, "吴发明")
        await house.enter(host, session_id)
        await house.wait(host, session_id, lambda d: d["participants"][0]["present"])
        assert (await host.post(f"/api/sessions/{session_id}/recording", {"step": "start"})).status == 200

        async def mark(label: str) -> None:
            reply = await host.post(f"/api/sessions/{session_id}/marks", {"kind": "marker", "label": label})
            assert reply.status == 200, reply.body

        await mark("一")
        before = [("consent", "吴发明"), ("marker", "一")]
        await until(lambda: on_disk(house, session_id) == before)
        await house.kill("mediaserver.recorder")
        await mark("二")
        assert (await house.say(host, session_id, people[0], False)).status == 200
        await house.kill("mediaserver")
        await house.start_mediaserver()
        await house.start_recorder()
        expected = [*before, ("marker", "二"), ("consent", "吴发明")]
        await until(lambda: on_disk(house, session_id) == expected, 20)
    finally:
        await house.close()
