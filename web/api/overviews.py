# SPDX-License-Identifier: Apache-2.0
"""Waveform and small pictures of a sealed recording, for the player's bar. They show the record: viewing is audited."""

from __future__ import annotations

import hashlib
from typing import Final

from aiohttp import hdrs, web

from storage.layout import derived_key
from storage.objects import ObjectMissing
from web.api.core import CALLER, DATABASE, SIGNED_IN, ApiFault, open_to
from web.api.playback import needing_store
from web.api.sessions import viewer_of
from web.api.viewings import note_viewing
from web.casework.refusal import Refused
from web.casework.visibility import may_see
from web.sessions.derivatives import derivative_of
from web.sessions.rows import load_one
from web.sessions.running import RUNNING

KEPT: Final = "private, max-age=86400"
"""The browser of whoever was shown them may keep them for a day; nobody between may."""


@open_to(SIGNED_IN)
async def overview(request: web.Request) -> web.Response:
    """Peaks of each voice and how the sheets of pictures are cut: overview_not_ready {state}."""
    return await _answer(request, "overview.json", "application/json")


@open_to(SIGNED_IN)
async def sheet(request: web.Request) -> web.Response:
    """One sheet of small pictures."""
    return await _answer(request, f"sheet-{int(request.match_info['sheet']):03d}.jpg", "image/jpeg")


async def _answer(request: web.Request, name: str, content_type: str) -> web.Response:
    viewer, session_id = viewer_of(request[CALLER]), request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, session_id)
        if rows is None or not may_see(viewer, rows.facts(viewer)):
            raise Refused("session_not_found")
        row = await derivative_of(db, session_id, "overview")
    if row is None or row.state != "done":
        raise ApiFault(409, "overview_not_ready", {"state": "none" if row is None else row.state})
    key = derived_key(rows.session.county, session_id, row.id, name)
    with needing_store():
        try:
            data = await request.app[RUNNING].store.read_bytes(key)
        except ObjectMissing:
            raise ApiFault(404, "not_found") from None
    await note_viewing(request, session_id)
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {hdrs.CACHE_CONTROL: KEPT, hdrs.ETAG: etag}
    if request.headers.get(hdrs.IF_NONE_MATCH) == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type=content_type, headers=headers)


def add_routes(app: web.Application) -> None:
    """Overviews of sessions."""
    path = "/api/sessions/{session_id}/overview"
    app.router.add_get(path, overview, allow_head=False)
    app.router.add_get(path + r"/{sheet:\d{1,3}}.jpg", sheet, allow_head=False)
