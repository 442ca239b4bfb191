# SPDX-License-Identifier: Apache-2.0
"""Classes, holds and the store's locks: what people decide reaches the store, and the store holds to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select

from storage import layout
from storage.cli import verify
from storage.database.engine import sync_engine
from storage.database.models import Transcript
from storage.ids import new_id
from storage.layout import transcript_key
from storage.objects import ObjectLock, StoreAway, StoreRefused, open_store
from tests.embedded_store import EmbeddedStore
from tests.web.sessions.keeping_house import DAY_MS, SEGMENTS, KeepingHouse
from tests.web.sessions.keeping_house import house as house  # with a store
from transcribe.rows import TranscriptRows
from web.api.core import DATABASE


@pytest.fixture
async def plain(tmp_path: Path, ui_folder: Path, shared: EmbeddedStore) -> AsyncIterator[KeepingHouse]:
    made = KeepingHouse(tmp_path / "data", ui_folder, shared, plain=True)
    await made.start_web()
    yield made
    await made.close()


async def locks(house: KeepingHouse, session_id: str) -> set[ObjectLock]:
    """Locks of all objects of a session."""
    return {await asyncio.to_thread(house.store.lock_of, key) for key in house.keys(session_id)}


async def status(house: KeepingHouse) -> tuple[str, str]:
    technician = await house.front.signed_in("administrator")
    items = {item["name"]: item for item in (await technician.get("/api/status")).body["items"]}
    assert not items["lock"]["message"].startswith("status-")
    return items["lock"]["state"], items["lock"]["code"]


@pytest.mark.parametrize("own_key", [False, True])
async def test_a_sealed_recording_is_locked_for_the_default_class(house: KeepingHouse, own_key: bool) -> None:
    ended = house.clock()
    session_id = await house.sealed(ended, own_key=own_key)
    await house.running.custody.work()
    until = -(-(ended + 1095 * DAY_MS) // 1000) * 1000
    assert await locks(house, session_id) == {ObjectLock("governance", until)}
    row = await house.row(session_id)
    assert (row.retention_class, row.lock_mode, row.lock_pending) == ("mediation", "governance", False)
    assert row.locked_until_utc_ms == ended + 1095 * DAY_MS
    for key in house.keys(session_id):
        with pytest.raises(StoreRefused):
            house.store.delete(key)
    assert await status(house) == ("ok", "lock_enforced")


async def test_a_transcript_that_comes_later_is_locked_too_and_goes_to_the_second_store(
    house: KeepingHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await house.sealed(house.clock())
    await house.running.custody.work()
    async with house.front.app[DATABASE].read() as db:
        transcript = (await db.scalars(select(Transcript).where(Transcript.session_id == session_id))).one()
    key = transcript_key(house.settings.county, session_id, transcript.id)
    await asyncio.to_thread(house.store.put_bytes, key, '{"text": "话"}'.encode())
    engine = sync_engine(house.settings)
    await asyncio.to_thread(TranscriptRows(engine).finish, transcript.id, key, [], 1)
    engine.dispose()
    second = open_store(house.settings.model_copy(update={"s3_bucket": f"b-{new_id()}"}))
    monkeypatch.setattr("web.sessions.custody.open_copy", lambda settings: second)
    with monkeypatch.context() as away:
        away.setattr(second, "ensure_bucket", _away)
        await house.running.custody.work()
    assert not (await house.row(session_id)).lock_pending, "the first store waits for no second"
    with pytest.raises(StoreRefused):
        await asyncio.to_thread(house.store.delete, key)
    await house.running.custody.work()
    assert (await asyncio.to_thread(house.store.lock_of, key)).mode == "governance"
    copied = await asyncio.to_thread(second.stored_sha256, key)
    assert copied == await asyncio.to_thread(house.store.stored_sha256, key)


def _away() -> None:
    raise StoreAway("The second store is away.")


async def test_a_class_changes_the_time_and_the_store_follows_but_never_back(house: KeepingHouse) -> None:
    clerk = await house.front.signed_in("clerk", name="王书记员")
    ended = house.clock()
    session_id = await house.sealed(ended)
    path = f"/api/sessions/{session_id}/keeping"
    reply = await clerk.patch(path, {"retention_class": "ordinary", "reason": "咨询"})
    assert (reply.status, reply.body["kept_until_utc_ms"]) == (200, ended + 90 * DAY_MS)
    await house.running.custody.work()
    assert {lock.until_utc_ms // 1000 for lock in await locks(house, session_id)} == {-(-(ended + 90 * DAY_MS) // 1000)}
    assert (await clerk.patch(path, {"retention_class": "mediation"})).status == 200
    await house.running.custody.work()
    reply = await clerk.patch(path, {"retention_class": "ordinary"})
    assert reply.body["kept_until_utc_ms"] == ended + 1095 * DAY_MS, "the store's lock only grows"
    await house.running.custody.work()
    assert not (await house.row(session_id)).lock_pending
    refused = await clerk.patch(path, {"retention_class": "for-ever"})
    assert (refused.status, refused.code) == (409, "retention_class_unknown")
    said = [data for action, _, data in await house.audited(session_id) if action == "session.retention_class"]
    assert said[0] == {"from": "mediation", "to": "ordinary", "reason": "咨询"}
    assert len(said) == 3


async def test_the_background_tells_the_store_by_itself_when_something_was_decided(house: KeepingHouse) -> None:
    clerk = await house.front.signed_in("clerk")
    session_id = await house.sealed(house.clock())
    background = asyncio.create_task(house.running.custody.run())
    reply = await clerk.put(f"/api/sessions/{session_id}/hold", {"held": True, "reason": "诉讼中"})
    assert reply.status == 200
    async with asyncio.timeout(15):
        while {lock.held for lock in await locks(house, session_id)} != {True}:
            await asyncio.sleep(0.1)
    background.cancel()


async def test_what_is_permanent_is_held_by_the_store_until_it_is_not(house: KeepingHouse) -> None:
    clerk = await house.front.signed_in("clerk")
    session_id = await house.sealed(house.clock())
    path = f"/api/sessions/{session_id}/keeping"
    reply = await clerk.patch(path, {"retention_class": "evidence"})
    assert reply.body["kept_until_utc_ms"] is None
    await house.running.custody.work()
    assert await locks(house, session_id) == {ObjectLock(held=True)}
    await clerk.patch(path, {"retention_class": "ordinary"})
    await house.running.custody.work()
    assert {(lock.mode, lock.held) for lock in await locks(house, session_id)} == {("governance", False)}


async def test_a_hold_is_set_and_lifted_with_reasons_and_everything_is_written_down(house: KeepingHouse) -> None:
    clerk = await house.front.signed_in("clerk", name="王书记员")
    administrator = await house.front.signed_in("administrator", name="刘管理员")
    session_id = await house.sealed(house.clock())
    path = f"/api/sessions/{session_id}/hold"
    assert (await clerk.put(path, {"held": True, "reason": " "})).code == "hold_reason_needed"
    assert (await clerk.put(path, {"held": False, "reason": "无"})).code == "hold_unchanged"
    reply = await clerk.put(path, {"held": True, "reason": "诉讼中"})
    assert reply.status == 200
    assert (reply.body["held"], reply.body["hold_reason"], reply.body["hold_by_name"]) == (True, "诉讼中", "王书记员")
    await house.running.custody.work()
    assert {lock.held for lock in await locks(house, session_id)} == {True}
    overview = (await administrator.get("/api/keeping")).body
    assert [(hold["session_id"], hold["reason"]) for hold in overview["holds"]] == [(session_id, "诉讼中")]
    assert {item["name"]: item["sessions"] for item in overview["classes"]} == {
        "ordinary": 0,
        "mediation": 1,
        "evidence": 0,
    }
    assert (await administrator.put(path, {"held": False, "reason": "案件已结"})).status == 200
    await house.running.custody.work()
    assert {lock.held for lock in await locks(house, session_id)} == {False}
    assert await house.audited(session_id) == [
        ("session.hold", "王书记员", {"reason": "诉讼中"}),
        ("session.hold_lifted", "刘管理员", {"reason": "案件已结"}),
    ]
    assert (await administrator.get("/api/keeping")).body["holds"] == []


async def test_who_leads_a_session_decides_nothing_about_its_record(house: KeepingHouse) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    assert (await officer.put(f"/api/sessions/{session_id}/hold", {"held": True, "reason": "我"})).status == 403
    assert (await officer.get(f"/api/sessions/{session_id}/keeping")).status == 403


async def test_a_change_in_the_midst_of_the_telling_stays_to_be_told(house: KeepingHouse) -> None:
    clerk = await house.front.signed_in("clerk")
    session_id = await house.sealed(house.clock())
    custody = house.running.custody
    await custody.work()
    await house.change(session_id, lock_pending=True)
    [wanted] = await custody._pending()
    await clerk.put(f"/api/sessions/{session_id}/hold", {"held": True, "reason": "诉讼中"})
    await custody._note(wanted, locked=True)
    assert (await house.row(session_id)).lock_pending
    await custody.work()
    assert {lock.held for lock in await locks(house, session_id)} == {True}


async def test_where_the_store_cannot_lock_the_manifest_is_kept_and_writing_over_it_shows(plain: KeepingHouse) -> None:
    session_id, county = await plain.sealed(plain.clock()), plain.settings.county
    await plain.running.custody.work()
    await plain.change(session_id, lock_pending=True)
    await plain.running.custody.work()  # told twice: kept once
    kept = [key for key in plain.keys(session_id) if key.startswith(layout.manifest_versions(county, session_id))]
    assert len(kept) == 1 and str(layout.parse_key(kept[0])) == kept[0]
    assert len(plain.keys(session_id)) == SEGMENTS + 2
    assert await status(plain) == ("warn", "lock_missing")
    assert (await plain.row(session_id)).lock_mode == ""
    console = Console(record=True, width=400)
    assert await asyncio.to_thread(verify.run, plain.settings, session_id, console=console) == 0
    other = seal_again(plain, session_id)
    await asyncio.to_thread(plain.store.put_bytes, layout.manifest_key(county, session_id), other)
    assert await asyncio.to_thread(verify.run, plain.settings, session_id, console=console) == 1
    assert "not the one that was kept at the seal" in console.export_text()


def seal_again(house: KeepingHouse, session_id: str) -> bytes:
    """What somebody with the key could write: sealed rightly, but later."""
    from dataclasses import replace

    from storage.manifest import from_bytes
    from storage.seal import load_key, seal

    key = layout.manifest_key(house.settings.county, session_id)
    made = from_bytes(house.store.read_bytes(key))
    return seal(replace(made, seal=None, room="another"), load_key(house.settings.secrets_dir), 1).to_bytes()


async def test_a_bucket_that_learns_to_lock_locks_what_it_has(plain: KeepingHouse) -> None:
    session_id = await plain.sealed(plain.clock())
    await plain.running.custody.work()
    await asyncio.to_thread(plain.store.allow_locks)
    plain.running.custody.state = "unknown"  # as after a new start
    await plain.running.custody.work()
    assert {lock.mode for lock in await locks(plain, session_id)} == {"governance"}
    assert await status(plain) == ("ok", "lock_enforced")


async def test_with_locks_switched_off_nothing_is_locked(
    tmp_path: Path, ui_folder: Path, shared: EmbeddedStore
) -> None:
    house = KeepingHouse(tmp_path / "data", ui_folder, shared, s3_lock="off")
    await house.start_web()
    try:
        session_id = await house.sealed(house.clock())
        await house.running.custody.work()
        assert await locks(house, session_id) == {ObjectLock()}
        assert await status(house) == ("ok", "lock_off")
    finally:
        await house.close()
