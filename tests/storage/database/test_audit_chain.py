# SPDX-License-Identifier: Apache-2.0
"""The audit in a real database: one chain however many write, no way to change it, and every change found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from rich.console import Console
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.cli import verify_audit
from storage.database import audit_chain
from storage.database.engine import Database, open_database
from storage.database.models import AuditEvent, AuditHead
from storage.database.upgrade import migration_engine, upgrade_database
from storage.settings import Settings

OFFICER = ("account", "a1", "王警官", "10.0.0.7")
TRIGGERS = ("audit_event_no_update", "audit_event_no_delete")


@pytest.fixture
def settings(either: Settings) -> Settings:
    upgrade_database(either)
    return either


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    yield database
    await database.close()


async def write(database: Database, *objects: str, county: str = "default") -> None:
    async with database.begin() as db:
        for name in objects:
            audit_chain.write(db, county, OFFICER, "session.play", name, 1_790_000_000_000, {"秒": 1.5, "n": (1, 2)})


def verified(settings: Settings, noted: str = "") -> tuple[int, str]:
    out = StringIO()
    status = verify_audit.run(settings, noted=noted, console=Console(file=out, width=400))
    return status, out.getvalue()


def tampered(settings: Settings, *statements: str) -> None:
    """As somebody would who has the file, or the server's administrator, and knows about the triggers."""
    engine = migration_engine(settings)
    with engine.begin() as link:
        if link.dialect.name == "sqlite":
            for trigger in TRIGGERS:
                link.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            link.exec_driver_sql("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        for statement in statements:
            link.exec_driver_sql(statement)
    engine.dispose()


async def test_many_writers_make_one_chain(settings: Settings, database: Database) -> None:
    other = open_database(settings)  # another program
    await asyncio.gather(*(write(each, f"s{n}", f"t{n}") for n in range(10) for each in (database, other)))
    await write(database, "x", county="elsewhere")
    await other.close()
    async with database.read() as db:
        rows = (await db.scalars(select(AuditEvent).where(AuditEvent.county == "default"))).all()
        heads = {head.county: head.seq for head in await db.scalars(select(AuditHead))}
    assert sorted(row.seq for row in rows) == list(range(1, 41))
    assert heads == {"default": 40, "elsewhere": 1}
    status, said = verified(settings)
    assert (status, "40 rows, none changed or missing" in said) == (0, True), said


async def test_a_transaction_that_is_undone_leaves_no_row_and_no_hole(settings: Settings, database: Database) -> None:
    await write(database, "kept")
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as db:
            audit_chain.write(db, "default", OFFICER, "session.play", "undone", 1, {})
            raise ZeroDivisionError
    with pytest.raises(IntegrityError):
        async with database.begin() as db:
            audit_chain.write(db, "default", OFFICER, "session.play", "undone", 1, {})
            db.add(AuditHead(county="default", seq=9, digest=""))
    await write(database, "kept, too")
    async with database.read() as db:
        rows = (await db.execute(select(AuditEvent.seq, AuditEvent.object_id).order_by(AuditEvent.seq))).all()
    assert [tuple(row) for row in rows] == [(1, "kept"), (2, "kept, too")]
    assert verified(settings)[0] == 0


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET by_name = '李'", "DELETE FROM audit_event", "TRUNCATE audit_event"]
)
async def test_the_database_itself_refuses_changes(settings: Settings, database: Database, statement: str) -> None:
    if statement.startswith("TRUNCATE") and not settings.database_url:
        return  # SQLite has no such statement
    await write(database, "s")
    with pytest.raises(DBAPIError, match="audit rows are only ever added"):
        async with database.begin() as db:
            await db.execute(text(statement))
    assert verified(settings)[0] == 0


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE audit_event SET by_name = '李' WHERE seq = 2", "Row 2 is not what was written."),
        ("UPDATE audit_event SET data = '{}' WHERE seq = 3", "Row 3 is not what was written."),
        ("DELETE FROM audit_event WHERE seq = 2", "Row 2 is missing: row 3 comes next."),
        ("DELETE FROM audit_event WHERE seq = 4", "The audit ends with row 3, but row 4 was written."),
        ("DELETE FROM audit_event WHERE seq > 0", "The audit ends with row 0, but row 4 was written."),
        ("UPDATE audit_event SET seq = -2 WHERE seq = 2", "Row 1 is missing: row -2 comes next."),
        ("UPDATE audit_head SET seq = 3", "The audit ends with row 4, but row 3 was written."),
        ("UPDATE audit_event SET data = '{' WHERE seq = 3", "differs"),
    ],
)
async def test_what_was_done_behind_its_back_is_named(
    settings: Settings, database: Database, statement: str, sentence: str
) -> None:
    if settings.database_url and statement.endswith("'{' WHERE seq = 3"):
        return  # PostgreSQL itself takes no broken JSON
    await write(database, "a", "b", "c", "d")
    tampered(settings, statement)
    status, said = verified(settings)
    assert (status, sentence in said) == (1, True), said


async def test_a_cut_end_is_found_by_what_was_noted_outside(settings: Settings, database: Database) -> None:
    await write(database, "a", "b", "c")
    noted = verified(settings)[1].split(": ")[-1].strip()
    await write(database, "d")
    assert verified(settings, noted)[0] == 0
    cut = "UPDATE audit_head SET seq = 2, digest = (SELECT digest FROM audit_event WHERE seq = 2)"
    tampered(settings, "DELETE FROM audit_event WHERE seq > 2", cut)
    assert verified(settings)[0] == 0, "by itself it looks whole"
    assert "before the noted row 3" in verified(settings, noted)[1]
    await write(database, "e")
    assert "Row 3 has another digest" in verified(settings, noted)[1]
    assert "is no end of an audit" in verified(settings, "3")[1]


def test_an_empty_audit_is_whole(settings: Settings) -> None:
    assert verified(settings)[0] == 0
