# SPDX-License-Identifier: Apache-2.0
"""An installation without its web program: store and database of one file's tests, and workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded_store import EmbeddedStore
from tests.transcribe.installation import Database, WorkerProcess


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    running = EmbeddedStore(tmp_path_factory.mktemp("installation"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def database(store: EmbeddedStore) -> Database:
    return Database(store.settings)


@pytest.fixture
def workers() -> Iterator[list[WorkerProcess]]:
    started: list[WorkerProcess] = []
    yield started
    for worker in started:
        worker.kill()
