# SPDX-License-Identifier: Apache-2.0
"""Transcripts: reading, asking for another try, and taking them out as Word, subtitles or JSON (audited)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200

from storage.database.models import Transcript
from web.api.core import CALLER, DATABASE, NOW_MS, SETTINGS, SIGNED_IN, WORDS, ApiFault, actor_of, answer, open_to
from web.api.playback import needing_store
from web.api.session_shapes import SessionId, TranscriptShape
from web.api.sessions import SessionApiView, viewer_of
from web.api.viewings import note_viewing
from web.casework.refusal import Refused
from web.casework.visibility import JOINING_ROLES, may_see
from web.documents import docx, plain_json, srt
from web.documents.record import RecordDocument, content_disposition, file_name
from web.sessions.audit import note
from web.sessions.keeper import queued_transcript
from web.sessions.rows import load_one
from web.sessions.running import RUNNING
from web.sessions.transcripts import RETRYABLE, document_of, endpoints_of, lines_of, making_of
from web.sessions.views import transcript as transcript_view

MAY_RETRY: Final = JOINING_ROLES | {"clerk", "administrator"}
Say = Callable[..., str]


class TranscriptView(SessionApiView):
    """The newest transcript of a session."""

    ACCESS = {"GET": SIGNED_IN, "POST": MAY_RETRY}

    async def get(self, session_id: SessionId, /) -> r200[TranscriptShape]:
        """State and lines; no lines yet while it is made: session_not_found."""
        rows = await self.rows(session_id)
        row = rows.transcript
        if row is None:
            return answer({"transcript": None, "lines": []})
        async with self.database.read() as db:
            lines = await lines_of(db, row.id)
        if lines:
            await note_viewing(self.request, session_id, "transcript.view")
        return answer({"transcript": transcript_view(row), "lines": [asdict(line) for line in lines]})

    async def post(self, session_id: SessionId, /) -> r200[TranscriptShape]:
        """Queue it again, or for the first time: recording_not_ready, transcript_under_way."""
        running = self.running
        async with running.delivery.step(session_id, self.viewer) as step:
            row = step.rows.transcript
            if step.rows.session.manifest_key is None:
                raise ApiFault(409, "recording_not_ready", {"state": "not_sealed"})
            if row is not None and row.state not in RETRYABLE:
                raise ApiFault(409, "transcript_under_way")
            if row is not None and row.state == "failed":
                row.state, row.progress, row.step, row.error_code = "queued", 0.0, "", None
            else:
                row = queued_transcript(step, step.rows.session.language)
                step.db.add(row)
            note(step.db, self.caller.county, self.actor, "transcript.queue", session_id, step.now_ms, {})
        return answer({"transcript": transcript_view(row), "lines": []})


async def _document(request: web.Request, extension: str) -> tuple[RecordDocument, Say, str]:
    """The transcript ready to be laid out, audited as taken out, and its Content-Disposition."""
    caller, running = request[CALLER], request.app[RUNNING]
    viewer, now_ms, session_id = viewer_of(caller), request.app[NOW_MS](), request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, session_id)
        if rows is None or not may_see(viewer, rows.facts(viewer)):
            raise Refused("session_not_found")
        row = _done(rows.transcript)
        lines, endpoints = await lines_of(db, row.id), await endpoints_of(db, rows)
    with needing_store():
        result = await running.store.read_bytes(row.result_key or "")
    making = await running.store.run(lambda: making_of(row, result))
    made = document_of(rows, endpoints, lines, making, now_ms)
    async with request.app[DATABASE].begin() as db:
        data = {"transcript": row.id, "format": extension}
        note(db, caller.county, actor_of(caller), "transcript.download", session_id, now_ms, data)
    words, language = request.app[WORDS], caller.language

    def say(message_id: str, **params: object) -> str:
        return words.say(message_id, language, params)

    zone = ZoneInfo(request.app[SETTINGS].time_zone)
    name = file_name(made, say("document-file-transcript"), extension, zone)
    return made, say, content_disposition(name, f"transcript-{session_id}.{extension}")


def _done(row: Transcript | None) -> Transcript:
    if row is None or row.state != "done" or row.result_key is None:
        raise ApiFault(409, "transcript_not_ready", {"state": "none" if row is None else row.state})
    return row


def _file(body: bytes, media_type: str, disposition: str) -> web.Response:
    headers = {hdrs.CONTENT_DISPOSITION: disposition, hdrs.CONTENT_TYPE: media_type}
    return web.Response(body=body, headers=headers)


@open_to(SIGNED_IN)
async def as_docx(request: web.Request) -> web.Response:
    """Word document in the caller's language."""
    made, say, disposition = await _document(request, "docx")
    zone = ZoneInfo(request.app[SETTINGS].time_zone)
    body = await request.app[RUNNING].store.run(lambda: docx.docx_bytes(made, say, zone))
    return _file(body, docx.MEDIA_TYPE, disposition)


@open_to(SIGNED_IN)
async def as_srt(request: web.Request) -> web.Response:
    """Subtitles with the speakers' names."""
    made, say, disposition = await _document(request, "srt")
    return _file(srt.srt_bytes(made, say("document-colon")), f"{srt.MEDIA_TYPE}; charset=utf-8", disposition)


@open_to(SIGNED_IN)
async def as_json(request: web.Request) -> web.Response:
    """Everything, for other programs."""
    made, _, disposition = await _document(request, "json")
    return _file(plain_json.json_bytes(made), f"{plain_json.MEDIA_TYPE}; charset=utf-8", disposition)


def add_routes(app: web.Application) -> None:
    """Transcripts of sessions."""
    path = "/api/sessions/{session_id}/transcript"
    app.router.add_view(path, TranscriptView)
    app.router.add_get(f"{path}.docx", as_docx)
    app.router.add_get(f"{path}.srt", as_srt)
    app.router.add_get(f"{path}.json", as_json)
