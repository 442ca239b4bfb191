# SPDX-License-Identifier: Apache-2.0
"""Both kinds of database: a file of SQLite, and a PostgreSQL of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.settings import Settings


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database of the one kind and of the other."""
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path / "data")
    return Settings(data_dir=tmp_path / "data", database_url=request.getfixturevalue("cluster").database())
