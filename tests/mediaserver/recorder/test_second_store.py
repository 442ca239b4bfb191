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
from storage.settings import Settings
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import Publisher, Studio


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


async def test_a_sealed_recording_is_on_both_stores(studio: Studio) -> None:
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
