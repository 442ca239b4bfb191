# SPDX-License-Identifier: Apache-2.0
"""From nothing, from an older data folder, from a newer one, and through a migration that fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session as Orm

from storage.database import upgrade as upgrading
from storage.database.engine import sync_engine
from storage.database.models import Base, Session, Transcript, TranscriptLine
from storage.database.upgrade import COPIES_KEPT, UpgradeFault, alembic_config, migration_engine, upgrade_database
from storage.settings import Settings

OLDER = Path(__file__).parents[2] / "data" / "schema-0001.sql"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def database_file(settings: Settings) -> Path:
    return settings.data_dir / "db" / "videohome.sqlite"


def make_older(settings: Settings) -> None:
    database_file(settings).parent.mkdir(parents=True)
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.executescript(OLDER.read_text("utf-8"))


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as link:
        return link.execute(sql).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as link:
        return list(link.iterdump())


def copies(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.data_dir / "backup").glob("*"))


def test_an_empty_database_gets_the_whole_schema_and_no_copy(either: Settings) -> None:
    done = upgrade_database(either)
    assert (done.before, done.after, done.copy) == (None, upgrading.head_revision(), None)
    assert upgrade_database(either).before == upgrading.head_revision()
    engine = sync_engine(either)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


def test_migrations_and_models_say_the_same(either: Settings) -> None:
    upgrade_database(either)
    engine = migration_engine(either)
    with engine.connect() as link:
        command.check(alembic_config(link))
    engine.dispose()


def test_the_check_would_see_a_difference(settings: Settings) -> None:
    upgrade_database(settings)
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("ALTER TABLE place DROP COLUMN active")
    engine = migration_engine(settings)
    with engine.connect() as link, pytest.raises(Exception, match="New upgrade operations detected"):
        command.check(alembic_config(link))
    engine.dispose()


def test_the_older_folder_is_what_the_first_migration_made(settings: Settings, tmp_path: Path) -> None:
    make_older(settings)
    first = Settings(data_dir=tmp_path / "first")
    engine = migration_engine(first)
    with engine.begin() as link:
        command.upgrade(alembic_config(link), "0001")
    engine.dispose()
    for table in ("transcript", "transcript_line", "worker_heartbeat"):
        columns = f"SELECT name, upper(type), \"notnull\", pk FROM pragma_table_info('{table}')"
        assert rows(database_file(settings), columns) == rows(database_file(first), columns)


def test_an_older_folder_keeps_every_row(settings: Settings) -> None:
    make_older(settings)
    before = rows(database_file(settings), "SELECT * FROM transcript_line ORDER BY transcript_id, n")
    done = upgrade_database(settings, now=lambda: NOW)
    assert done.before == "0001"
    assert rows(database_file(settings), "SELECT * FROM transcript_line ORDER BY transcript_id, n") == before
    engine = sync_engine(settings)
    with Orm(engine) as db:
        transcripts = {row.id: row for row in db.scalars(select(Transcript))}
        sessions = {row.id: row for row in db.scalars(select(Session))}
        line = db.get_one(TranscriptLine, ("01kqz0e5m0000000000000000t", 1))
    engine.dispose()
    assert {row.state for row in transcripts.values()} == {"done", "failed"}
    assert (line.text, line.flags, line.start_ms) == ("我叫王建国，住永安村三组。", ["unsure"], 2150)
    assert set(sessions) == {row.session_id for row in transcripts.values()}
    assert {row.state for row in sessions.values()} == {"ended"}
    assert {row.county for row in sessions.values()} == {"yongan"}


def test_the_copy_before_a_migration_is_the_old_database(settings: Settings) -> None:
    make_older(settings)
    done = upgrade_database(settings, now=lambda: NOW)
    assert done.copy is not None
    assert copies(settings) == ["videohome-20261124T090000Z-0001.sqlite"]
    assert rows(done.copy, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert rows(done.copy, "SELECT count(*) FROM transcript_line") == [(4,)]
    assert done.copy.stat().st_mode & 0o777 == 0o600


def test_plain_starts_copy_once_a_day_and_keep_five(settings: Settings) -> None:
    upgrade_database(settings, now=lambda: NOW)
    for hours in range(0, 24 * 8, 12):
        upgrade_database(settings, now=lambda: NOW + timedelta(hours=hours))  # noqa: B023 - called at once
    assert len(copies(settings)) == COPIES_KEPT
    assert copies(settings)[-1].startswith("videohome-20261201T090000Z-")
    just_before = NOW + timedelta(days=8) - timedelta(milliseconds=1)
    assert upgrade_database(settings, now=lambda: just_before.replace(microsecond=0)).copy is None
    assert upgrade_database(settings, now=lambda: NOW + timedelta(days=8)).copy is not None


def test_a_newer_schema_is_refused_in_one_sentence(settings: Settings) -> None:
    upgrade_database(settings)
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
        link.commit()
    with pytest.raises(UpgradeFault) as refusal:
        upgrade_database(settings)
    sentence = str(refusal.value)
    assert "newer version of Video Home (schema 9999)" in sentence
    assert "\n" not in sentence
    assert rows(database_file(settings), "SELECT version_num FROM alembic_version") == [("9999",)]


def test_somebody_elses_database_is_refused(settings: Settings) -> None:
    database_file(settings).parent.mkdir(parents=True)
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(UpgradeFault, match="holds tables that Video Home did not make"):
        upgrade_database(settings)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(settings: Settings) -> None:
    database_file(settings).parent.mkdir(parents=True)
    database_file(settings).write_bytes(b"not a database at all" * 1000)
    with pytest.raises(UpgradeFault, match="cannot be brought to this version"):
        upgrade_database(settings)


def test_a_migration_that_fails_leaves_the_old_database_usable(settings: Settings) -> None:
    make_older(settings)
    # A table of the same name stops the second migration halfway, after it made other tables.
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("CREATE TABLE session_event (id TEXT)")
    before = dump(database_file(settings))
    with pytest.raises(UpgradeFault, match="nothing was changed"):
        upgrade_database(settings)
    assert dump(database_file(settings)) == before
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("UPDATE transcript SET state = 'queued'")
        link.execute("DROP TABLE session_event")
        link.commit()
    assert upgrade_database(settings).before == "0001"


def test_each_migration_on_either_database_keeps_what_is_there_and_a_failing_one_undoes_itself(
    either: Settings,
) -> None:
    """From the first version, with a transcript in it; the first attempt stops at a table of another's making."""
    engine = migration_engine(either)
    with engine.begin() as link:
        command.upgrade(alembic_config(link), "0001")
        columns = {column["name"]: column for column in inspect(link).get_columns("transcript")}
        values = {
            name: 0 if column["type"].python_type in (int, float, bool) else "{}" if name == "options" else name
            for name, column in columns.items()
            if not column["nullable"]
        }
        names = ", ".join(values)
        link.execute(text(f"INSERT INTO transcript ({names}) VALUES (:{', :'.join(values)})"), values)
        link.exec_driver_sql("CREATE TABLE session_event (id VARCHAR)")
    with pytest.raises(UpgradeFault, match="nothing was changed"):
        upgrade_database(either)
    with engine.begin() as link:
        assert not inspect(link).has_table("session") and inspect(link).has_table("session_event")
        link.exec_driver_sql("DROP TABLE session_event")
    engine.dispose()
    assert upgrade_database(either).before == "0001"
    engine = sync_engine(either)
    with Orm(engine) as db:
        (row,) = db.scalars(select(Transcript))
        assert row.id == "id" and db.get_one(Session, row.session_id).state == "ended"
    engine.dispose()


