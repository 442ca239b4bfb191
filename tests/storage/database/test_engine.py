# SPDX-License-Identifier: Apache-2.0
"""Transactions on asyncio: kept or undone whole, writers one after another, readers beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from storage.database import engine
from storage.database.engine import Database, open_database
from storage.database.models import Place, RoomSet
from storage.database.upgrade import upgrade_database
from storage.ids import new_id
from storage.settings import Settings


@pytest.fixture
async def database(either: Settings) -> AsyncIterator[Database]:
    upgrade_database(either)
    database = open_database(either)
    yield database
    await database.close()


def place(name: str) -> Place:
    return Place(id=new_id(), county="default", kind="desk", name=name, created_utc_ms=1)


async def count(database: Database) -> int:
    async with database.read() as db:
        return await db.scalar(select(func.count()).select_from(Place)) or 0


async def test_what_raises_is_undone(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as db:
            db.add(place("a"))
            await db.flush()
            raise ZeroDivisionError
    assert await count(database) == 0


async def test_reading_then_writing_is_one_step(database: Database) -> None:
    """Twenty tasks each read the count and add that many plus one: nobody reads a stale count."""

    async def add_next() -> None:
        async with database.begin() as db:
            seen = await db.scalar(select(func.count()).select_from(Place)) or 0
            db.add(place(f"number {seen}"))

    await asyncio.gather(*(add_next() for _ in range(20)))
    async with database.read() as db:
        names = set((await db.scalars(select(Place.name))).all())
    assert names == {f"number {n}" for n in range(20)}


async def test_a_reader_sees_one_moment_beside_a_writer(database: Database) -> None:
    async with database.read() as reader:
        assert await reader.scalar(select(func.count()).select_from(Place)) == 0
        async with database.begin() as writer:
            writer.add(place("a"))
        assert await reader.scalar(select(func.count()).select_from(Place)) == 0
    assert await count(database) == 1


async def test_references_are_checked(database: Database) -> None:
    orphan = RoomSet(id=new_id(), county="default", place_id="nowhere", name="x", created_utc_ms=1)
    with pytest.raises(IntegrityError):
        async with database.begin() as db:
            db.add(orphan)


async def test_a_writer_waits_for_another_but_not_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.read() as db:
        sqlite = db.get_bind().dialect.name == "sqlite"
        if sqlite:
            assert await db.scalar(text("PRAGMA journal_mode")) == "wal"
            assert await db.scalar(text("PRAGMA busy_timeout")) == 5_000
            return
    monkeypatch.setattr(engine, "WAIT_MS", 100)
    async with database.begin() as first:
        await first.execute(text("SELECT 1"))  # from its first statement on
        with pytest.raises(OperationalError, match="lock timeout"):
            async with database.begin() as db:
                db.add(place("late"))
    assert await count(database) == 0
    async with database.begin() as db:
        db.add(place("in time"))
