# SPDX-License-Identifier: Apache-2.0
"""The certificate of a sealed recording: as JSON for pages, as Word or plain text for the file (audited)."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import CALLER, DATABASE, NOW_MS, SETTINGS, SIGNED_IN, WORDS, actor_of, answer, open_to
from web.api.playback import needing_store, sealed_key
from web.api.session_shapes import CertificateShape, SessionId
from web.api.sessions import SessionApiView, viewer_of
from web.casework.certificate import session_certificate
from web.casework.refusal import Refused
from web.casework.visibility import may_see
from web.documents import certificate, docx
from web.documents.certificate import CertificateDocument
from web.documents.record import content_disposition, file_name
from web.sessions.audit import note
from web.sessions.rows import SessionRows, load_one
from web.sessions.running import RUNNING, Running

Say = Callable[..., str]


class CertificateView(SessionApiView):
    """What the seal says, in sentences."""

    ACCESS = {"GET": SIGNED_IN}

    async def get(self, session_id: SessionId, /) -> r200[CertificateShape]:
        """Complete, or what is missing, when, whose and why, in the caller's language: session_not_found,
        recording_not_ready {state}, store_away, record_missing, record_damaged.
        """
        made = await _document(self.running, await self.rows(session_id))
        return answer(certificate.certificate_json(made, _say(self.request), _zone(self.request)))


async def _document(running: Running, rows: SessionRows) -> CertificateDocument:
    """The certificate of the recording as it is stored now."""
    session = rows.session
    with needing_store():
        sealed = await running.shelf.fresh(sealed_key(rows), session.county, session.id)
    return CertificateDocument(
        session_id=session.id,
        title=session.title,
        place_name=rows.place.name if rows.place else "",
        origin_utc_ms=sealed.manifest.origin_utc_ms,
        certificate=session_certificate(sealed.manifest, sealed.sha256),
    )


def _say(request: web.Request) -> Say:
    words, language = request.app[WORDS], request[CALLER].language
    return lambda message_id, **params: words.say(message_id, language, params)


def _zone(request: web.Request) -> ZoneInfo:
    return ZoneInfo(request.app[SETTINGS].time_zone)


async def _taken_out(request: web.Request, extension: str) -> tuple[CertificateDocument, dict[str, str]]:
    """The certificate, audited as taken out, and the header of the download."""
    caller, session_id = request[CALLER], request.match_info["session_id"]
    viewer = viewer_of(caller)
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, session_id)
    if rows is None or not may_see(viewer, rows.facts(viewer)):
        raise Refused("session_not_found")
    made = await _document(request.app[RUNNING], rows)
    async with request.app[DATABASE].begin() as db:
        data = {"format": extension, "integrity_code": made.certificate.integrity_code}
        note(db, caller.county, actor_of(caller), "certificate.download", session_id, request.app[NOW_MS](), data)
    name = file_name(made, _say(request)("session-certificate-file"), extension, _zone(request))
    disposition = content_disposition(name, f"certificate-{session_id}.{extension}")
    return made, {hdrs.CONTENT_DISPOSITION: disposition}


@open_to(SIGNED_IN)
async def as_docx(request: web.Request) -> web.Response:
    """Word document in the caller's language, with room for signatures."""
    made, headers = await _taken_out(request, "docx")
    say, zone = _say(request), _zone(request)
    body = await request.app[RUNNING].store.run(lambda: docx.certificate_docx(made, say, zone))
    return web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: docx.MEDIA_TYPE})


@open_to(SIGNED_IN)
async def as_text(request: web.Request) -> web.Response:
    """Plain text in the caller's language."""
    made, headers = await _taken_out(request, "txt")
    body = certificate.text_bytes(made, _say(request), _zone(request))
    return web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: f"{certificate.MEDIA_TYPE}; charset=utf-8"})


def add_routes(app: web.Application) -> None:
    """Certificates of sessions."""
    path = "/api/sessions/{session_id}/certificate"
    app.router.add_view(path, CertificateView)
    app.router.add_get(f"{path}.docx", as_docx)
    app.router.add_get(f"{path}.txt", as_text)
