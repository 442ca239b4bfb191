# SPDX-License-Identifier: Apache-2.0
"""For the technician: each part of the installation, whether it is well, and what to do when it is not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from cryptography import x509
from pydantic import BaseModel
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from storage.database.models import Session, Transcript, WorkerHeartbeat
from storage.nodes import is_on_node
from storage.objects import ObjectMissing, StoreAway, StoreError
from storage.settings import Settings
from storage.stamp_orders import StampOrders
from web.api.core import ADMINISTRATOR, COUNTERS, WORDS, Counters, answer
from web.api.sessions import SessionApiView
from web.media.recorder_link import RecorderAway, RecorderSpeaksOtherwise
from web.sessions.running import Running
from web.tls.pages import KEEPER

log = structlog.get_logger(__name__)

WORKER_SILENT_MS: Final = 20_000
CERTIFICATE_DAYS: Final = 14
STAMP_LATE_MS: Final = 120_000
"""An authority answers within seconds; after this it is worth a word."""
CHECK_WITHIN_S: Final = 6.0
"""A check that takes longer counts as failed; the store alone may take its connect time of 3 s."""
_PROBE_KEY: Final = ".status/none"


@dataclass(frozen=True, slots=True)
class Item:
    """One part. `code` has the sentence `status-CODE`, `params` its values."""

    name: str
    state: Literal["ok", "warn", "fail"]
    code: str
    params: dict[str, Any] = field(default_factory=dict)


class ItemShape(BaseModel):
    """One part, with its sentence in the caller's language."""

    name: str
    state: Literal["ok", "warn", "fail"]
    code: str
    params: dict[str, Any]
    message: str


class StatusShape(BaseModel):
    """All parts, and the counters of mediaserver (`media_…`) and web (`web_…`)."""

    items: list[ItemShape]
    counters: dict[str, float]


