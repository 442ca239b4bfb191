# SPDX-License-Identifier: Apache-2.0
"""Who saw and took out what: one row for a sitting, a page for those who look after the record, a paper to file."""

from __future__ import annotations

import pytest
from aiohttp import hdrs

from storage.database.models import Transcript, TranscriptLine
from storage.ids import new_id
from tests.web.sessions.house import House
from web.api import viewings as viewing
from web.api.core import DATABASE, Caller
from web.api.custody_shapes import CustodyPage
from web.api.viewings import ONE_VIEWING_S, Viewings


async def with_transcript(house: House, session_id: str) -> None:
    row = Transcript(
        id=new_id(),
        county=house.settings.county,
        session_id=session_id,
        state="done",
        language="zh",
        created_utc_ms=1,
    )
    line = {"start_ms": 0, "end_ms": 900, "peer_id": "p1", "speaker": "甲", "text": "你好。", "flags": []}
    async with house.front.app[DATABASE].begin() as db:
        db.add(row)
        await db.flush()
        db.add(TranscriptLine(transcript_id=row.id, n=0, **line))


async def test_every_reader_is_listed_once_for_a_sitting(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer", name="王警官")
    clerk = await lonely.front.signed_in("clerk", name="赵书记员")
    administrator = await lonely.front.signed_in("administrator", name="钱管理员")
    session_id = await lonely.session(officer)
    await with_transcript(lonely, session_id)
    path = f"/api/sessions/{session_id}"
    for _ in range(3):
        for browser in (officer, clerk):
            assert (await browser.get(f"{path}/transcript")).status == 200
    page = CustodyPage.model_validate((await administrator.get(f"{path}/custody")).body)
    seen = [(event.by_name, event.action) for event in page.events]
    assert seen == [
        ("钱管理员", "custody.view"),
        ("赵书记员", "transcript.view"),
        ("王警官", "transcript.view"),
    ]
    assert page.next is None
    everything = (await administrator.get(f"{path}/custody?everything=true")).body["events"]
    assert everything[-1]["action"] == "session.create"
    assert [event["seq"] for event in everything] == sorted((event["seq"] for event in everything), reverse=True)
    before = everything[1]["seq"]
    older = (await administrator.get(f"{path}/custody?everything=true&before={before}")).body["events"]
    assert older == everything[2:]


async def test_only_those_who_may_see_the_session_see_its_custody(lonely: House) -> None:
    officer = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(officer)
    assert (await officer.get(f"/api/sessions/{session_id}/custody")).status == 403
    elsewhere = lonely.front.browser()
    elsewhere.id = await lonely.front.add_account("clerk", name="外县", county="elsewhere")
    await lonely.front.sign_in(elsewhere, "account", elsewhere.id)
    for ending in ("custody", "custody.pdf"):
        assert (await elsewhere.get(f"/api/sessions/{session_id}/{ending}")).status in (401, 404)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_paper_is_a_pdf_with_its_font_and_is_itself_noted(lonely: House, language: str) -> None:
    officer = await lonely.front.signed_in("station_officer", name="王警官")
    clerk = await lonely.front.signed_in("clerk", name="赵书记员")
    session_id = await lonely.session(officer, "田埂纠纷：吴发明/苏长军")
    url = lonely.front.url.with_path(f"/api/sessions/{session_id}/custody.pdf")
    async with clerk.http.get(url, headers={hdrs.ACCEPT_LANGUAGE: language}) as answer:
        body = await answer.read()
    assert (answer.status, answer.content_type) == (200, "application/pdf")
    assert answer.headers[hdrs.CONTENT_DISPOSITION].isascii()
    assert body.startswith(b"%PDF-") and b"FontFile3" in body and len(body) < 400_000
    noted = (await clerk.get(f"/api/sessions/{session_id}/custody")).body["events"]
    assert [event["action"] for event in noted] == ["custody.view", "custody.print"]


def test_a_sitting_lasts_while_reads_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(viewing.time, "monotonic", lambda: now_s)
    caller = Caller("account", "a", "王", "clerk", "default", None, "", "en", "::1")
    viewings = Viewings()
    assert viewings.is_new(caller, "session.play", "s")
    for _ in range(20):
        now_s += ONE_VIEWING_S - 1
        assert not viewings.is_new(caller, "session.play", "s")
    assert viewings.is_new(caller, "transcript.view", "s") and viewings.is_new(caller, "session.play", "t")
    now_s += ONE_VIEWING_S
    assert viewings.is_new(caller, "session.play", "s")
    viewings.forget(caller, "session.play", "s")
    assert viewings.is_new(caller, "session.play", "s"), "what could not be noted is noted the next time"
