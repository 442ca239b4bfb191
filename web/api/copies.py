# SPDX-License-Identifier: Apache-2.0
"""Copies of recordings: asked for by one person, approved by another, made in the background, fetched by the first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200

from storage.copies import chosen
from storage.database.models import ExportRequest
from web.api.core import CALLER, DATABASE, NOW_MS, SETTINGS, WORDS, ApiFault, Caller, actor_of, answer, open_to
from web.api.custody_shapes import CopyList, CopyShape, Decision, NewCopy
from web.api.pages import UI_FOLDER
from web.api.playback import needing_store
from web.api.session_shapes import SessionId
from web.api.sessions import SessionApiView, viewer_of
from web.casework import copies as rules
from web.casework.copies import ASKERS, CONCERNED, DECIDERS, CopyState
from web.casework.refusal import Refused
from web.documents.record import content_disposition
from web.sessions import copies
from web.sessions.copies import Wanted
from web.sessions.copy_maker import CopyMaker
from web.sessions.rows import SessionRows
from web.sessions.running import RUNNING

MAKER: Final = web.AppKey("copy_maker", CopyMaker)


def _told(row: ExportRequest, title: str, caller: Caller, share: float, now_ms: int) -> dict[str, Any]:
    state = CopyState(row.state)
    return {
        "id": row.id,
        "session_id": row.session_id,
        "session_title": title,
        "state": row.state,
        "progress": 1.0 if state is CopyState.READY else share,
        "purpose": row.purpose,
        "recipient": row.recipient,
        "track_ids": row.track_ids,
        "from_ms": row.from_ms,
        "to_ms": row.to_ms,
        "formats": row.formats,
        "asked_by_name": row.asked_by_name,
        "asked_utc_ms": row.asked_utc_ms,
        "decided_by_name": row.decided_by_name,
        "decided_utc_ms": row.decided_utc_ms,
        "reason": row.reason,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "expires_utc_ms": row.expires_utc_ms,
        "downloads": row.downloads,
        "error_code": row.error_code,
        "can": {
            "decide": rules.may_decide(caller.role, state, row.asked_by, caller.id),
            "cancel": rules.may_cancel(state, row.asked_by, caller.id),
            "retry": state is CopyState.FAILED and row.asked_by == caller.id,
            "fetch": rules.may_fetch(state, row.asked_by, caller.id, row.expires_utc_ms, now_ms),
        },
    }


class _CopiesView(SessionApiView):
    """What the views of copies share."""

    @property
    def maker(self) -> CopyMaker:
        """The one that makes them."""
        return self.request.app[MAKER]

    async def told(self, copy_id: str) -> web.Response:
        """Answer with one copy."""
        async with self.database.read() as db:
            row = await copies.one(db, self.viewer, copy_id)
            title = next((title for found, title in await copies.listed(db, self.viewer, row.session_id)), "")
        return answer(_told(row, title, self.caller, self.maker.share(copy_id), self.now_ms()))


class CopiesView(_CopiesView):
    """All copies."""

    ACCESS = {"GET": CONCERNED}

    async def get(self, session_id: str = "") -> r200[CopyList]:
        """The newest copies of the sessions that the caller may see, of one session where it is named."""
        async with self.database.read() as db:
            found = await copies.listed(db, self.viewer, session_id)
        now_ms, maker = self.now_ms(), self.maker
        return answer({"copies": [_told(row, title, self.caller, maker.share(row.id), now_ms) for row, title in found]})


class AskView(_CopiesView):
    """Asking for a copy."""

    ACCESS = {"POST": ASKERS}

    async def post(self, session_id: SessionId, /, body: NewCopy) -> r200[CopyShape]:
        """Ask: session_not_found, recording_not_ready, transcript_not_ready, copy_span_empty, copy_nothing_chosen,
        caucus_no_copy.
        """
        rows = await self.rows(session_id)
        if rows.session.caucus_of is not None:  # there is nobody who could approve it without seeing it
            raise Refused("caucus_no_copy")
        rules.check_span(body.from_ms, body.to_ms)
        await self._check(rows, body)
        formats: list[str] = sorted(set(body.formats))
        wanted = Wanted(
            body.purpose, body.recipient, body.track_ids, body.from_ms, body.to_ms, formats, self.caller.language
        )
        async with self.database.begin() as db:
            row = await copies.ask(db, self.actor, rows.session, wanted, self.now_ms())
        return await self.told(row.id)

    async def _check(self, rows: SessionRows, body: NewCopy) -> None:
        """What could never be made is refused now, not after somebody approved it."""
        if rows.session.manifest_key is None:
            raise ApiFault(409, "recording_not_ready", {"state": "not_sealed"})
        if body.formats and (rows.transcript is None or rows.transcript.state != "done"):
            raise ApiFault(409, "transcript_not_ready", {"state": "none"})
        with needing_store():
            key = rows.session.manifest_key
            sealed = await self.running.shelf.known(key, rows.session.county, rows.session.id)
        if not chosen(sealed.manifest, body.track_ids, body.from_ms, body.to_ms):
            raise ApiFault(409, "copy_nothing_chosen")


class DecisionView(_CopiesView):
    """Approving and refusing."""

    ACCESS = {"POST": DECIDERS}

    async def post(self, copy_id: SessionId, /, body: Decision) -> r200[CopyShape]:
        """Decide, once: copy_not_found, copy_own, copy_decided, copy_reason_needed."""
        async with self.database.begin() as db:
            row = await copies.one(db, self.viewer, copy_id)
            await copies.decide(db, self.actor, row, self.now_ms(), approve=body.approve, reason=body.reason)
        self.maker.hurry()
        return await self.told(copy_id)


class CancelView(_CopiesView):
    """Taking a request back."""

    ACCESS = {"POST": ASKERS}

    async def post(self, copy_id: SessionId, /) -> r200[CopyShape]:
        """Cancel: copy_not_found, copy_not_own, copy_over. Nothing of it stays on the server."""
        async with self.database.begin() as db:
            row = await copies.one(db, self.viewer, copy_id)
            await copies.cancel(db, self.actor, row, self.now_ms())
        await self.maker.drop(copy_id)
        return await self.told(copy_id)


class RetryView(_CopiesView):
    """Making it again after a fault."""

    ACCESS = {"POST": ASKERS}

    async def post(self, copy_id: SessionId, /) -> r200[CopyShape]:
        """Try again; the approval still stands: copy_not_found, copy_not_own, copy_over."""
        async with self.database.begin() as db:
            row = await copies.one(db, self.viewer, copy_id)
            await copies.retry(db, self.actor, row, self.now_ms())
        self.maker.hurry()
        return await self.told(copy_id)


@open_to(ASKERS)
async def file(request: web.Request) -> web.StreamResponse:
    """The finished copy, for whoever asked for it, until it expires: copy_not_found. Every fetching is audited."""
    caller, copy_id, maker = request[CALLER], request.match_info["copy_id"], request.app[MAKER]
    path = maker.folder.path(copy_id)
    async with request.app[DATABASE].begin() as db:
        row = await copies.one(db, viewer_of(caller), copy_id)
        if not await asyncio.to_thread(path.is_file):
            raise ApiFault(404, "copy_not_found")
        await copies.fetched(db, actor_of(caller), row, request.app[NOW_MS]())
    name = f"{request.app[WORDS].say('copy-file', caller.language)}-{row.session_id}.zip"
    headers = {
        hdrs.CONTENT_DISPOSITION: content_disposition(name, f"copy-{row.session_id}.zip"),
        hdrs.CONTENT_TYPE: "application/zip",
    }
    return web.FileResponse(path, headers=headers)


async def _work(app: web.Application) -> AsyncIterator[None]:
    work = asyncio.create_task(app[MAKER].run())
    yield
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


def add_routes(app: web.Application) -> None:
    """Copies, and the one that makes them."""
    running = app[RUNNING]
    app[MAKER] = CopyMaker(
        app[DATABASE], running.store, running.shelf, app[SETTINGS], app[WORDS], app[UI_FOLDER], app[NOW_MS]
    )
    app.cleanup_ctx.append(_work)
    app.router.add_view("/api/copies", CopiesView)
    app.router.add_view("/api/sessions/{session_id}/copies", AskView)
    app.router.add_view("/api/copies/{copy_id}/decision", DecisionView)
    app.router.add_view("/api/copies/{copy_id}/cancel", CancelView)
    app.router.add_view("/api/copies/{copy_id}/retry", RetryView)
    app.router.add_get("/api/copies/{copy_id}/file", file, allow_head=False)
