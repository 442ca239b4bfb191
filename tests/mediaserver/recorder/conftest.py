# SPDX-License-Identifier: Apache-2.0
"""One real store for all tests of the recorder; a test that stops its store has one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.embedded_store import EmbeddedStore
from tests.mediaserver.recorder.studio import Studio


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running embedded store."""
    running = EmbeddedStore(tmp_path_factory.mktemp("store"))
    running.start()
    yield running.settings.data_dir / "store"
    running.stop()


@pytest.fixture
async def studio(tmp_path: Path, shared_store: Path) -> AsyncIterator[Studio]:
    """Feed and recorder in a folder of their own, on the shared store."""
    (tmp_path / "store").symlink_to(shared_store)
    running = Studio(tmp_path)
    await running.start()
    yield running
    await running.close()
