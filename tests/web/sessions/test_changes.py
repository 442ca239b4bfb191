# SPDX-License-Identifier: Apache-2.0
"""The stream of changes: quick, coalesced, only for those who may see, and over when the sign-in is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from sqlalchemy import update

from storage.database.models import Session, Transcript
from storage.ids import new_id
from tests.web.front import Browser
from tests.web.sessions.house import House
from web.api.core import DATABASE
from web.api.session_shapes import SessionDetail, SessionSummary
from web.casework.visibility import Viewer
from web.sessions.live import MAX_PAGES_OF_ONE, MAX_WAITING, Page


class Stream:
    """An open EventSource."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._events = self._read()

    async def _read(self) -> AsyncIterator[tuple[str, Any]]:
        event = ""
        async for line in self._response.content:
            text = line.decode().rstrip("\r\n")
            if text.startswith("event: "):
                event = text.removeprefix("event: ")
            elif text.startswith("data: "):
                yield event, json.loads(text.removeprefix("data: "))

    async def next(self, within_s: float = 5.0) -> tuple[str, Any]:
        """The next event; StopAsyncIteration at the end of the stream."""
        return await asyncio.wait_for(anext(self._events), within_s)

    async def until(self, event: str, within_s: float = 8.0) -> Any:
        """Data of the next event of that name."""
        async with asyncio.timeout(within_s):
            while (found := await self.next(within_s))[0] != event:
                pass
        return found[1]


async def listen(browser: Browser, query: str = "") -> Stream:
    response = await browser.http.get(f"{browser.front.url}api/events{query}")
    assert response.status == 200
    stream = Stream(response)
    assert (await stream.next())[0] == "hello"
    return stream


async def test_a_change_is_told_within_a_second_and_many_are_one(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    clerk = await lonely.front.signed_in("clerk")
    stream = await listen(clerk)
    session_id = await lonely.session(officer)
    started_s = time.monotonic()
    told = SessionSummary.model_validate(await stream.until("session"))
    assert told.id == session_id
    for number in range(20):
        lonely.running.live.changed(session_id)
        await officer.patch(f"/api/sessions/{session_id}", {"title": f"第{number}次"})
    counted = 0
    while (await stream.until("session"))["title"] != "第19次":
        counted += 1
    assert counted <= 2 * (time.monotonic() - started_s) + 1, "at most twice a second"


async def test_one_sessions_page_gets_its_whole_state_at_once_and_then_every_change(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(officer)
    stream = await listen(officer, f"?session={session_id}")
    first = SessionDetail.model_validate(await stream.until("session"))
    assert first.participants == []
    await lonely.listed(officer, session_id, "吴发明")
    second = SessionDetail.model_validate(await stream.until("session"))
    assert second.participants[0].me, "as this viewer sees it"
    assert second.participants[0].attendees[0].name == "吴发明"


async def test_nobody_hears_of_sessions_that_do_not_exist_for_them(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    stranger = await lonely.front.signed_in("station_officer")
    expert = await lonely.front.signed_in("hq_officer")
    streams = {name: await listen(who) for name, who in (("stranger", stranger), ("expert", expert))}
    session_id = await lonely.session(officer)
    assert (await streams["expert"].until("session"))["id"] == session_id
    await officer.post(f"/api/sessions/{session_id}/end")
    assert await streams["expert"].until("gone") == {"id": session_id}, "it is none of the expert's any more"
    own = await lonely.session(stranger, "自己的")
    assert (await streams["stranger"].until("session"))["id"] == own, "nothing of the other's came before"
    refused = await stranger.get(f"/api/events?session={session_id}")
    assert (refused.status, refused.code) == (404, "session_not_found")


async def test_the_stream_ends_with_the_sign_in(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    stream = await listen(officer)
    assert (await officer.post("/api/sign-out")).status == 200
    assert await stream.until("me") == {}
    assert [event async for event in stream._events] == [], "and that was the end"


async def test_the_workers_progress_is_told_although_it_only_writes_rows(lonely: House) -> None:
    clerk = await lonely.front.signed_in("clerk")
    officer = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(officer)
    transcript_id = new_id()
    async with lonely.front.app[DATABASE].begin() as db:
        db.add(
            Transcript(
                id=transcript_id,
                county=lonely.settings.county,
                session_id=session_id,
                state="queued",
                language="zh",
                created_utc_ms=1,
            )
        )
    stream = await listen(clerk)
    assert (await stream.until("session"))["transcript"]["state"] == "queued"
    for state, progress in (("running", 0.4), ("done", 1.0)):
        async with lonely.front.app[DATABASE].begin() as db:
            values = {"state": state, "progress": progress}
            await db.execute(update(Transcript).where(Transcript.id == transcript_id).values(**values))
        told = await stream.until("session")
        assert (told["transcript"]["state"], told["transcript"]["progress"]) == (state, progress)


async def test_pages_hear_that_the_recorder_is_away(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(officer)
    async with lonely.front.app[DATABASE].begin() as db:
        values = {"state": "live", "recording": "on", "recording_started_utc_ms": 1}
        await db.execute(update(Session).where(Session.id == session_id).values(**values))
    stream = await listen(officer)
    told = await stream.until("session", 30)
    while told["recording"]["warning"] != "recorder_away":  # the store, which is away too, may be missed first
        assert told["recording"]["warning"] == "store_away"
        told = await stream.until("session", 30)
    assert told["recording"]["state"] == "on"


async def test_one_browser_may_not_take_all_streams(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    other = await lonely.front.signed_in("station_officer")
    streams = [await listen(officer) for _ in range(MAX_PAGES_OF_ONE)]
    refused = await officer.get("/api/events")
    assert (refused.status, refused.code) == (503, "too_many_pages")
    streams.append(await listen(other))


def test_a_page_that_does_not_read_is_let_go_at_the_limit() -> None:
    page = Page(Viewer("account", "a", "clerk", "c", None), "hash", None)
    for number in range(MAX_WAITING):
        page.offer(str(number), {"id": number})
        page.offer(str(number), {"id": number, "again": True})
    assert not page.ended, "only the newest state of each session waits"
    page.offer("one more", {"id": "one more"})
    assert page.ended
