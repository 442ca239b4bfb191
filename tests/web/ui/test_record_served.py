# SPDX-License-Identifier: Apache-2.0
"""The record page against the real web program and the real store: what was sealed is what is played."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select, update

from storage import layout
from storage.database.models import AuditEvent, Session, Transcript, TranscriptLine
from storage.ids import new_id
from storage.manifest import Clock, Epoch, Event, Gap, Manifest, Part, Peer, Segment, Track
from storage.objects import open_store
from storage.seal import load_key, next_chain, seal
from tests.acceptance.picture import READ_NUMBER_JS
from tests.web.front import Browser as Person
from tests.web.sessions.house import House
from tests.web.ui.conftest import LENGTH_MS, PAUSE, lines
from tests.web.ui.recording import Recording
from web.api.core import DATABASE
from web.api.middleware import COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="session")
ORIGIN_UTC_MS = 1_790_000_000_000
PEERS = (Peer("st1", "永安派出所", "调解室"), Peer("hq1", "指挥中心", "县公安局"))


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path, built_pages: Path) -> AsyncIterator[House]:
    """Web with the shipped pages, and the store."""
    made = House(tmp_path / "data", built_pages)
    await made.start_store()
    await made.start_web()
    yield made
    await made.close()


def _manifest(house: House, session_id: str, recording: Recording) -> Manifest:
    county = house.settings.county
    tracks = tuple(_track(county, session_id, recording, item) for item in recording.tracks)
    manifest = Manifest(
        version=1,
        county=county,
        session_id=session_id,
        room=session_id,
        origin_utc_ms=ORIGIN_UTC_MS,
        ended_utc_ms=ORIGIN_UTC_MS + LENGTH_MS,
        software="test",
        server_boots=("b",),
        peers=PEERS,
        tracks=tracks,
        gaps=(Gap(None, *PAUSE, "paused"),),
        events=(Event(3_200, ORIGIN_UTC_MS + 3_200, "peer_joined", {"peer_id": "hq1", "name": "指挥中心"}),),
        complete=True,
    )
    return seal(manifest, load_key(house.settings.secrets_dir), ORIGIN_UTC_MS + LENGTH_MS)


def _track(county: str, session_id: str, recording: Recording, item: dict[str, Any]) -> Track:
    chain, epochs = "", []
    for epoch in item["epochs"]:
        segments = []
        for found in epoch["segments"]:
            sha256 = hashlib.sha256(recording.bytes_of(found)).hexdigest()
            chain = next_chain(chain, sha256)
            key = layout.segment_key(county, session_id, item["track_id"], epoch["epoch"], found["n"])
            parts = tuple(Part(**part) for part in found["parts"])
            times = (found["start_ms"], found["end_ms"], found["bytes"], found["header_bytes"])
            segments.append(Segment(key, found["n"], *times, sha256, "0" * 64, chain, parts, 500, 0))
        clock = Clock(epoch["timestamp_offset_ms"], epoch["rate_ppm"], 4)
        rate = 48_000 if item["kind"] == "audio" else 90_000
        span = (epoch["origin_ms"], epoch["start_ms"], epoch["end_ms"])
        epochs.append(Epoch(epoch["epoch"], epoch["codec"], rate, *span, clock, tuple(segments)))
    return Track(item["track_id"], item["peer_id"], item["source"], item["kind"], tuple(epochs))


async def sealed_session(house: House, officer: Person, recording: Recording) -> str:
    """A session that ended, was sealed, stored and transcribed; its id."""
    session_id = await house.session(officer, "张家与李家的宅基地纠纷")
    store, county = open_store(house.settings), house.settings.county
    for item in recording.tracks:
        for epoch in item["epochs"]:
            for found in epoch["segments"]:
                key = layout.segment_key(county, session_id, item["track_id"], epoch["epoch"], found["n"])
                await asyncio.to_thread(store.put_bytes, key, recording.bytes_of(found))
    key = layout.manifest_key(county, session_id)
    await asyncio.to_thread(store.put_bytes, key, _manifest(house, session_id, recording).to_bytes())
    values = {"state": "ended", "recording": "stopped", "recording_started_utc_ms": ORIGIN_UTC_MS}
    times = {"started_utc_ms": ORIGIN_UTC_MS, "ended_utc_ms": ORIGIN_UTC_MS + LENGTH_MS, "duration_ms": LENGTH_MS}
    transcript_id = new_id()
    result_key = layout.transcript_key(county, session_id, transcript_id)
    result = {"model": {"name": "base", "digest": "ab"}, "options": {}, "libraries": {}, "manifest_sha256": "cd"}
    await asyncio.to_thread(store.put_bytes, result_key, json.dumps(result).encode())
    async with house.front.app[DATABASE].begin() as db:
        changed = update(Session).where(Session.id == session_id)
        await db.execute(changed.values(**values, **times, manifest_key=key, complete=True))
        job = {"county": county, "session_id": session_id, "state": "done", "progress": 1.0, "language": "zh"}
        done = {"model": "base", "created_utc_ms": 1, "finished_utc_ms": 2, "result_key": result_key}
        db.add(Transcript(id=transcript_id, **job, **done))
        await db.flush()
        for line in lines(60):
            db.add(TranscriptLine(transcript_id=transcript_id, **{k: v for k, v in line.items() if k != "turn"}))
    return session_id


async def open_as(chromium: Browser, person: Person, session_id: str) -> tuple[BrowserContext, Page]:
    """The page of that session in a browser that is signed in as this person."""
    context = await chromium.new_context(ignore_https_errors=True, locale="zh-CN", timezone_id="Asia/Shanghai")
    url = str(person.front.url)
    cookie = {"name": COOKIE, "value": person.cookie(), "url": url, "secure": True, "httpOnly": True}
    await context.add_cookies([{**cookie, "sameSite": "Lax"}])  # type: ignore[list-item]
    page = await context.new_page()
    await page.goto(f"{url}sessions/{session_id}")
    return context, page


async def test_a_clerk_hears_and_sees_what_was_sealed(house: House, chromium: Browser, recording: Recording) -> None:
    officer = await house.front.signed_in("station_officer")
    clerk = await house.front.signed_in("clerk")
    session_id = await sealed_session(house, officer, recording)
    context, page = await open_as(chromium, clerk, session_id)
    await expect(page.locator("[data-test=certificate-state]")).to_have_text("完整")
    await page.locator("[data-test=transcript-line]").nth(10).locator(".line-text").click()
    await page.wait_for_selector("[data-test=player-play][data-state=playing]")
    await page.wait_for_timeout(1_500)
    await page.keyboard.press("Space")
    await page.wait_for_selector("[data-test=player-play][data-state=paused]")
    number, shown_ms = await page.evaluate(
        f"""async () => {{
          const video = document.querySelector("[data-test=player-video-st1]");
          return [({READ_NUMBER_JS})(video), video.currentTime * 1000];
        }}"""
    )
    assert abs(number - shown_ms * 15 / 1000) <= 2, "the picture is that of its time"
    assert shown_ms >= 60_000 / 60 * 7, "line 10 begins at 7.3 s"
    async with house.front.app[DATABASE].read() as db:
        seen = list(await db.scalars(select(AuditEvent.by_id).where(AuditEvent.action == "session.play")))
    assert seen == [clerk.id]
    await context.close()


async def test_someone_elses_session_is_not_there(house: House, chromium: Browser, recording: Recording) -> None:
    officer = await house.front.signed_in("station_officer")
    stranger = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(chromium, stranger, session_id)
    await expect(page.locator("[data-test=error-text]")).to_be_visible()
    await expect(page.locator("[data-test=record]")).to_have_count(0)
    await context.close()


async def test_a_page_of_a_session_that_has_not_begun(house: House, chromium: Browser) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(chromium, officer, session_id)
    await expect(page.locator("[data-test=record-state]")).to_have_text("没有录音录像")
    await expect(page.locator("[data-test=transcript-state]")).to_contain_text("笔录还没有")
    await context.close()
