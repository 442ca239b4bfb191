# SPDX-License-Identifier: Apache-2.0
"""Sealed recordings for the player: their description, and ranges of their segments. Every viewing is audited."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200

from storage.layout import segment_key
from storage.manifest import Segment
from storage.objects import DigestMismatch, KeyMissing, ObjectMissing, StoreAway, StoreError
from web.api.byte_range import Unsatisfiable, chosen
from web.api.core import CALLER, COUNTERS, DATABASE, SIGNED_IN, ApiFault, open_to
from web.api.session_shapes import SessionId
from web.api.sessions import SessionApiView, viewer_of
from web.api.viewings import note_viewing
from web.casework.refusal import Refused
from web.casework.visibility import may_see
from web.sessions.keeping import is_expired
from web.sessions.playback import RecordDamaged, RecordMissing, description_json
from web.sessions.rows import SessionRows, load_one
from web.sessions.running import RUNNING

log = structlog.get_logger(__name__)

SEGMENT_TYPE: Final = "video/webm"


@contextmanager
def needing_store() -> Iterator[None]:
    """What needs the store says so in the API's words while the store is away or holds something else."""
    try:
        yield
    except StoreAway:
        raise ApiFault(503, "store_away") from None
    except (RecordMissing, ObjectMissing):
        raise ApiFault(404, "record_missing") from None
    except RecordDamaged:
        raise ApiFault(500, "record_damaged") from None
    except DigestMismatch as fault:
        log.error("record_damaged", reason=str(fault))
        raise ApiFault(500, "record_damaged") from None
    except KeyMissing as error:
        log.error("recording_key_missing", reason=str(error))
        raise ApiFault(500, "recording_key_missing") from None
    except StoreError as error:
        log.error("store_refused", reason=str(error))
        raise ApiFault(500, "store_refused") from None


class PlaybackView(SessionApiView):
    """What there is to play."""

    ACCESS = {"GET": SIGNED_IN}

    async def get(self, session_id: SessionId, /) -> r200[dict[str, Any]]:
        """Tracks, segments, gaps and events of the sealed recording: recording_not_ready {state}, store_away,
        record_missing, record_damaged, recording_key_missing, recording_expired.
        """
        rows = await self.rows(session_id)
        async with self.database.read() as db:
            if await is_expired(db, session_id):
                raise ApiFault(410, "recording_expired")
        key = sealed_key(rows)
        with needing_store():
            sealed = await self.running.shelf.fresh(key, rows.session.county, session_id)
        await note_viewing(self.request, session_id)
        duration_ms = rows.session.duration_ms
        body = await self.running.store.run(lambda: description_json(sealed, session_id, duration_ms))
        return web.Response(body=body, content_type="application/json")


def sealed_key(rows: SessionRows) -> str:
    """Key of the sealed manifest. Raises ApiFault recording_not_ready."""
    if rows.session.manifest_key is None:
        state = "none" if rows.session.recording_started_utc_ms is None else "not_sealed"
        raise ApiFault(409, "recording_not_ready", {"state": state})
    return rows.session.manifest_key


@open_to(SIGNED_IN)
async def segment(request: web.Request) -> web.StreamResponse:
    """Bytes of one segment, whole or a range (RFC 9110 §14)."""
    found, key = await _listed(request)
    etag = f'"{found.sha256}"'
    # A range is only of use to whoever has the rest of the very same file (RFC 9110 §13.1.5).
    wanted = request.headers.get(hdrs.RANGE)
    if request.headers.get(hdrs.IF_RANGE, etag) != etag:
        wanted = None
    headers = {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: etag, "Repr-Digest": repr_digest(found.sha256)}
    try:
        part = chosen(wanted, found.bytes)
    except Unsatisfiable:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{found.bytes}"
        return web.Response(status=416, headers=headers)
    start, length = part if part is not None else (0, found.bytes)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    response.content_type, response.content_length = SEGMENT_TYPE, length
    if part is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{start + length - 1}/{found.bytes}"
    await send(request, response, key, start, length, found.sha256 if part is None else None)
    return response


async def _listed(request: web.Request) -> tuple[Segment, str]:
    """The segment that the address names, as the sealed manifest lists it."""
    caller, running, names = request[CALLER], request.app[RUNNING], request.match_info
    viewer = viewer_of(caller)
    async with request.app[DATABASE].read() as db:
        rows = await load_one(db, names["session_id"])
    if rows is None or not may_see(viewer, rows.facts(viewer)):
        raise Refused("session_not_found")
    with needing_store():
        sealed = await running.shelf.known(sealed_key(rows), rows.session.county, rows.session.id)
    found = sealed.segment(names["track_id"], int(names["epoch"]), int(names["segment"]))
    if found is None:
        raise ApiFault(404, "not_found")
    await note_viewing(request, rows.session.id)
    county, session_id = rows.session.county, rows.session.id
    key = segment_key(county, session_id, names["track_id"], int(names["epoch"]), int(names["segment"]))
    return found, key


async def send(
    request: web.Request, response: web.StreamResponse, key: str, start: int, length: int, sha256: str | None
) -> None:
    """Stream the range. Of a whole file the last block only goes out when its digest is the sealed one."""
    with needing_store():
        async with request.app[RUNNING].store.open_range(key, start, length) as blocks:
            held = await anext(blocks, b"")  # the first block, before a status has been promised
            digest = hashlib.sha256(held)
            await response.prepare(request)
            try:
                async for block in blocks:
                    await response.write(held)
                    held = block
                    digest.update(block)
                if sha256 is not None and digest.hexdigest() != sha256:
                    request.app[COUNTERS].count("segment_damaged")
                    log.error("segment_damaged", key=key)
                    _cut(request)
                    return
                await response.write(held)
            except StoreError as error:
                request.app[COUNTERS].count("segment_cut")
                log.warning("segment_cut", key=key, reason=str(error))
                _cut(request)
                return
            except ConnectionError:
                return  # the player went elsewhere
    await response.write_eof()


def _cut(request: web.Request) -> None:
    """A short answer must not look like a whole one."""
    if request.transport is not None:
        request.transport.abort()


def repr_digest(sha256: str) -> str:
    """RFC 9530: digest of the whole segment, whatever range is sent."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def add_routes(app: web.Application) -> None:
    """Playback of sessions."""
    app.router.add_view("/api/sessions/{session_id}/playback", PlaybackView)
    path = r"/api/sessions/{session_id}/segments/{track_id}/{epoch:\d{1,6}}/{segment:\d{1,7}}"
    app.router.add_get(path, segment, allow_head=False)