def test_a_broken_reference_undoes_the_migration(settings: Settings) -> None:
    make_older(settings)
    with closing(sqlite3.connect(database_file(settings))) as link:
        link.execute("UPDATE transcript_line SET transcript_id = 'gone' WHERE n = 0")
        link.commit()
    with pytest.raises(UpgradeFault, match="refers to a missing row in transcript"):
        upgrade_database(settings)
    assert rows(database_file(settings), "SELECT version_num FROM alembic_version") == [("0001",)]


def test_sessions_from_before_private_talks_are_none_and_have_none(either: Settings) -> None:
    engine = migration_engine(either)
    with engine.begin() as link:
        command.upgrade(alembic_config(link), "0008")
        columns = {column["name"]: column for column in inspect(link).get_columns("session")}
        kinds = {name: column["type"].python_type for name, column in columns.items() if not column["nullable"]}
        values: dict[str, object] = {
            name: False if kind is bool else 0 if kind is int else "[]" if name == "barred" else name
            for name, kind in kinds.items()
        }
        names = ", ".join(values)
        link.execute(text(f"INSERT INTO session ({names}) VALUES (:{', :'.join(values)})"), values)
    engine.dispose()
    assert upgrade_database(either).before == "0008"
    engine = sync_engine(either)
    with Orm(engine) as db:
        row = db.get_one(Session, "id")
        assert (row.caucus_id, row.caucus_since_utc_ms, row.caucus_of, row.barred) == (None, None, None, [])
    engine.dispose()
