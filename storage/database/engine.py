# SPDX-License-Identifier: Apache-2.0
"""Connections to the database that the settings name: blocking ones for threads, awaited ones for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from storage.settings import Settings

_SQLITE_PRAGMAS = ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "synchronous=NORMAL")
"""Readers beside one writer, references checked, a busy file waited for; WAL is safe with NORMAL."""
_WRITES = "videohome_writes"
WAIT_MS = 30_000
"""How long a writer on PostgreSQL waits for all that came before it; it is served in turn, as on SQLite it is not."""
_WRITE_LOCK = 0x76686F6D65
"""Number of the advisory lock that every writing transaction on PostgreSQL holds."""
_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


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


class Database:
    """Transactions for a program on asyncio. Keep them short and await nothing but the database inside."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        if engine.dialect.name == "postgresql":
            self._engine = engine.execution_options(isolation_level="REPEATABLE READ")

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction that may write; kept when the block ends, undone when it raises.

        It holds the one write lock from its beginning, so what was read stays true until the end; a lock that is not
        had within 5 s (PostgreSQL: 30 s) raises OperationalError. SQLite has such a lock; on PostgreSQL it is one that
        all who use this class agree on, for what is checked before writing must mean the same on both.
        """
        async with AsyncSession(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads: one moment's view, beside a writer."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()


def open_database(settings: Settings) -> Database:
    """The database of this installation; opens no connection yet. Raises OSError for SQLite's folder."""
    url = make_url(settings.sync_database_url)
    backend = url.get_backend_name()
    url = url.set(drivername=_ASYNC_DRIVERS.get(backend, url.drivername))
    if backend != "sqlite":
        engine = create_async_engine(url, pool_pre_ping=True)
        if backend == "postgresql":
            event.listen(engine.sync_engine, "begin", _lock)
        return Database(engine)
    (settings.data_dir / "db").mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)
    event.listen(engine.sync_engine, "connect", _set_pragmas_without_own_begin)
    event.listen(engine.sync_engine, "begin", _begin)
    return Database(engine)


def _set_pragmas_without_own_begin(connection: Any, record: Any) -> None:
    # The driver would begin only at the first write, after reads whose result may be stale by then.
    connection.isolation_level = None
    _set_pragmas(connection, record)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _lock(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
