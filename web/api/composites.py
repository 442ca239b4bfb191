# SPDX-License-Identifier: Apache-2.0
"""The composite video of a session: ordering, progress, cancelling, taking it out (audited)."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200

from storage.database.models import Derivative
from web.api.byte_range import Unsatisfiable, chosen
from web.api.core import CALLER, DATABASE, NOW_MS, SETTINGS, SIGNED_IN, WORDS, ApiFault, actor_of, answer, open_to
from web.api.playback import repr_digest, send
from web.api.session_shapes import SessionId
from web.api.sessions import SessionApiView, viewer_of
from web.casework.refusal import Refused
from web.casework.visibility import JOINING_ROLES, may_see
from web.documents.record import content_disposition, file_name_of
from web.sessions.audit import note
from web.sessions.derivatives import UNDER_WAY, derivative_of, order_composite, view
from web.sessions.rows import SessionRows, load_one

MAY_ORDER: Final = JOINING_ROLES | {"clerk", "administrator"}
FILM_TYPE: Final = "video/mp4"


class CompositeView(SessionApiView):
    """The composite video of a session."""

    ACCESS = {"GET": SIGNED_IN, "POST": MAY_ORDER, "DELETE": MAY_ORDER}

    async def get(self, session_id: SessionId, /) -> r200[dict[str, Any]]:
        """State and progress; null while none was ordered: session_not_found."""
        await self.rows(session_id)
        async with self.database.read() as db:
            row = await derivative_of(db, session_id, "composite")
        return answer({"composite": None if row is None else view(row)})

    async def post(self, session_id: SessionId, /) -> r200[dict[str, Any]]:
        """Order it: recording_not_ready, composite_under_way, composite_ready."""
        rows = await self.rows(session_id)
        if rows.session.manifest_key is None:
            raise ApiFault(409, "recording_not_ready", {"state": "not_sealed"})
        async with self.database.begin() as db:
            row = await derivative_of(db, session_id, "composite")
            if row is not None and row.state in UNDER_WAY:
                raise ApiFault(409, "composite_under_way")
            if row is not None and row.state == "done":
                raise ApiFault(409, "composite_ready")
            row = order_composite(db, row, rows.session.county, session_id, self.now_ms())
            row.options = {"language": self.caller.language}
            note(db, self.caller.county, self.actor, "composite.order", session_id, self.now_ms(), {"id": row.id})
            shown = view(row)
        return answer({"composite": shown})

    async def delete(self, session_id: SessionId, /) -> r200[dict[str, Any]]:
        """Cancel it; the worker stops within seconds: composite_not_under_way."""
        await self.rows(session_id)
        async with self.database.begin() as db:
            row = await derivative_of(db, session_id, "composite")
            if row is None or row.state not in UNDER_WAY:
                raise ApiFault(409, "composite_not_under_way")
            row.state, row.finished_utc_ms = "cancelled", self.now_ms()
            note(db, self.caller.county, self.actor, "composite.cancel", session_id, self.now_ms(), {"id": row.id})
            shown = view(row)
        return answer({"composite": shown})


@open_to(SIGNED_IN)
async def film(request: web.Request) -> web.StreamResponse:
    """The MP4 file, whole or a range (RFC 9110 §14)."""
    rows, row = await _done(request)
    assert row.result_key is not None and row.bytes is not None and row.sha256 is not None
    etag = f'"{row.sha256}"'
    wanted = request.headers.get(hdrs.RANGE)
    if request.headers.get(hdrs.IF_RANGE, etag) != etag:
        wanted = None
    headers = {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: etag, "Repr-Digest": repr_digest(row.sha256)}
    try:
        part = chosen(wanted, row.bytes)
    except Unsatisfiable:
        return web.Response(status=416, headers={**headers, hdrs.CONTENT_RANGE: f"bytes */{row.bytes}"})
    start, length = part if part is not None else (0, row.bytes)
    if start == 0:
        await _note_download(request, rows, row)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    response.content_type, response.content_length = FILM_TYPE, length
    response.headers[hdrs.CONTENT_DISPOSITION] = _disposition(request, rows)
    if part is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{start + length - 1}/{row.bytes}"
    await send(request, response, row.result_key, start, length, row.sha256 if part is None else None)
    return response


async def _done(request: web.Request) -> tuple[SessionRows, Derivative]:
    viewer, session_id = viewer_of(request[CALLER]), request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, session_id)
        if rows is None or not may_see(viewer, rows.facts(viewer)):
            raise Refused("session_not_found")
        row = await derivative_of(db, session_id, "composite")
    if row is None or row.state != "done":
        raise ApiFault(409, "composite_not_ready", {"state": "none" if row is None else row.state})
    return rows, row


async def _note_download(request: web.Request, rows: SessionRows, row: Derivative) -> None:
    """Audit the taking out before the first byte goes."""
    caller, data = request[CALLER], {"id": row.id, "sha256": row.sha256}
    async with request.app[DATABASE].begin() as db:
        now_ms = request.app[NOW_MS]()
        note(db, caller.county, actor_of(caller), "composite.download", rows.session.id, now_ms, data)


def _disposition(request: web.Request, rows: SessionRows) -> str:
    session, zone = rows.session, ZoneInfo(request.app[SETTINGS].time_zone)
    word = request.app[WORDS].say("document-file-composite", request[CALLER].language, {})
    at_utc_ms = session.recording_started_utc_ms or session.created_utc_ms
    name = file_name_of(session.title, session.id, at_utc_ms, word, "mp4", zone)
    return content_disposition(name, f"composite-{session.id}.mp4")


def add_routes(app: web.Application) -> None:
    """Composite videos of sessions."""
    path = "/api/sessions/{session_id}/composite"
    app.router.add_view(path, CompositeView)
    app.router.add_get(f"{path}.mp4", film, allow_head=False)
