# SPDX-License-Identifier: Apache-2.0
"""The technician's page: each part well or not, with a sentence that says what to do, in both languages."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.database.models import WorkerHeartbeat
from storage.ids import new_id
from storage.settings import Settings
from storage.stamp_orders import StampOrder, StampOrders
from tests.web.front import Front
from web.api import status
from web.api.core import DATABASE
from web.tls.pages import KEEPER
from web.words import LANGUAGES, Words

ROOT = Path(__file__).parents[3]


async def items(front: Front) -> dict[str, tuple[str, str]]:
    technician = await front.signed_in("administrator")
    reply = await technician.get("/api/status")
    assert reply.status == 200, reply.body
    for item in reply.body["items"]:
        assert not item["message"].startswith("status-"), item
    return {item["name"]: (item["state"], item["code"]) for item in reply.body["items"]}


async def test_what_is_away_is_said(front: Front) -> None:
    found = await items(front)
    assert found["mediaserver"] == ("fail", "mediaserver_away")
    assert found["recorder"] == ("fail", "recorder_away")
    assert found["store"] == ("fail", "store_away")
    assert found["worker"] == ("fail", "worker_never")
    assert found["model"] == ("fail", "model_missing")
    assert found["database"] == ("ok", "database_ok")
    assert found["certificate"] == ("ok", "certificate_ok")
    assert found["recordings"] == ("ok", "recordings_ok")


async def test_a_worker_is_alive_until_it_has_been_silent_for_its_time(front: Front) -> None:
    async with front.app[DATABASE].begin() as db:
        db.add(WorkerHeartbeat(worker_id="w", beat_utc_ms=front.clock()))
    front.clock.forward(status.WORKER_SILENT_MS - 1)
    assert (await items(front))["worker"] == ("ok", "worker_ok")
    front.clock.forward(1)
    assert (await items(front))["worker"] == ("fail", "worker_silent")


async def test_refusals_are_counted(front: Front) -> None:
    stranger, technician = await front.signed_in("anonymous"), await front.signed_in("administrator")
    await stranger.get("/api/sessions")
    await stranger.post("/api/sign-in", {"username": "nobody", "password": "wrong wrong wrong"})
    counters = (await technician.get("/api/status")).body["counters"]
    assert counters["web_sign_in_required"] == 1
    assert counters["web_bad_credentials"] == 1


@pytest.mark.parametrize(
    ("low", "full", "code"), [(0, 0, "disk_ok"), (10**18, 0, "disk_low"), (10**18, 10**18, "disk_full")]
)
def test_the_disk_at_its_marks(tmp_path: Path, low: int, full: int, code: str) -> None:
    settings = Settings(data_dir=tmp_path, disk_low_bytes=low, disk_full_bytes=full)
    assert status.disk(settings).code == code


def test_recordings_that_wait_for_their_time_stamp_are_told_when_it_takes_long(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, workers=2)
    assert status.stamps(settings, 0).code == "timestamp_ok"
    for worker, ordered_utc_ms in ((0, 100_000), (1, 40_000)):
        folder = settings.model_copy(update={"worker": worker}).spool_dir
        StampOrders(folder).add(StampOrder("default", new_id(), "0" * 64, ordered_utc_ms))
    early, late = (status.stamps(settings, 40_000 + ms) for ms in (status.STAMP_LATE_MS - 1, status.STAMP_LATE_MS))
    assert (early.state, late.state) == ("ok", "warn")
    assert late.code == "timestamp_waiting" and late.params == {"waiting": 2, "minutes": 2}


@pytest.mark.parametrize(
    ("free", "code"), [(1_000, "disk_ok"), (999, "disk_low"), (300, "disk_low"), (299, "disk_full")]
)
def test_the_disk_exactly_at_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: str) -> None:
    settings = Settings(data_dir=tmp_path, disk_low_bytes=1_000, disk_full_bytes=300)
    monkeypatch.setattr(status.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert status.disk(settings).code == code


async def test_where_no_store_answers_nobody_knows_whether_it_locks(front: Front) -> None:
    found = await items(front)
    assert found["lock"] == ("warn", "lock_unknown")
    assert "copy" not in found, "no second store is configured"


async def test_the_certificates_last_days(front: Front) -> None:
    now = datetime.now(UTC)
    left = status.certificate(front.settings, now, None).params["days"]
    for days, code in (
        (left - status.CERTIFICATE_DAYS, "certificate_ok"),
        (left - status.CERTIFICATE_DAYS + 1, "certificate_expiring"),
        (left, "certificate_expiring"),
        (left + 2, "certificate_expired"),
    ):
        assert status.certificate(front.settings, now + timedelta(days=days), None).code == code
    missing = front.settings.model_copy(update={"tls_certificate": Path("/nowhere.pem")})
    assert status.certificate(missing, now, None).code == "certificate_missing"


async def test_a_certificate_that_could_not_be_renewed_is_told_while_the_old_one_is_in_use(front: Front) -> None:
    front.app[KEEPER].fault = "The key /etc/key.pem has a passphrase; store it without one."
    assert (await items(front))["certificate"] == ("fail", "certificate_fault")


def test_every_code_has_its_sentence_in_both_languages() -> None:
    source = (ROOT / "web/api/status.py").read_text("utf-8")
    codes = set(re.findall(r'Item\(\s*"\w+",\s*"\w+",\s*"(\w+)"', source)) | {"recordings_waiting", "recordings_ok"}
    assert len(codes) > 20
    words = Words()
    missing = [
        (code, language)
        for code in codes
        for language in LANGUAGES
        if not words.has(f"status-{code.replace('_', '-')}", language)
    ]
    assert missing == []
    assert {field.name for field in dataclasses.fields(status.Item)} == {"name", "state", "code", "params"}
