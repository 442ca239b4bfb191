# SPDX-License-Identifier: Apache-2.0
"""Readiness and figures."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy.ext.asyncio import create_async_engine

from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.http import Door
from mediaserver.shell.transport import Hub
from storage.database.engine import Database
from storage.settings import Settings
from tests.web.front import Front
from web.api.core import CALLER, COUNTERS, DATABASE, SETTINGS, ApiFault, Caller, Counters
from web.api.health import metrics, readyz


async def test_ready_with_database_and_mediaserver_and_without_a_store(front: Front) -> None:
    browser = front.browser()
    assert (await browser.get("/readyz")).body == {"ready": False, "database": True, "mediaserver": False}
    run = front.settings.run_dir
    run.mkdir()
    runner = web.AppRunner(
        Door(Hub(["127.0.0.1"], 0), FeedServer(), front.settings.secrets_dir, Path("none")).application()
    )
    await runner.setup()
    await web.UnixSite(runner, str(run / "media.sock")).start()
    try:
        reply = await browser.get("/readyz")
        assert (reply.status, reply.body) == (200, {"ready": True, "database": True, "mediaserver": True})
    finally:
        await runner.cleanup()
    assert (await browser.get("/readyz")).status == 503


async def test_not_ready_without_its_database(tmp_path: Path) -> None:
    app = web.Application()
    app[SETTINGS] = Settings(data_dir=tmp_path)
    app[DATABASE] = Database(create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'no' / 'such' / 'folder.sqlite'}"))
    app[COUNTERS] = Counters()
    response = await readyz(make_mocked_request("GET", "/readyz", app=app))
    assert response.status == 503
    await app[DATABASE].close()
    for thread in threading.enumerate():  # the driver's thread of the failed connection still talks to this loop
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_answers_and_refusals_are_counted(front: Front) -> None:
    browser = front.browser()
    await browser.post("/api/sign-in", {"username": "nobody", "password": "x"})
    await browser.get("/sessions/abc")
    text = (await browser.get("/metrics")).body
    assert 'videohome_web_events_total{event="bad_credentials"} 1.0' in text
    assert 'videohome_web_requests_total{method="POST",route="/api/sign-in",status="401"} 1.0' in text
    assert "abc" not in text, "addresses that people type make no series of their own"


@pytest.mark.parametrize(
    ("role", "address", "allowed"),
    [
        ("anonymous", "127.0.0.1", True),
        ("anonymous", "::1", True),
        ("anonymous", "192.0.2.1", False),
        ("clerk", "192.0.2.1", False),
        ("administrator", "192.0.2.1", True),
        ("anonymous", "", False),
    ],
)
async def test_figures_are_for_this_machine_and_administrators(role: str, address: str, allowed: bool) -> None:
    app = web.Application()
    app[COUNTERS] = Counters()
    request = make_mocked_request("GET", "/metrics", app=app)
    request[CALLER] = Caller("account", "", "", role, "default", None, "", "en", address)
    if allowed:
        assert (await metrics(request)).status == 200
    else:
        with pytest.raises(ApiFault, match="forbidden"):
            await metrics(request)
