# SPDX-License-Identifier: Apache-2.0
"""Makes approved copies, one after the other, in the background, and throws away what expired.

What is under way is only in memory: after a restart an approved copy is made again from the beginning.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import DBAPIError

from storage.copies import NAME, CopiedFile, Copy, chosen, sign
from storage.database.engine import Database
from storage.database.models import ExportRequest
from storage.files import digests_of_bytes
from storage.manifest import Segment
from storage.objects import DigestMismatch, KeyMissing, ObjectMissing, StoreAway, StoreError
from storage.seal import load_key
from storage.settings import Settings
from web.casework.copies import CopyState
from web.documents import docx, plain_json, srt
from web.documents.copy_certificate import certificate_pdf
from web.documents.record import DocumentLine, RecordDocument
from web.media.store import StoreDoor
from web.sessions import copies
from web.sessions.copy_files import CopyFolder, CopyStopped, NoRoom, Packed, SegmentDamaged
from web.sessions.copy_player import player_html
from web.sessions.playback import ManifestShelf, RecordDamaged, RecordMissing, Sealed
from web.sessions.rows import SessionRows, load_one
from web.sessions.transcripts import document_of, endpoints_of, lines_of, making_of
from web.words import LANGUAGES, Words

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 30.0
CERTIFICATE: Final = "copy-certificate.pdf"
PLAYER: Final = "player.html"


class CopyFailed(Exception):
    """It cannot be made; `code` has a sentence `error-CODE`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code: Final = code


@dataclass(slots=True)
class Progress:
    """A copy under way."""

    total_bytes: int = 0
    done_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def went_on(self, size: int) -> None:
        """Raises CopyStopped when somebody wants it to end."""
        self.done_bytes += size
        if self.stop.is_set():
            raise CopyStopped

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0


@dataclass(frozen=True, slots=True)
class _Work:
    """Everything that is needed to make one copy, read once."""

    row: ExportRequest
    rows: SessionRows
    sealed: Sealed
    manifest_bytes: bytes
    segments: tuple[Segment, ...]
    lines: list[DocumentLine]
    document: RecordDocument | None


