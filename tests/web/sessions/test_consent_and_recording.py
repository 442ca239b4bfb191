# SPDX-License-Identifier: Apache-2.0
"""Who may be recorded, from the button to the mediaserver's own word, with real programs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import select

from storage.database.models import Consent
from tests.web.front import Browser, Reply
from tests.web.sessions.house import House, until
from web.api.core import DATABASE
from web.api.session_shapes import SessionDetail


async def press(browser: Browser, session_id: str, step: str) -> Reply:
    return await browser.post(f"/api/sessions/{session_id}/recording", {"step": step})


async def ordered(house: House, session_id: str) -> str:
    """What the mediaserver does with the room's media."""
    return str((await house.rooms())[session_id]["recording"]["state"])


async def test_recording_starts_only_after_everyone_present_agreed(house: House) -> None:
    officer = await house.front.signed_in("station_officer", name="王警官")
    session_id = await house.session(officer)
    nobody = await press(officer, session_id, "start")
    assert (nobody.status, nobody.code) == (409, "nobody_present")
    people = await house.listed(officer, session_id, "吴发明", "苏长军")
    await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["state"] == "live" and d["participants"][0]["present"])
    refused = await press(officer, session_id, "start")
    assert (refused.status, refused.code) == (409, "consent_missing")
    assert refused.body["error"]["params"] == {"names": ["吴发明", "苏长军"]}
    assert "吴发明" in refused.body["error"]["message"]
    for attendee_id in people:
        await house.say(officer, session_id, attendee_id, True)
    started = await press(officer, session_id, "start")
    assert started.status == 200, started.body
    SessionDetail.model_validate(started.body)
    assert started.body["recording"]["state"] == "on"
    assert started.body["recording"]["started_utc_ms"] is not None
    assert await ordered(house, session_id) == "on"
    async with house.front.app[DATABASE].read() as db:
        rows = list(await db.scalars(select(Consent).where(Consent.session_id == session_id)))
    assert [(row.name, row.agreed, row.by_name) for row in rows] == [
        ("吴发明", True, "王警官"),
        ("苏长军", True, "王警官"),
    ]


async def test_a_withdrawal_pauses_at_once_and_stays_in_the_rows(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    (person,) = await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    assert (await press(officer, session_id, "start")).status == 200
    withdrawn = await house.say(officer, session_id, person, False)
    assert withdrawn.body["recording"]["state"] == "paused"
    assert withdrawn.body["recording"]["reason"] == "consent_withdrawn"
    assert withdrawn.body["missing_consents"] == ["吴发明"]
    assert await ordered(house, session_id) == "paused", "the answer comes after the order"
    again = await press(officer, session_id, "resume")
    assert again.code == "consent_missing"
    await house.say(officer, session_id, person, True)
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["state"] == "paused", "nothing resumes by itself"
    assert (await press(officer, session_id, "resume")).body["recording"]["state"] == "on"
    assert await ordered(house, session_id) == "on"
    said = [event["data"]["agreed"] for event in detail["events"] if event["type"] == "consent"]
    assert said == [True, False, True]


async def test_who_joins_a_recorded_session_agrees_before_a_token(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    expert = await house.front.signed_in("hq_officer", name="李专家")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    assert (await press(officer, session_id, "start")).status == 200
    refused = await expert.post(f"/api/sessions/{session_id}/join")
    assert (refused.status, refused.code) == (409, "consent_required")
    assert refused.body["error"]["params"] == {"names": ["李专家"]}
    await house.consented(expert, session_id, "李专家")
    await house.enter(expert, session_id)
    detail = await house.wait(officer, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    assert detail["recording"]["state"] == "on"
    # Somebody new sits down there: nobody asked that person yet.
    people = [{"name": "李专家", "kind": "officer"}, {"name": "旁听人", "kind": "other"}]
    reply = await expert.put(f"/api/sessions/{session_id}/attendees", {"people": people})
    assert reply.body["recording"]["state"] == "paused"
    assert await ordered(house, session_id) == "paused"


async def test_a_token_from_before_the_start_does_not_let_anybody_in_unasked(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    expert = await house.front.signed_in("hq_officer", name="李专家")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    early = await expert.post(f"/api/sessions/{session_id}/join")
    assert early.status == 200
    await house.wait(officer, session_id, lambda d: any(p["present"] for p in d["participants"]))
    assert (await press(officer, session_id, "start")).status == 200
    late = house.page(expert, session_id)
    await late.join(early.body["token"])
    detail = await house.wait(officer, session_id, lambda d: d["recording"]["state"] == "paused")
    assert detail["missing_consents"] == ["李专家"]


async def test_two_people_press_start(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    expert = await house.front.signed_in("hq_officer")
    session_id = await house.session(officer)
    for browser, name in ((officer, "吴发明"), (expert, "李专家")):
        await house.consented(browser, session_id, name)
    for browser in (officer, expert):
        await house.enter(browser, session_id)
    await house.wait(officer, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    both = await asyncio.gather(press(officer, session_id, "start"), press(expert, session_id, "start"))
    assert [reply.status for reply in both] == [200, 200]
    detail = await house.detail(officer, session_id)
    assert [event["type"] for event in detail["events"]].count("recording_started") == 1


async def test_a_renamed_person_takes_no_consent_along(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    (person,) = await house.consented(officer, session_id, "吴发明")
    body = {"people": [{"id": person, "name": "苏长军", "kind": "party"}]}
    reply = await officer.put(f"/api/sessions/{session_id}/attendees", body)
    (now,) = reply.body["participants"][0]["attendees"]
    assert (now["name"], now["agreed"], now["id"] == person) == ("苏长军", None, False)
    stranger = await house.front.signed_in("hq_officer")
    foreign = await house.say(stranger, session_id, now["id"], True)
    assert foreign.code == "attendee_not_found", "only the endpoint where the person sits"
    stale: Any = {"attendee_id": now["id"], "agreed": True, "text_version": "2020-01-01"}
    assert (await officer.post(f"/api/sessions/{session_id}/consents", stale)).code == "consent_text_changed"


async def test_without_a_recorder_nothing_says_that_it_records(house: House) -> None:
    await house.kill("mediaserver.recorder")
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    await until(lambda: house.running.recorder.away)
    refused = await press(officer, session_id, "start")
    assert (refused.status, refused.code) == (503, "recorder_away")
    assert (await house.detail(officer, session_id))["recording"]["state"] == "off"


async def test_a_full_disk_lets_nobody_start(tmp_path: Path, ui_folder: Path) -> None:
    house = House(tmp_path / "data", ui_folder, disk_low_bytes=10**18, disk_full_bytes=10**18)
    await house.start_mediaserver()
    await house.start_recorder()
    await house.start_web()
    try:
        officer = await house.front.signed_in("station_officer")
        session_id = await house.session(officer)
        await house.consented(officer, session_id, "吴发明")
        await house.enter(officer, session_id)
        await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
        refused = await press(officer, session_id, "start")
        assert (refused.status, refused.code) == (507, "disk_full")
        assert await ordered(house, session_id) == "off"
    finally:
        await house.close()
