# SPDX-License-Identifier: Apache-2.0
"""Restarts, kills and silence: the session is what really happens, and nothing that was ordered is forgotten."""

from __future__ import annotations

import time

from sqlalchemy import select, update

from storage.database.models import Session
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House, eventually, until
from web.api.core import DATABASE
from web.casework.sessions import EMPTY_GRACE_MS, LOST_GRACE_MS, OPEN_FOR_MS


async def recorded_call(house: House) -> tuple[Browser, str, FrontPage]:
    """An officer alone in a session that is being recorded."""
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    reply = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    return officer, session_id, page


async def version(house: House, session_id: str) -> int:
    async with house.front.app[DATABASE].read() as db:
        found = await db.scalar(select(Session.recording_version).where(Session.id == session_id))
    assert found is not None
    return found


async def test_presence_follows_the_room(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    assert (await house.detail(officer, session_id))["state"] == "open"
    page = await house.enter(officer, session_id)
    detail = await house.wait(officer, session_id, lambda d: d["state"] == "live")
    assert detail["participants"][0]["present"] and detail["started_utc_ms"] is not None
    await page.good("leave", {})
    detail = await house.wait(officer, session_id, lambda d: not d["participants"][0]["present"])
    assert detail["state"] == "live", "it waits for its people for a while"
    assert [event["type"] for event in detail["events"]][-2:] == ["peer_joined", "peer_left"]


async def test_an_empty_session_ends_by_itself_and_its_room_is_closed(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    await page.good("leave", {})
    await house.wait(officer, session_id, lambda d: not d["participants"][0]["present"])
    house.clock.forward(EMPTY_GRACE_MS)
    detail = await house.wait(officer, session_id, lambda d: d["state"] == "ended")
    assert detail["events"][-1]["data"]["reason"] == "everybody_left" or any(
        event["data"].get("reason") == "everybody_left" for event in detail["events"]
    )
    assert detail["recording"]["state"] in ("stopped", "uploading")
    await eventually(lambda: gone(house, session_id))
    refused = await officer.post(f"/api/sessions/{session_id}/join")
    assert (refused.status, refused.code) == (409, "session_ended")


async def gone(house: House, session_id: str) -> bool:
    return session_id not in await house.rooms()


async def test_ending_by_hand_sends_everybody_home_and_twice_is_no_fault(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    for _ in range(2):
        reply = await officer.post(f"/api/sessions/{session_id}/end")
        assert (reply.status, reply.body["state"]) == (200, "ended")
    assert await page.closed_with() == 1000
    assert await gone(house, session_id)
    assert reply.body["recording"]["state"] in ("stopped", "uploading", "sealed"), "how far the recorder is by now"
    late = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "resume"})
    assert late.code == "session_ended"


async def test_a_killed_mediaserver_gets_its_rooms_back_before_the_pages_come(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    waiting = await house.session(officer, "还没有人")
    await officer.post(f"/api/sessions/{waiting}/join")
    before = await version(house, session_id)
    await house.kill("mediaserver")
    assert await page.closed_with() == 1012, "come back"
    away = await officer.post(f"/api/sessions/{session_id}/join")
    assert (away.status, away.code) == (503, "media_away")
    assert (await house.detail(officer, session_id))["recording"]["state"] == "on", "the order still stands"
    started_s = time.monotonic()
    await house.start_mediaserver()

    async def back() -> bool:
        return {session_id, waiting} <= set(await house.rooms())

    await eventually(back)
    assert time.monotonic() - started_s < 9, "pages come back within 10 s"
    assert (await house.rooms())[session_id]["recording"]["state"] == "on"
    assert await version(house, session_id) == before, "the same order, no new one"
    await house.enter(officer, session_id)
    detail = await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    assert detail["state"] == "live"


async def test_people_lost_with_the_mediaserver_have_longer_to_come_back(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    await house.kill("mediaserver")
    await page.closed_with()
    await house.start_mediaserver()
    await house.wait(officer, session_id, lambda d: not d["participants"][0]["present"])
    house.clock.forward(EMPTY_GRACE_MS)
    await house.running.keeper.tick()
    assert (await house.detail(officer, session_id))["state"] == "live"
    house.clock.forward(LOST_GRACE_MS)
    await house.wait(officer, session_id, lambda d: d["state"] == "ended")


async def test_a_session_that_ended_while_the_mediaserver_was_dead_is_stopped_when_it_is_back(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    await house.wait(officer, session_id, lambda d: d["recording"]["since_utc_ms"])
    await house.kill("mediaserver")
    await page.closed_with()
    reply = await officer.post(f"/api/sessions/{session_id}/end")
    assert (reply.status, reply.body["state"]) == (200, "ended")
    await house.start_mediaserver()
    # The recorder hears of the end through the new mediaserver only.
    await house.wait(officer, session_id, lambda d: d["recording"]["state"] in ("uploading", "sealed"), 30)
    assert await gone(house, session_id)


async def test_web_restarts_and_forgets_nothing(house: House) -> None:
    officer, session_id, page = await recorded_call(house)
    paused = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "pause", "reason": "休息"})
    assert paused.body["recording"]["state"] == "paused"
    before = await version(house, session_id)
    officer_id = officer.id
    await house.stop_web()
    assert await page.closed_with() == 1012, "come back, you have not left"
    assert [peer["state"] for peer in (await house.rooms())[session_id]["peers"]] == ["connected"]
    await house.start_web()
    officer = house.front.browser()
    await house.front.sign_in(officer, "account", officer_id)
    assert await version(house, session_id) == before
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["state"] == "paused" and detail["recording"]["reason"] == "休息"
    assert detail["participants"][0]["present"]
    page.browser, page.http = officer, officer.http
    await page.open()
    resumed = await page.good("resume", {"version": 1, "resume_token": page.joined["resume_token"]})
    assert resumed["peer_id"] == detail["participants"][0]["peer_id"]
    assert resumed["room"]["recording"]["state"] == "paused"
    again = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "resume"})
    assert again.body["recording"]["state"] == "on"
    assert await version(house, session_id) == before + 1


async def test_a_room_that_no_session_stands_behind_is_closed(house: House) -> None:
    _, session_id, _ = await recorded_call(house)
    async with house.front.app[DATABASE].begin() as db:
        ended = update(Session).where(Session.id == session_id).values(state="ended", ended_utc_ms=1)
        await db.execute(ended)
    await house.stop_web()
    await house.start_web()
    await eventually(lambda: gone(house, session_id))


async def test_a_start_that_could_not_be_ordered_does_not_come_true_later(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    await house.kill("mediaserver")
    refused = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert (refused.status, refused.code) == (503, "media_away")
    assert (await house.detail(officer, session_id))["recording"]["state"] == "off"
    await house.start_mediaserver()

    async def back() -> bool:
        return session_id in await house.rooms()

    await eventually(back)
    await until(lambda: house.running.media.up and not house.running.delivery.undelivered)
    assert (await house.rooms())[session_id]["recording"]["state"] == "off"


async def test_a_session_that_nobody_entered_ends_after_a_day(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    house.clock.forward(OPEN_FOR_MS - 60_000)
    await house.front.sign_in(officer, "account", officer.id)
    await house.running.keeper.tick()
    assert (await house.detail(officer, session_id))["state"] == "open"
    house.clock.forward(60_000)
    await house.wait(officer, session_id, lambda d: d["state"] == "ended")