class CopyMaker:
    """The one that makes copies."""

    def __init__(
        self,
        database: Database,
        store: StoreDoor,
        shelf: ManifestShelf,
        settings: Settings,
        words: Words,
        ui_folder: Path,
        now_ms: Callable[[], int],
    ) -> None:
        self._database, self._store, self._shelf, self._settings = database, store, shelf, settings
        self._words, self._ui_folder, self._now_ms = words, ui_folder, now_ms
        self.folder: Final = CopyFolder(settings.data_dir / "copies", settings.disk_full_bytes)
        self._zone = ZoneInfo(settings.time_zone)
        self._wake = asyncio.Event()
        self._under_way: dict[str, Progress] = {}

    def hurry(self) -> None:
        """Something was approved."""
        self._wake.set()

    def share(self, copy_id: str) -> float:
        """How much of it is done, 0 to 1."""
        found = self._under_way.get(copy_id)
        return 0.0 if found is None else found.share

    async def drop(self, copy_id: str) -> None:
        """It was cancelled: stop making it and remove what there is."""
        if copy_id in self._under_way:
            self._under_way[copy_id].stop.set()
        await self._store.run(lambda: self.folder.remove(copy_id))

    async def run(self) -> None:
        """Work until the program ends."""
        while True:
            self._wake.clear()
            try:
                await self._round()
            except (DBAPIError, OSError) as error:
                log.error("copies_stand_still", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)

    async def _round(self) -> None:
        county = self._settings.county
        await copies.expire(self._database, county, self._now_ms())
        ready = await copies.ids_in(self._database, county, CopyState.READY)
        await self._store.run(lambda: self.folder.keep_only(ready))
        for copy_id in await copies.ids_in(self._database, county, CopyState.APPROVED):
            await self._make(copy_id)

    async def _make(self, copy_id: str) -> None:
        progress = self._under_way[copy_id] = Progress()
        try:
            packed = await self._packed(copy_id, progress)
            if not await copies.finish(self._database, copy_id, self._now_ms(), packed.bytes, packed.sha256):
                raise CopyStopped
        except CopyStopped:
            await self._store.run(lambda: self.folder.remove(copy_id))
        except CopyFailed as failed:
            log.warning("copy_failed", copy=copy_id, code=failed.code)
            await copies.fail(self._database, copy_id, self._now_ms(), failed.code)
        except DBAPIError:
            raise
        except Exception:
            log.exception("copy_fault", copy=copy_id)
            await copies.fail(self._database, copy_id, self._now_ms(), "internal")
        finally:
            progress.stop.set()  # a thread that still works for it ends, too
            del self._under_way[copy_id]

    async def _packed(self, copy_id: str, progress: Progress) -> Packed:
        try:
            work = await self._read(copy_id)
            progress.total_bytes = sum(segment.bytes for segment in work.segments)
            others = await self._store.run(lambda: self._others(work))
            manifest = work.sealed.manifest
            return await self._store.call(
                lambda store: self.folder.pack(copy_id, store, work.segments, manifest, others, progress.went_on)
            )
        except StoreAway:
            raise CopyFailed("store_away") from None
        except (RecordMissing, ObjectMissing):
            raise CopyFailed("record_missing") from None
        except (RecordDamaged, SegmentDamaged, DigestMismatch) as error:
            log.error("copy_record_damaged", reason=str(error))
            raise CopyFailed("record_damaged") from None
        except KeyMissing as error:
            log.error("recording_key_missing", reason=str(error))
            raise CopyFailed("recording_key_missing") from None
        except StoreError as error:
            log.error("store_refused", reason=str(error))
            raise CopyFailed("store_refused") from None
        except NoRoom:
            raise CopyFailed("copy_no_room") from None
        except OSError as error:
            log.error("copy_not_written", reason=str(error))
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise CopyFailed("copy_no_room" if full else "copy_not_written") from None

    async def _read(self, copy_id: str) -> _Work:
        async with self._database.read() as db:
            row = await db.get(ExportRequest, copy_id)
            if row is None or row.state != CopyState.APPROVED.value:
                raise CopyStopped
            rows = await load_one(db, row.session_id)
            if rows is None or rows.session.manifest_key is None:
                raise CopyFailed("record_missing")
            transcript = rows.transcript
            done = transcript is not None and transcript.state == "done"
            lines = await lines_of(db, transcript.id) if transcript is not None and done else []
            endpoints = await endpoints_of(db, rows)
        key = rows.session.manifest_key
        sealed = await self._shelf.fresh(key, row.county, row.session_id)
        manifest_bytes = await self._store.read_bytes(key)
        if digests_of_bytes(manifest_bytes).sha256 != sealed.sha256:
            raise CopyFailed("record_damaged")
        segments = chosen(sealed.manifest, row.track_ids, row.from_ms, row.to_ms)
        if not segments:
            raise CopyFailed("copy_nothing_chosen")
        lines = _within(lines, row, sealed)
        document = None
        if row.formats:
            if transcript is None or not done or transcript.result_key is None:
                raise CopyFailed("transcript_not_ready")
            result = await self._store.read_bytes(transcript.result_key)
            document = document_of(rows, endpoints, lines, making_of(transcript, result), self._now_ms())
        return _Work(row, rows, sealed, manifest_bytes, segments, lines if row.formats else [], document)

    def _others(self, work: _Work) -> dict[str, bytes]:
        """All files but the segments: what they say of each other needs their order."""
        row, session = work.row, work.rows.session
        language = row.language if row.language in LANGUAGES else LANGUAGES[0]

        def say(message_id: str, **params: object) -> str:
            return self._words.say(message_id, language, params)

        def both(message_id: str, **params: object) -> tuple[str, str]:
            chinese, english = (self._words.say(message_id, each, params) for each in ("zh-CN", "en"))
            return chinese, english

        files: dict[str, bytes] = {}
        if work.document is not None:
            for kind in row.formats:
                files[f"transcript.{kind}"] = _transcript(kind, work.document, say, self._zone)
        keys = tuple(segment.key for segment in work.segments)
        duration_ms = session.duration_ms
        page = player_html(self._ui_folder, work.sealed, keys, session.title, duration_ms, work.lines, language)
        if page is not None:
            files[PLAYER] = page
        made = self._copy(row, work.sealed, keys, files)
        files[CERTIFICATE] = certificate_pdf(made, work.sealed.manifest, session.title, both, self._zone)
        made = replace(made, files=_described(files))
        signed = sign(made, load_key(self._settings.secrets_dir))
        return {"manifest.json": work.manifest_bytes, **files, NAME: signed.to_bytes()}

    def _copy(self, row: ExportRequest, sealed: Sealed, keys: tuple[str, ...], files: dict[str, bytes]) -> Copy:
        return Copy(
            version=1,
            copy_id=row.id,
            county=row.county,
            session_id=row.session_id,
            manifest_sha256=sealed.sha256,
            purpose=row.purpose,
            recipient=row.recipient,
            asked_by=row.asked_by_name,
            asked_utc_ms=row.asked_utc_ms,
            approved_by=row.decided_by_name,
            approved_utc_ms=row.decided_utc_ms or 0,
            made_utc_ms=self._now_ms(),
            from_ms=row.from_ms,
            to_ms=row.to_ms,
            segments=keys,
            files=_described(files),
            public_key=sealed.public_key,
        )


def _described(files: dict[str, bytes]) -> tuple[CopiedFile, ...]:
    found = ((name, digests_of_bytes(data)) for name, data in files.items())
    return tuple(CopiedFile(name, digests.bytes, digests.sha256) for name, digests in found)


def _within(lines: list[DocumentLine], row: ExportRequest, sealed: Sealed) -> list[DocumentLine]:
    """A copy of a part tells only what was said in it."""
    peers = None
    if row.track_ids is not None:
        peers = {track.peer_id for track in sealed.manifest.tracks if track.track_id in row.track_ids}
    return [
        line
        for line in lines
        if (row.from_ms is None or line.end_ms > row.from_ms)
        and (row.to_ms is None or line.start_ms < row.to_ms)
        and (peers is None or line.peer_id in peers)
    ]


def _transcript(kind: str, document: RecordDocument, say: Callable[..., str], zone: ZoneInfo) -> bytes:
    if kind == "docx":
        return docx.docx_bytes(document, say, zone)
    if kind == "srt":
        return srt.srt_bytes(document, say("document-colon"))
    return plain_json.json_bytes(document)