class StatusView(SessionApiView):
    """Health of the installation."""

    ACCESS = {"GET": ADMINISTRATOR}

    async def get(self) -> r200[StatusShape]:
        """Looks at everything now; takes some seconds when a part is away."""
        figures: dict[str, float] = {}
        checks: list[Callable[[], Awaitable[Item]]] = [
            self._database,
            lambda: _mediaserver(self.running, figures),
            lambda: _recorder(self.running),
            lambda: _store(self.running),
            lambda: _lock(self.running, self.settings.s3_lock),
            *([lambda: _encryption(self.running)] if self.settings.s3_encryption != "off" else []),
            self._uploads,
            self._worker,
            self._model,
            lambda: asyncio.to_thread(disk, self.settings),
            *([lambda: asyncio.to_thread(stamps, self.settings, self.now_ms())] if self.settings.timestamp_url else []),
            lambda: asyncio.to_thread(certificate, self.settings, datetime.now(UTC), self.request.app[KEEPER].fault),
        ]
        if self.settings.s3_copy_endpoint:
            checks.insert(4, lambda: _copy(self.running))
        items = await asyncio.gather(*map(_checked, checks))
        words, language = self.request.app[WORDS], self.caller.language
        told = [
            {**asdict(item), "message": words.say(f"status-{item.code.replace('_', '-')}", language, item.params)}
            for item in items
        ]
        counters = {f"media_{name}": value for name, value in figures.items()}
        counters |= web_counters(self.request.app[COUNTERS])
        return answer({"items": told, "counters": counters})

    async def _database(self) -> Item:
        try:
            async with self.database.read() as db:
                await db.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return Item("database", "fail", "database_away")
        return Item("database", "ok", "database_ok")

    async def _worker(self) -> Item:
        async with self.database.read() as db:
            beat = await db.scalar(select(func.max(WorkerHeartbeat.beat_utc_ms)))
            waiting = await db.scalar(select(func.count()).where(Transcript.state.in_(("queued", "running")))) or 0
        if beat is None:
            return Item("worker", "fail", "worker_never", {"waiting": waiting})
        age_ms = max(0, self.now_ms() - beat)
        params = {"age_s": age_ms // 1000, "waiting": waiting}
        if age_ms >= WORKER_SILENT_MS:
            return Item("worker", "fail", "worker_silent", params)
        return Item("worker", "ok", "worker_ok", params)

    async def _uploads(self) -> Item:
        """Recordings that are not sealed yet although their session is over, and those that failed."""
        open_record = Session.recording_started_utc_ms.is_not(None) & Session.manifest_key.is_(None)
        async with self.database.read() as db:
            over = select(Session).where(Session.county == self.caller.county, Session.state == "ended", open_record)
            sessions = list(await db.scalars(over))
        failed = sum((session.report or {}).get("state") == "error" for session in sessions)
        waiting_bytes = sum(int((session.report or {}).get("waiting_bytes") or 0) for session in sessions)
        params = {"waiting": len(sessions) - failed, "failed": failed, "megabytes": waiting_bytes // 1_000_000}
        if failed:
            return Item("recordings", "fail", "recordings_failed", params)
        return Item("recordings", "ok", "recordings_waiting" if sessions else "recordings_ok", params)

    async def _model(self) -> Item:
        """Presence, and whether a transcript failed for it; its digests are the business of worker and `doctor`."""
        settings = self.settings
        params = {"model": settings.whisper_model}
        folder = settings.whisper_model_dir or settings.data_dir / "models" / settings.whisper_model
        if not await asyncio.to_thread((folder / "model.bin").is_file):
            return Item("model", "fail", "model_missing", params)
        async with self.database.read() as db:
            newest = select(Transcript.error_code).where(Transcript.county == self.caller.county)
            code = await db.scalar(newest.order_by(Transcript.id.desc()).limit(1))
        if code is not None and code.startswith("model_"):
            return Item("model", "fail", "model_damaged", params)
        return Item("model", "ok", "model_ok", params)


async def _checked(check: Callable[[], Awaitable[Item]]) -> Item:
    """A check that breaks or hangs is itself a finding."""
    try:
        async with asyncio.timeout(CHECK_WITHIN_S):
            return await check()
    except Exception as error:
        log.exception("status_check_failed")
        return Item("status", "fail", "check_failed", {"reason": type(error).__name__})


async def _mediaserver(running: Running, figures: dict[str, float]) -> Item:
    found, silent = await running.media.figures()
    figures |= found
    nodes = [name for name in silent if is_on_node(name)]
    if len(nodes) < len(silent):
        return Item("mediaserver", "fail", "mediaserver_away")
    if nodes:
        return Item("mediaserver", "fail", "node_away", {"nodes": ", ".join(nodes)})
    if not running.media.up:
        return Item("mediaserver", "warn", "mediaserver_starting")
    params = {"rooms": int(figures.get("rooms", 0)), "peers": int(figures.get("peers", 0))}
    return Item("mediaserver", "ok", "mediaserver_ok", params)


async def _recorder(running: Running) -> Item:
    try:
        found = await running.recorder.ask()
    except RecorderAway:
        return Item("recorder", "fail", "recorder_away")
    except RecorderSpeaksOtherwise:
        return Item("recorder", "fail", "recorder_other_version")
    return Item("recorder", "ok", "recorder_ok", {"sessions": len(found.entries)})


async def _store(running: Running) -> Item:
    try:
        await running.store.stat(_PROBE_KEY)
    except ObjectMissing:
        pass  # as it should be: it answered
    except StoreAway:
        return Item("store", "fail", "store_away")
    except StoreError:
        return Item("store", "fail", "store_refused")
    return Item("store", "ok", "store_ok")


async def _copy(running: Running) -> Item:
    """The second store, as the recorders see it; the first one's health does not depend on it."""
    try:
        found = (await running.recorder.ask()).copy
    except (RecorderAway, RecorderSpeaksOtherwise):
        found = None
    if found is None:
        return Item("copy", "warn", "copy_unknown")
    params = {"waiting": found.waiting, "megabytes": found.waiting_bytes // 1_000_000}
    if not found.ok:
        return Item("copy", "warn", "copy_away", params)
    return Item("copy", "ok", "copy_waiting", params) if found.waiting else Item("copy", "ok", "copy_ok")


async def _lock(running: Running, mode: str) -> Item:
    """What the store did with a locked object at the start of this program."""
    custody, probe = running.custody, running.custody.probe
    if custody.state == "off":
        return Item("lock", "ok", "lock_off")
    if probe is None:
        return Item("lock", "warn", "lock_unknown")
    if custody.refused:
        return Item("lock", "fail", "lock_refused", {"sessions": len(custody.refused)})
    if probe.enforced:
        return Item("lock", "ok", "lock_enforced", {"mode": mode})
    if probe.found in ("no_versions", "no_lock"):
        return Item("lock", "warn", "lock_missing")
    return Item("lock", "fail", "lock_ignored")


async def _encryption(running: Running) -> Item:
    """What the store did with an object that was to be encrypted, at the start of this program."""
    found = running.custody.encryption
    if found is None:
        return Item("encryption", "warn", "encryption_unknown")
    return Item("encryption", "ok" if found == "encrypted" else "fail", f"encryption_{found}")


def stamps(settings: Settings, now_ms: int) -> Item:
    """Sealed recordings that still wait for their time stamp, of all recorders of this machine."""
    folders = (settings.data_dir / name for name in _spools(settings))
    orders = [order for folder in folders for order in StampOrders(folder).waiting()]
    if not orders:
        return Item("timestamp", "ok", "timestamp_ok")
    age_ms = max(0, now_ms - min(order.ordered_utc_ms for order in orders))
    params = {"waiting": len(orders), "minutes": age_ms // 60_000}
    return Item("timestamp", "warn" if age_ms >= STAMP_LATE_MS else "ok", "timestamp_waiting", params)


def _spools(settings: Settings) -> list[str]:
    return [f"spool-{number}" if number else "spool" for number in range(settings.workers)]


def disk(settings: Settings) -> Item:
    """Free space where recordings are spooled."""
    free = shutil.disk_usage(settings.data_dir).free
    params = {"free_gb": round(free / 1e9, 1), "folder": str(settings.data_dir)}
    if free < settings.disk_full_bytes:
        return Item("disk", "fail", "disk_full", params)
    return (
        Item("disk", "warn", "disk_low", params)
        if free < settings.disk_low_bytes
        else Item("disk", "ok", "disk_ok", params)
    )


def certificate(settings: Settings, now: datetime, fault: str | None) -> Item:
    """Days until browsers refuse the certificate, or why it could not be renewed or read again (`fault`).

    Raises OSError, ValueError for files that cannot be read.
    """
    path: Path = settings.tls_certificate or settings.data_dir / "tls" / "server.crt"
    if not path.exists():
        return Item("certificate", "fail", "certificate_missing", {"path": str(path)})
    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    days = (leaf.not_valid_after_utc - now).days
    if days < 0:
        return Item("certificate", "fail", "certificate_expired", {"days": -days})
    if days < CERTIFICATE_DAYS:
        return Item("certificate", "warn", "certificate_expiring", {"days": days})
    if fault is not None:
        return Item("certificate", "fail", "certificate_fault", {"reason": fault, "days": days})
    return Item("certificate", "ok", "certificate_ok", {"days": days})


def web_counters(counters: Counters) -> dict[str, float]:
    """What this program refused and what failed, by code."""
    found: dict[str, float] = {}
    for family in counters.registry.collect():
        for sample in family.samples:
            if sample.name == "videohome_web_events_total":
                found[f"web_{sample.labels['event']}"] = sample.value
    return found


def add_routes(app: web.Application) -> None:
    """/api/status."""
    app.router.add_view("/api/status", StatusView)
