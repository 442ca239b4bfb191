# SPDX-License-Identifier: Apache-2.0
"""Transactions on asyncio: kept or undone whole, writers one after another, readers beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from storage.database.engine import Database, open_database
from storage.database.models import Place
from storage.database.upgrade import upgrade_database
from storage.ids import new_id
from storage.settings import Settings


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    settings = Settings(data_dir=tmp_path)
    upgrade_database(settings)
    database = open_database(settings)
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
    async with database.read() as db:
        assert await db.scalar(text("PRAGMA foreign_keys")) == 1
        assert await db.scalar(text("PRAGMA journal_mode")) == "wal"
