# SPDX-License-Identifier: Apache-2.0
"""The custody of a recording: its rows of the audit, to read and as a paper. Reading them is itself audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import AuditEvent, AuditHead
from web.api.core import CALLER, DATABASE, NOW_MS, SETTINGS, WORDS, actor_of, answer, open_to
from web.api.custody_shapes import CustodyPage
from web.api.session_shapes import SessionId
from web.api.sessions import SessionApiView, viewer_of
from web.api.viewings import note_viewing
from web.casework.custody import READERS, TOUCHES, word_of
from web.casework.refusal import Refused
from web.casework.visibility import may_see
from web.documents import pdf
from web.documents.custody_pdf import CustodyLine, CustodySheet, custody_pdf
from web.documents.record import content_disposition
from web.sessions.audit import note
from web.sessions.rows import SessionRows, load_one
from web.sessions.running import RUNNING

_Say = Callable[..., str]
ON_A_PAGE: Final = 200
ON_PAPER: Final = 5_000
"""The newest so many; a paper of more than a hundred pages is for nobody."""


async def _events(
    db: AsyncSession, county: str, session_id: str, most: int, before: int | None, *, everything: bool
) -> list[AuditEvent]:
    query = select(AuditEvent).where(AuditEvent.county == county, AuditEvent.object_id == session_id)
    if not everything:
        query = query.where(AuditEvent.action.in_(TOUCHES))
    if before is not None:
        query = query.where(AuditEvent.seq < before)
    return list(await db.scalars(query.order_by(AuditEvent.seq.desc()).limit(most)))


class CustodyView(SessionApiView):
    """Who saw, played and took out what."""

    ACCESS = {"GET": READERS}

    async def get(
        self, session_id: SessionId, /, everything: bool = False, before: int | None = None
    ) -> r200[CustodyPage]:
        """The newest rows first: session_not_found. `everything`: also what was done during the call; `before`: the
        number of the last row that is known.
        """
        await self.rows(session_id)
        await note_viewing(self.request, session_id, "custody.view")
        async with self.database.read() as db:
            found = await _events(db, self.caller.county, session_id, ON_A_PAGE + 1, before, everything=everything)
        events = [
            {
                "seq": row.seq,
                "utc_ms": row.utc_ms,
                "by_kind": row.by_kind,
                "by_name": row.by_name,
                "action": row.action,
                "data": row.data,
                "address": row.address,
                "digest": row.digest,
            }
            for row in found[:ON_A_PAGE]
        ]
        return answer({"events": events, "next": found[ON_A_PAGE - 1].seq if len(found) > ON_A_PAGE else None})


@open_to(READERS)
async def as_pdf(request: web.Request) -> web.Response:
    """All of it as a paper, with the end of the chain: session_not_found."""
    caller, session_id = request[CALLER], request.match_info["session_id"]
    viewer, now_ms = viewer_of(caller), request.app[NOW_MS]()
    async with request.app[DATABASE].begin() as db:
        rows = await load_one(db, session_id)
        if rows is None or not may_see(viewer, rows.facts(viewer)):
            raise Refused("session_not_found")
        note(db, caller.county, actor_of(caller), "custody.print", session_id, now_ms, {})
    words, language = request.app[WORDS], caller.language

    def say(message_id: str, **params: object) -> str:
        return words.say(message_id, language, params)

    async with request.app[DATABASE].read() as db:
        found = await _events(db, caller.county, session_id, ON_PAPER, None, everything=True)
        head = await db.get(AuditHead, caller.county)
    assert head is not None, "the printing itself was noted"
    sheet = _sheet(rows, list(reversed(found)), f"{head.seq}:{head.digest}", caller.name, now_ms, say)
    zone = ZoneInfo(request.app[SETTINGS].time_zone)
    body = await request.app[RUNNING].store.run(lambda: custody_pdf(sheet, say, zone))
    name = f"{say('custody-title')}-{session_id}.pdf"
    headers = {
        hdrs.CONTENT_DISPOSITION: content_disposition(name, f"custody-{session_id}.pdf"),
        hdrs.CONTENT_TYPE: pdf.MEDIA_TYPE,
    }
    return web.Response(body=body, headers=headers)


def _sheet(
    rows: SessionRows, found: list[AuditEvent], end: str, printed_by: str, now_ms: int, say: _Say
) -> CustodySheet:
    lines = [
        CustodyLine(
            row.seq,
            row.utc_ms,
            row.by_name or say("custody-system"),
            say(word_of(row.action), action=row.action),
            row.address,
            row.digest,
        )
        for row in found
    ]
    return CustodySheet(rows.session.id, rows.session.title, lines, printed_by, now_ms, end)


def add_routes(app: web.Application) -> None:
    """Custody of sessions."""
    app.router.add_view("/api/sessions/{session_id}/custody", CustodyView)
    app.router.add_get("/api/sessions/{session_id}/custody.pdf", as_pdf)
