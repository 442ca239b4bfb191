# SPDX-License-Identifier: Apache-2.0
"""A recording with a key of its own: nothing goes to the store before its key, and nothing is lost for want of it.

Kills and power cuts: tests/faults.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mediaserver.recorder.session import LiveSession
from mediaserver.recorder.spool import SessionSpool
from mediaserver.recorder.status import report
from mediaserver.recording.feed import SessionOrder, SessionRef, parse_order, session_json
from mediaserver.recording.state import SessionState
from storage.keyed_format import MAGIC
from storage.layout import manifest_key, own_key_key
from storage.own_keys import KEY_NAME
from storage.settings import Settings
from tests.faults.recording import (
    COMMIT_MS,
    COUNTY,
    SESSION,
    Clock,
    Script,
    assert_green,
    assert_nothing_left,
    begun,
    finish,
    settings_of,
    surroundings,
)
from tests.faults.store import FolderStore

REFERENCE = SessionRef(COUNTY, SESSION, SESSION)


def node(folder: Path) -> Settings:
    """A media node, which gets the installation's keys and makes none."""
    store = {"s3_endpoint": "127.0.0.1:9", "s3_access_key": "a", "s3_secret_key": "b"}
    return settings_of(folder).model_copy(update={"node_name": "north", **store})


async def test_without_the_installations_key_it_waits_in_the_spool_and_goes_on_by_itself(tmp_path: Path) -> None:
    settings, store, clock = node(tmp_path), FolderStore(tmp_path / "objects"), Clock()
    with surroundings(store, clock):
        recorder = begun(settings)
        script = Script(recorder, clock, None, own_key=True)
        await script.play(COMMIT_MS)
        live = recorder.sessions[SESSION]
        for _ in range(3):
            live.seal_not_before = 0.0
            await recorder.commit()
            await recorder.sealer.work()
        (told,) = report(recorder)["sessions"]
        assert (told["state"], told["error"]) == ("error", "own_key_missing")
        assert list(store.list("")) == [] and recorder.uploader.waiting().uploads == 0
        assert not (settings.secrets_dir / KEY_NAME).exists()
        settings.secrets_dir.mkdir()
        (settings.secrets_dir / KEY_NAME).write_bytes(b"k" * 32)  # joined anew
        live.seal_not_before = 0.0
        await finish(recorder, clock)
        await recorder.close()
    assert_nothing_left(tmp_path)
    assert assert_green(tmp_path, store, own_key=True).complete


@pytest.mark.parametrize("restart", [False, True])
async def test_what_somebody_takes_from_the_store_is_neither_put_there_in_plain_nor_lost(
    tmp_path: Path, restart: bool
) -> None:
    """Everything is taken away while it is recorded, the key with it: the journal still knows."""
    settings, store, clock = settings_of(tmp_path), FolderStore(tmp_path / "objects"), Clock()
    with surroundings(store, clock):
        recorder = begun(settings)
        await Script(recorder, clock, None, own_key=True).play(COMMIT_MS)
        for _ in range(100):
            await recorder.commit()
            await recorder.sealer.work()
            if recorder.sessions[SESSION].may_upload:
                break
            await asyncio.sleep(0.01)
        text = store.read_bytes(own_key_key(COUNTY, SESSION))
        if restart:
            await recorder.close()
        for item in list(store.list("")):
            (store.folder / item.key).unlink()
        if restart:
            recorder = begun(settings)
        await finish(recorder, clock)
        await recorder.close()
    assert store.read_bytes(own_key_key(COUNTY, SESSION)) == text, "the same key once more"
    assert store.read_bytes(manifest_key(COUNTY, SESSION)).startswith(MAGIC)
    for item in store.list(""):
        assert item.key == own_key_key(COUNTY, SESSION) or store.read_bytes(item.key).startswith(MAGIC)


def test_the_first_order_decides_and_old_journals_know_of_no_keys(tmp_path: Path) -> None:
    for first, later in ((True, False), (False, True)):
        live = LiveSession(SessionSpool(tmp_path / str(first), COUNTY, SESSION), SessionState())
        assert live.begin(REFERENCE, "boot-1", 1)
        live.order(SessionOrder(REFERENCE, "on", 1, 1_000, "", first), 1, 0, disk_full=False)
        live.order(SessionOrder(REFERENCE, "paused", 2, 2_000, "", later), 2, 0, disk_full=False)
        live.committed(live.spool.commit(list(live.steps)), 1 << 20)
        assert (live.state.wants_own_key, live.may_upload) == (first, not first)
        assert live.spool.load().wants_own_key == first
    old = SessionState()
    old.apply({"t": "order", "c": 1, "recording": "on", "version": 1, "utc_ms": 1, "reason": ""})
    assert not old.wants_own_key


def test_an_order_asks_for_a_key_by_a_plain_true_alone() -> None:
    body = {"session": session_json(REFERENCE), "recording": "on", "version": 1, "utc_ms": 1}
    asked = [parse_order(body | extra).own_key for extra in ({}, {"own_key": True}, {"own_key": False}, {"own_key": 1})]
    assert asked == [False, True, False, False]
