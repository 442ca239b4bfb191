# SPDX-License-Identifier: Apache-2.0
"""A running web program for every test that asks for `front`."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database.upgrade import upgrade_database
from storage.settings import Settings
from tests.postgres import Cluster
from tests.web.front import Clock, Front, start_front

ON_POSTGRESQL = os.environ.get("VIDEOHOME_TEST_DATABASE") == "postgresql"
"""All of these tests can be run on either kind of database (docs/testing.md)."""


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL of each test's own where these are wanted, for this process and the programs that it starts."""
    if ON_POSTGRESQL:
        running: Cluster = request.getfixturevalue("cluster")
        monkeypatch.setenv("VIDEOHOME_DATABASE_URL", running.database(like=running.migrated()))


@pytest.fixture
def ui_folder(tmp_path: Path) -> Path:
    """Pages as Vite would have built them."""
    return make_ui_folder(tmp_path)


def make_ui_folder(parent: Path) -> Path:
    """Pages as Vite would have built them, below this folder."""
    folder = parent / "ui"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Video Home</title>", "utf-8")
    (folder / "assets" / "app-1a2b3c.js").write_text("export {};", "utf-8")
    (folder / "assets" / "app-1a2b3c.js.br").write_bytes(b"brotli")
    (folder / ".secret").write_text("no", "utf-8")
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows; copying it is quicker than migrating for every test."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("empty"))
    upgrade_database(settings)
    return settings.data_dir / "db" / "videohome.sqlite"


@pytest.fixture
async def front(tmp_path: Path, ui_folder: Path, empty_database: Path) -> AsyncIterator[Front]:
    """The program with an empty database and no account."""
    (tmp_path / "data" / "db").mkdir(parents=True)
    shutil.copy(empty_database, tmp_path / "data" / "db")
    front, runner = await start_front(Settings(data_dir=tmp_path / "data"), Clock(), ui_folder)
    yield front
    await front.close()
    await runner.cleanup()
