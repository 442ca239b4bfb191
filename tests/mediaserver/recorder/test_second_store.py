# SPDX-License-Identifier: Apache-2.0
"""A recording on two stores: both verify, and the report says how far the second one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.cli.verify import Expected
from storage.cli.verify import run as verify_recording
from storage.embedded import read_access
from storage.keyed_format import MAGIC
from storage.layout import manifest_key, session_folder
from storage.objects import open_stores
from storage.settings import Settings
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import COUNTY, Publisher, Studio


@pytest.fixture
async def studio(tmp_path: Path, shared_store: Path) -> AsyncIterator[Studio]:
    """The second store is another bucket of the shared one."""
    (tmp_path / "store").symlink_to(shared_store)
    access = read_access(shared_store)
    copy = {
        "s3_copy_endpoint": access.endpoint,
        "s3_copy_access_key": access.access_key,
        "s3_copy_secret_key": access.secret_key,
        "s3_copy_bucket": "copies",
    }
    running = Studio(tmp_path, **copy, s3_copy_secure="false")
    running.settings = Settings(data_dir=tmp_path, **copy, s3_copy_secure=False)
    await running.start()
    yield running
    await running.close()


@pytest.mark.parametrize("own_key", [False, True])
async def test_a_sealed_recording_is_on_both_stores(studio: Studio, own_key: bool) -> None:
    studio.own_key = own_key
    session = studio.session()
    studio.order(session, "on")
    mic = Publisher(studio, session, Stream("audio"), "p1", "mic")
    await studio.play(12, mic)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    report = await studio.wait_status(lambda report: report["copy"]["waiting"] == 0)
    assert report["copy"] == {"ok": True, "waiting": 0, "waiting_bytes": 0} and report["store_ok"]
    for copy in (False, True):
        assert await asyncio.to_thread(verify_recording, studio.settings, made.session_id, Expected(copy=copy)) == 0
    for store in open_stores(studio.settings):
        there = {item.key.split("/")[3] for item in store.list(session_folder(COUNTY, made.session_id))}
        assert there == {"manifest.json", "tracks", *(["own-key.json"] if own_key else [])}
        stored = store.inner.read_bytes(manifest_key(COUNTY, made.session_id))
        assert stored.startswith(MAGIC) == own_key, "the second store holds nothing in plain, either"
