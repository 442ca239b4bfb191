# SPDX-License-Identifier: Apache-2.0
"""Database, store and spool against each other: each kind of difference is found, and none where there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import layout
from storage.cli import doctor_keys, reconcile
from storage.ids import new_id
from storage.objects import open_store
from storage.own_keys import KEY_NAME
from tests.embedded_store import EmbeddedStore
from tests.web.sessions.keeping_house import DAY_MS, SEGMENTS, KeepingHouse
from web.api.core import DATABASE
from web.sessions.expiry import Expiry


@pytest.fixture
async def house(tmp_path: Path, ui_folder: Path, shared: EmbeddedStore) -> AsyncIterator[KeepingHouse]:
    # Without locks, so that the tests can damage what is there.
    made = KeepingHouse(tmp_path / "data", ui_folder, shared, plain=True, s3_lock="off")
    await made.start_web()
    yield made
    await made.close()


async def found(house: KeepingHouse, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Exit status and name of each finding by its kind."""
    capsys.readouterr()
    status = await asyncio.to_thread(reconcile.run, house.settings, json_out=True)
    findings = json.loads(capsys.readouterr().out)
    return status, {item["kind"]: item["name"] for item in findings}


async def test_what_fits_and_each_thing_that_does_not(house: KeepingHouse, capsys: pytest.CaptureFixture[str]) -> None:
    session_id, county, store = await house.sealed(house.clock()), house.settings.county, house.store
    running = await house.session(await house.front.signed_in("station_officer"))
    spool = house.settings.spool_dir / county / "sessions"
    (spool / running).mkdir(parents=True)
    store.put_bytes(layout.segment_key(county, running, "p1-mic", 1, 0), b"on its way")
    store.put_bytes("another-county/sessions/x", b"not ours to judge")
    assert await found(house, capsys) == (0, {})

    stranger = new_id()
    (spool / session_id).mkdir()
    (spool / session_id / "journal.jsonl").write_bytes(b"left")
    (spool / stranger).mkdir()
    store.put_bytes(layout.manifest_key(county, stranger), b"of nobody")
    store.put_bytes(f"{county}/notes.txt", b"of somebody")
    unlisted = layout.segment_key(county, session_id, "p1-mic", 2, 0)
    store.put_bytes(unlisted, b"slipped in")
    first, second = (layout.segment_key(county, session_id, "p1-mic", 1, number) for number in (0, 1))
    store.delete(first)
    store.put_bytes(second, b"cut")
    lost = await house.sealed(house.clock())
    for key in house.keys(lost):
        store.delete(key)
    headless, manifest = await house.sealed(house.clock()), ""
    manifest = layout.manifest_key(county, headless)
    store.delete(manifest)
    garbled = layout.manifest_key(county, await house.sealed(house.clock()))
    store.put_bytes(garbled, b"{}")
    before = [(item.key, item.bytes) for item in store.list("")]
    assert await found(house, capsys) == (
        1,
        {
            "spool_left": str(spool / session_id),
            "spool_unknown": str(spool / stranger),
            "session_unknown": stranger,
            "object_unknown": f"{county}/notes.txt",
            "segment_unlisted": unlisted,
            "segment_missing": first,
            "segment_size": second,
            "session_missing": lost,
            "manifest_missing": manifest,
            "manifest_unreadable": garbled,
        },
    )
    assert [(item.key, item.bytes) for item in store.list("")] == before, "it only reads"


async def test_what_was_deleted_at_its_time_is_no_loss(house: KeepingHouse, capsys: pytest.CaptureFixture[str]) -> None:
    session_id = await house.sealed(house.clock() - 2_000 * DAY_MS)
    await house.running.custody.work()
    expiry = Expiry(house.front.app[DATABASE], [house.store], house.settings, house.clock)
    [item] = await expiry.due()
    await expiry._begin(item.session_id, expiry._content(item.session_id))
    assert await found(house, capsys) == (1, {"expiry_unfinished": session_id})
    [item] = await expiry.due()
    assert item.begun and len(house.keys(session_id)) == SEGMENTS + 2  # with the kept version of the manifest
    await expiry.delete(item)
    assert await found(house, capsys) == (0, {})
    house.put_recording(session_id)
    assert await found(house, capsys) == (1, {"expired_left": session_id})


async def test_recordings_with_a_key_of_their_own_fit_and_what_of_them_does_not(
    house: KeepingHouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, county, inner = (
        await house.sealed(house.clock(), own_key=True),
        house.settings.county,
        house.store.inner,
    )
    assert await found(house, capsys) == (0, {})
    second = open_store(house.settings.model_copy(update={"s3_bucket": f"b-{new_id()}"}))
    second.ensure_bucket()
    monkeypatch.setattr(reconcile, "open_copy", lambda settings: second)
    for key in sorted(house.keys(session_id), key=lambda key: key != layout.own_key_key(county, session_id)):
        second.put_bytes(key, house.store.read_bytes(key))
    assert await found(house, capsys) == (0, {})
    second.inner.delete(layout.own_key_key(county, session_id))
    assert await found(house, capsys) == (1, {"copy_missing": session_id}), "alone it could not be opened"
    monkeypatch.undo()
    segment = layout.segment_key(county, session_id, "p1-mic", 1, 2)
    plain = await asyncio.to_thread(house.store.read_bytes, segment)
    inner.put_bytes(segment, plain)
    assert await found(house, capsys) == (1, {"segment_size": segment}), "a plain object in its place"
    house.store.put_bytes(segment, plain)
    garbled, gone = [await house.sealed(house.clock(), own_key=True) for _ in range(2)]
    manifest = layout.manifest_key(county, garbled)
    inner.put_bytes(manifest, inner.read_bytes(manifest)[:-1])
    inner.delete(layout.own_key_key(county, gone))
    assert await found(house, capsys) == (1, {"manifest_unreadable": manifest, "own_key_missing": gone})
    inner.put_bytes(manifest, b"")
    (house.settings.secrets_dir / KEY_NAME).unlink()
    status, kinds = await found(house, capsys)
    assert (status, set(kinds)) == (1, {"own_key_missing"}), "the rest is still looked at"


async def test_the_doctor_opens_the_newest_keys(house: KeepingHouse) -> None:
    def told() -> tuple[str, str]:
        (found,) = doctor_keys.recording_key(house.settings, running=False)
        return found

    await house.sealed(house.clock())
    assert "is not there yet" in (await asyncio.to_thread(told))[1]
    session_id, path = await house.sealed(house.clock(), own_key=True), house.settings.secrets_dir / KEY_NAME
    state, sentence = await asyncio.to_thread(told)
    assert state == "ok" and "keep a copy elsewhere" in sentence
    path.unlink()
    assert await asyncio.to_thread(told) == ("fail", f"The key file {path} is missing; put it back from your backup.")
    path.write_bytes(bytes(32))  # as a new installation beside an old store would make it
    state, sentence = await asyncio.to_thread(told)
    assert state == "fail" and f"is not the one that session {session_id} was recorded under" in sentence


async def test_without_a_store_it_says_that_it_cannot_look(
    house: KeepingHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = house.settings.model_copy(update={"s3_endpoint": "127.0.0.1:9"})
    assert await asyncio.to_thread(reconcile.run, nowhere, json_out=False) == 2
    assert "Not everything could be read" in capsys.readouterr().out
