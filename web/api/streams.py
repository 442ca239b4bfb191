# SPDX-License-Identifier: Apache-2.0
"""What stays open: the pages' signalling into a room, and the stream of changes."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp_sse import sse_response

from web.api.core import CALLER, COUNTERS, DATABASE, SIGNED_IN, ApiFault, open_to
from web.api.sessions import viewer_of
from web.casework.refusal import Refused
from web.casework.sessions import SessionState
from web.casework.visibility import JOINING_ROLES, may_see
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.media.relay import CLOSE_ENDED, CLOSE_RESTART, CLOSE_TRY_LATER, CLOSE_UNKNOWN_ROOM
from web.sessions.live import TooManyPages
from web.sessions.rows import load_one
from web.sessions.running import RUNNING

STREAM_LIFE_S: Final = 600.0
"""A stream of changes ends after this and the browser opens it again: rights are looked at anew."""
RETRY_MS: Final = 2_000
PING_EVERY_S: Final = 15.0


@open_to(JOINING_ROLES)
async def signalling(request: web.Request) -> web.StreamResponse:
    """WebSocket into the session's room. Close codes: the mediaserver's own, and

    4004 no such session for this caller, 1000 it has ended, 1012 the mediaserver restarts (come back), 1013 too many,
    4002 removed, 4005 not let in.
    """
    caller, running = request[CALLER], request.app[RUNNING]
    session_id, viewer = request.match_info["session_id"], viewer_of(request[CALLER])
    page = running.relays.page_socket()
    if not page.can_prepare(request).ok:
        raise ApiFault(400, "websocket_expected")
    await page.prepare(request)
    if running.relays.is_full(caller.sign_in):
        return await _refuse(request, page, CLOSE_TRY_LATER, "too_many_sockets")
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, session_id)
    mine = rows.own(viewer) if rows is not None else None
    if rows is None or mine is None or not may_see(viewer, rows.facts(viewer)):
        return await _refuse(request, page, CLOSE_UNKNOWN_ROOM, "session_not_found")
    if rows.session.state == SessionState.ENDED.value:
        return await _refuse(request, page, CLOSE_ENDED, "session_ended")
    try:
        # After a restart of the mediaserver the page may be back before our own link is.
        await running.media.put_room(running.delivery.room_order(rows.session))
        media = await running.media.signalling(session_id)
    except (MediaAway, MediaRefused):
        return await _refuse(request, page, CLOSE_RESTART, "media_away")
    await running.relays.relay(page, media, caller.sign_in, session_id, mine.id)
    return page


async def _refuse(request: web.Request, page: web.WebSocketResponse, code: int, word: str) -> web.WebSocketResponse:
    """Browsers hide why an upgrade was refused from their pages; a close code they show."""
    request.app[COUNTERS].count(f"signalling_refused_{word}")
    await page.close(code=code, message=word.encode())
    return page


@open_to(SIGNED_IN)
async def events(request: web.Request) -> web.StreamResponse:
    """Server-Sent Events: `session` with a Summary (with ?session=ID a Detail), `gone` {id}, `me` when signed out."""
    caller, running = request[CALLER], request.app[RUNNING]
    viewer = viewer_of(caller)
    session_id = request.query.get("session") or None
    if session_id is not None:
        async with request.app[DATABASE].read() as db:
            rows = await load_one(db, session_id)
        if rows is None or not may_see(viewer, rows.facts(viewer)):
            raise Refused("session_not_found")
    try:
        page = running.live.open_page(viewer, caller.sign_in, session_id)
    except TooManyPages:
        raise ApiFault(503, "too_many_pages") from None
    try:
        async with sse_response(request, ping_interval=PING_EVERY_S) as stream:
            await stream.send("{}", event="hello", retry=RETRY_MS)
            gone = asyncio.create_task(stream.wait())
            gone.add_done_callback(lambda _: page.end())
            async with asyncio.timeout(STREAM_LIFE_S):
                while waiting := await page.next():
                    for event, data in waiting:
                        await stream.send(data, event=event)
    except (TimeoutError, ConnectionError):
        pass  # the life of a stream is over, or the browser is gone
    finally:
        running.live.close_page(page)
    return stream


def add_routes(app: web.Application) -> None:
    """/api/events and the sessions' sockets."""
    app.router.add_get("/api/sessions/{session_id}/ws", signalling, allow_head=False)
    app.router.add_get("/api/events", events, allow_head=False)
