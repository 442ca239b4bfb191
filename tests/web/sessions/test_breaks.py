# SPDX-License-Identifier: Apache-2.0
"""Why a recording was paused: from the button to the rows, the mediaserver and who listens."""

from __future__ import annotations

import pytest

from tests.web.front import Browser, Reply
from tests.web.sessions.house import House
from web.casework.breaks import LONGEST_REASON


async def press(browser: Browser, session_id: str, step: str, reason: str = "") -> Reply:
    return await browser.post(f"/api/sessions/{session_id}/recording", {"step": step, "reason": reason})


async def recorded(house: House) -> tuple[Browser, str]:
    officer = await house.front.signed_in("station_officer", name="王警官")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    assert (await press(officer, session_id, "start")).status == 200
    return officer, session_id


async def test_break_and_resume_keep_their_reasons(house: House) -> None:
    officer, session_id = await recorded(house)
    paused = await press(officer, session_id, "pause", "  等吴家老人到场 ")
    assert paused.body["recording"]["reason"] == "等吴家老人到场"
    room = (await house.rooms())[session_id]["recording"]
    assert (room["state"], room["reason"]) == ("paused", "等吴家老人到场"), "sealed with the order"
    again = await press(officer, session_id, "pause", "rest")
    assert again.body["recording"]["reason"] == "等吴家老人到场", "the second press changes nothing"
    resumed = await press(officer, session_id, "resume", "人到齐了")
    assert resumed.body["recording"]["state"] == "on"
    assert (await house.rooms())[session_id]["recording"]["reason"] == "人到齐了"
    kept = [
        (event["type"], event["data"]["reason"], event["data"]["by"]["name"])
        for event in resumed.body["events"]
        if event["type"] in ("recording_paused", "recording_resumed")
    ]
    assert kept == [("recording_paused", "等吴家老人到场", "王警官"), ("recording_resumed", "人到齐了", "王警官")]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("", 200),
        ("长" * LONGEST_REASON, 200),
        ("长" * (LONGEST_REASON + 1), 400),
        ("一\n二", 400),
        ("consent_withdrawn", 400),
        ("consent_missing", 400),
        ("rest", 200),
    ],
)
async def test_a_reason_has_an_edge_and_none_is_put_into_the_rules_mouth(
    house: House, reason: str, status: int
) -> None:
    officer, session_id = await recorded(house)
    reply = await press(officer, session_id, "pause", reason)
    assert reply.status == status, reply.body
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["state"] == ("paused" if status == 200 else "on")


async def test_who_does_not_lead_gives_no_reason(house: House) -> None:
    _, session_id = await recorded(house)
    for role in ("clerk", "administrator"):
        reader = await house.front.signed_in(role)
        assert (await press(reader, session_id, "pause", "rest")).status == 403
    stranger = await house.front.signed_in("station_officer", name="外所民警")
    assert (await press(stranger, session_id, "pause", "rest")).status == 404
