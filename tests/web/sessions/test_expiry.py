# SPDX-License-Identifier: Apache-2.0
"""Deleting what reached its time: a trial first, never too early, never under a hold, and whole after any kill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys

import pytest
from sqlalchemy import select

from storage.database.models import Derivative, ExportRequest, Transcript
from storage.ids import new_id
from storage.layout import manifest_key, own_key_key
from storage.objects import KeyedStore, ObjectStore, StoreAway
from storage.own_keys import KEY_NAME
from tests.web.sessions.keeping_house import DAY_MS, SEGMENTS, KeepingHouse
from tests.web.sessions.keeping_house import house as house  # with a store
from web.api.core import DATABASE
from web.sessions.expiry import Expiry, StillKept

KILLED = """
import os, sys
from storage.objects.s3 import S3Store
whole, left = S3Store.delete, [int(sys.argv[1])]
def delete(self, key):
    if left[0] == 0:
        os.kill(os.getpid(), 9)
    left[0] -= 1
    whole(self, key)
S3Store.delete = delete
from storage.settings import load_settings
from web.expire_command import run
sys.exit(run(load_settings(), really=True))
"""


def expiry(house: KeepingHouse, *more: ObjectStore, ahead_ms: int = 0) -> Expiry:
    stores = [house.store, *more]
    return Expiry(house.front.app[DATABASE], stores, house.settings, lambda: house.clock() + ahead_ms)


async def due(house: KeepingHouse, ahead_ms: int = 0) -> list[str]:
    return [item.session_id for item in await expiry(house, ahead_ms=ahead_ms).due()]


async def old(house: KeepingHouse, days: int = 1_100) -> str:
    """A session over its time, known to the custody."""
    session_id = await house.sealed(house.clock() - days * DAY_MS)
    await house.running.custody.work()
    return session_id


def command(house: KeepingHouse, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storage.cli.app", "expire", *arguments],
        env=house.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


async def test_the_command_lists_and_changes_nothing_until_it_is_told_really(house: KeepingHouse) -> None:
    first, second, young = await old(house), await old(house, 2_000), await old(house, 1_000)
    before = house.keys(first)
    tried = await asyncio.to_thread(command, house)
    assert tried.returncode == 0, tried.stderr
    assert first in tried.stdout and second in tried.stdout and young not in tried.stdout
    assert "2 recordings would be deleted. Nothing was" in tried.stdout
    assert house.keys(first) == before and await house.stone(first) is None and await house.lines(first) == 1
    listed = json.loads((await asyncio.to_thread(command, house, "--json")).stdout)
    assert {(item["session_id"], item["retention_class"]) for item in listed} == {
        (first, "mediation"),
        (second, "mediation"),
    }
    really = await asyncio.to_thread(command, house, "--really")
    assert (really.returncode, "2 recordings deleted, 0 stay." in really.stdout) == (0, True), really.stdout
    assert house.keys(first) == house.keys(second) == [] and len(house.keys(young)) == SEGMENTS + 1
    assert (await house.lines(first), await house.lines(young)) == (0, 1)
    assert await due(house) == []
    clerk = await house.front.signed_in("clerk")
    listed = {item["id"]: item["recording"] for item in (await clerk.get("/api/sessions")).body["sessions"]}
    stone = await house.stone(first)
    assert stone is not None
    assert (listed[first]["state"], listed[first]["expired_utc_ms"]) == ("expired", stone.begun_utc_ms)
    assert (listed[young]["state"], listed[young]["expired_utc_ms"]) == ("sealed", None)


async def test_a_deletion_leaves_its_tombstone_and_the_pages_say_so(house: KeepingHouse) -> None:
    session_id = await old(house)
    clerk = await house.front.signed_in("clerk")
    sealed = (await clerk.get(f"/api/sessions/{session_id}/playback")).body["manifest_sha256"]
    [item] = await expiry(house).due()
    await expiry(house).delete(item)
    stone = await house.stone(session_id)
    assert stone is not None and stone.done_utc_ms is not None
    assert (stone.objects, stone.manifest_sha256, stone.retention_class) == (SEGMENTS + 1, sealed, "mediation")
    assert [(action, by) for action, by, _ in await house.audited(session_id)] == [
        ("session.expire", "system"),
        ("session.expired", "system"),
    ]
    reply = await clerk.get(f"/api/sessions/{session_id}/playback")
    assert (reply.status, reply.code) == (410, "recording_expired")
    for path, body in (("hold", {"held": True, "reason": "诉讼中"}), ("keeping", {"retention_class": "evidence"})):
        method = "PUT" if path == "hold" else "PATCH"
        refused = await clerk.ask(method, f"/api/sessions/{session_id}/{path}", body)
        assert (refused.status, refused.code) == (409, "recording_expired")
    assert (await clerk.get(f"/api/sessions/{session_id}/keeping")).body["expired_utc_ms"] == stone.begun_utc_ms
    [told] = (await clerk.get("/api/keeping")).body["expired"]
    assert (told["session_id"], told["objects"]) == (session_id, SEGMENTS + 1)
    assert (await clerk.get(f"/api/sessions/{session_id}")).status == 200, "what happened stays known"


async def test_nothing_of_the_content_stays_in_the_rows(house: KeepingHouse) -> None:
    session_id, county = await old(house), house.settings.county
    base = {"county": county, "session_id": session_id}
    facts = {"purpose": "移送", "recipient": "法庭", "formats": ["srt"], "language": "zh-CN", "asked_by_name": "赵"}
    async with house.front.app[DATABASE].begin() as db:
        transcript = (await db.scalars(select(Transcript).where(Transcript.session_id == session_id))).one()
        transcript.result_key, transcript.options = "somewhere", {"hotwords": ["王建国"]}
        made = {"kind": "composite", "state": "done", "options": {}, "result_key": "k", "created_utc_ms": 1}
        db.add(Derivative(id=new_id(), **made, **base))
        for state in ("ready", "asked", "refused"):
            db.add(ExportRequest(id=new_id(), state=state, asked_by="a", asked_utc_ms=1, **base, **facts))
    [item] = await expiry(house).due()
    await expiry(house).delete(item)
    async with house.front.app[DATABASE].read() as db:
        transcript = (await db.scalars(select(Transcript).where(Transcript.session_id == session_id))).one()
        derivative = (await db.scalars(select(Derivative).where(Derivative.session_id == session_id))).one()
        copies = list(await db.scalars(select(ExportRequest).where(ExportRequest.session_id == session_id)))
    assert (transcript.result_key, transcript.options, await house.lines(session_id)) == (None, None, 0)
    assert (derivative.result_key, derivative.state) == (None, "cancelled")
    assert sorted(copy.state for copy in copies) == ["expired", "expired", "refused"]
    assert len([1 for action, _, _ in await house.audited(session_id) if action == "export.expire"]) == 2


async def test_nothing_goes_a_millisecond_before_its_time(house: KeepingHouse) -> None:
    clock_ms = house.clock()
    house.clock.ahead_ms = 0
    session_id = await house.sealed(clock_ms - 1_095 * DAY_MS + 600_000)
    await house.running.custody._adopt()
    await house.change(session_id, lock_pending=False)
    for at_ms, expected in ((clock_ms + 599_999, []), (clock_ms + 600_000, [session_id])):
        found = await Expiry(house.front.app[DATABASE], [], house.settings, lambda at_ms=at_ms: at_ms).due()
        assert [item.session_id for item in found] == expected


async def test_holds_permanent_classes_locks_and_work_in_progress_keep_it(house: KeepingHouse) -> None:
    session_id = await old(house)
    assert await due(house) == [session_id]
    for values in (
        {"held": True},
        {"retention_class": "evidence"},
        {"retention_class": "taken-out-of-the-settings"},
        {"locked_until_utc_ms": house.clock() + DAY_MS},
    ):
        await house.change(session_id, **values)
        assert await due(house, ahead_ms=0) == []
        await house.change(session_id, held=False, retention_class="mediation", locked_until_utc_ms=None)
    assert await due(house) == [session_id]


async def test_a_hold_between_the_list_and_the_deletion_is_seen(house: KeepingHouse) -> None:
    session_id = await old(house)
    [item] = await expiry(house).due()
    await house.change(session_id, held=True, lock_pending=False)
    with pytest.raises(StillKept, match="changed meanwhile"):
        await expiry(house).delete(item)
    assert len(house.keys(session_id)) == SEGMENTS + 1 and await house.stone(session_id) is None


async def test_a_lock_that_only_the_store_knows_stops_it_before_the_first_object(house: KeepingHouse) -> None:
    session_id = await old(house)
    [item] = await expiry(house).due()
    await asyncio.to_thread(house.store.hold, house.keys(session_id)[0], True)  # the manifest
    with pytest.raises(StillKept, match="store itself"):
        await expiry(house).delete(item)
    assert len(house.keys(session_id)) == SEGMENTS + 1 and await house.stone(session_id) is None
    told = await asyncio.to_thread(command, house, "--really")
    assert (told.returncode, "0 recordings deleted, 1 stay." in told.stdout) == (1, True)


@pytest.mark.parametrize("deleted", [2, SEGMENTS + 1])
async def test_a_kill_in_the_middle_is_finished_by_the_next_run(house: KeepingHouse, deleted: int) -> None:
    session_id, other = await old(house), await old(house, 2_000)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(deleted)], env=house.environment(), timeout=120
    )
    assert killed.returncode == -9
    total = len(house.keys(session_id)) + len(house.keys(other))
    assert total == 2 * (SEGMENTS + 1) - deleted
    begun = [item.session_id for item in await expiry(house).due() if item.begun]
    assert begun in ([session_id], [other]) or deleted == SEGMENTS + 1
    assert set(await due(house)) >= {other}
    for item in await expiry(house).due():
        await expiry(house).delete(item)
    for each in (session_id, other):
        stone = await house.stone(each)
        assert stone is not None and stone.done_utc_ms is not None and stone.objects == SEGMENTS + 1
        assert house.keys(each) == [] and await house.lines(each) == 0
        assert [action for action, _, _ in await house.audited(each)].count("session.expired") == 1


async def test_a_recording_with_a_key_of_its_own_goes_with_its_key_and_the_key_last(house: KeepingHouse) -> None:
    session_id = await house.sealed(house.clock() - 1_100 * DAY_MS, own_key=True)
    await house.running.custody.work()
    own = own_key_key(house.settings.county, session_id)
    [item] = await expiry(house).due()
    sealed = hashlib.sha256(await asyncio.to_thread(house.store.read_bytes, house.keys(session_id)[0])).hexdigest()
    gone: list[str] = []

    class Watched(KeyedStore):
        def delete(self, key: str) -> None:
            gone.append(key)
            super().delete(key)

    watched = Watched(house.store.inner, house.settings.secrets_dir)
    await Expiry(house.front.app[DATABASE], [watched], house.settings, house.clock).delete(item)
    assert gone[-2:] == [manifest_key(house.settings.county, session_id), own] and len(gone) == SEGMENTS + 2
    stone = await house.stone(session_id)
    assert stone is not None and stone.manifest_sha256 == sealed and house.keys(session_id) == []


async def test_what_nobody_can_open_any_more_goes_at_its_time(house: KeepingHouse) -> None:
    session_id = await house.sealed(house.clock() - 1_100 * DAY_MS, own_key=True)
    await house.running.custody.work()
    (house.settings.secrets_dir / KEY_NAME).unlink()
    told = await asyncio.to_thread(command, house, "--really")
    assert (told.returncode, "1 recordings deleted, 0 stay." in told.stdout) == (0, True), told.stdout
    stone = await house.stone(session_id)
    assert stone is not None and stone.manifest_sha256 == "" and house.keys(session_id) == []


async def test_without_a_store_nothing_is_begun(house: KeepingHouse) -> None:
    session_id = await old(house)
    [item] = await expiry(house).due()
    nowhere = house.settings.model_copy(update={"s3_endpoint": "127.0.0.1:9"})
    from storage.objects import open_store

    lost = Expiry(house.front.app[DATABASE], [open_store(nowhere)], house.settings, house.clock)
    with pytest.raises(StoreAway):
        await lost.delete(item)
    assert await house.stone(session_id) is None
