# SPDX-License-Identifier: Apache-2.0
"""Connections to the database that the settings name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event

from storage.settings import Settings

_SQLITE_PRAGMAS = ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "synchronous=NORMAL")
"""Readers beside one writer, references checked, a busy file waited for; WAL is safe with NORMAL."""


def sync_engine(settings: Settings) -> Engine:
    """An engine for a program with threads. Raises OSError when the folder of SQLite cannot be made."""
    url = settings.sync_database_url
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    (settings.data_dir / "db").mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
