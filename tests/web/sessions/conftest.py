# SPDX-License-Identifier: Apache-2.0
"""A house for every test that asks for it: `house` with mediaserver and recorder, `lonely` without either."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.embedded_store import EmbeddedStore
from tests.web.sessions.house import House, house_with_media


@pytest.fixture
async def house(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Web, mediaserver and recorder."""
    async with house_with_media(tmp_path / "data", ui_folder) as made:
        yield made


@pytest.fixture
async def lonely(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Only web."""
    made = House(tmp_path / "data", ui_folder)
    await made.start_web()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """One store for the tests of a file that work beside a store."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    store.start()
    yield store
    store.stop()
