# SPDX-License-Identifier: Apache-2.0
"""Brings the database to the schema of this version: copy, migrate in one transaction, refuse what is newer.

Almost every start finds the newest schema; Alembic, which takes a fifth of a second to load, is loaded for others only.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from storage.files import secret_folder, sync_folder
from storage.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

COPIES_KEPT: Final = 5
COPY_EVERY: Final = timedelta(days=1)
"""Starts without a migration copy at most this often, so that restarts do not push out the copy before a migration."""
_TABLE: Final = "alembic_version"
_MIGRATIONS = Path(__file__).with_name("migrations")


class UpgradeFault(Exception):
    """The database cannot be brought to this version. The text is one sentence for the technician."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was done. Revisions are names of migrations; `before` is None for a new database."""

    before: str | None
    after: str
    copy: Path | None


def upgrade_database(settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Upgrade:
    """Copy and migrate. Safe to call at every start and from two programs at once: the second waits for the first.

    Raises UpgradeFault, OSError.
    The copy is made for SQLite only; a PostgreSQL server has its own backups (pg_dump before an upgrade). When a
    migration fails, everything it did is undone and the database serves the old version as before.
    """
    engine = migration_engine(settings)
    try:
        with _alone(settings):
            return _upgrade(settings, engine, now())
    except DBAPIError as error:
        raise UpgradeFault(
            f"The database {_name(settings)} cannot be brought to this version ({error.orig}); nothing was changed. "
            "Start the version before again, and report this."
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder's upgrade lock; the kernel gives it back when this program dies. Raises OSError."""
    with (secret_folder(settings.data_dir / "db") / "upgrade.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _upgrade(settings: Settings, engine: Engine, now: datetime) -> Upgrade:
    head = head_revision()
    with engine.connect() as link:
        before = _revision(link, settings)
        link.rollback()
    copied = _copy(settings, before, now) if before is not None else None
    if before == head:
        return Upgrade(before, head, copied)
    with engine.begin() as link:
        # Read again under the write lock: another program may have migrated meanwhile.
        if _revision(link, settings) != head:
            from alembic import command

            command.upgrade(alembic_config(link), "head")
            _check_references(link, settings)
    return Upgrade(before, head, copied)


def _revision(link: Connection, settings: Settings) -> str | None:
    """Revision of the database. Raises UpgradeFault when it is newer than this program, or not ours."""
    tables = inspect(link).get_table_names()
    found = link.exec_driver_sql("SELECT version_num FROM alembic_version").first() if _TABLE in tables else None
    if found is None:
        if set(tables) - {_TABLE}:
            raise UpgradeFault(
                f"The database {_name(settings)} holds tables that Video Home did not make; set database_url to an "
                "empty database."
            )
        return None
    revision = str(found[0])
    if revision not in _revisions():
        raise UpgradeFault(
            f"The database {_name(settings)} was written by a newer version of Video Home (schema {revision}); "
            f"install that version again, or put a copy from {backup_folder(settings)} back."
        )
    return revision


def _check_references(link: Connection, settings: Settings) -> None:
    """On SQLite references are not checked while tables are rebuilt, so they are checked at the end."""
    if link.dialect.name != "sqlite":
        return
    broken = link.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise UpgradeFault(
            f"The database {_name(settings)} has a row in {broken[0]} that refers to a missing row in {broken[2]}; "
            "nothing was changed. Put a copy back, and report this."
        )


def _revisions() -> list[str]:
    """Names of all migrations, the oldest first: each stands before the underscore of its file's name."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def head_revision() -> str:
    """Newest schema that this version knows."""
    return _revisions()[-1]


def alembic_config(link: Connection | None = None) -> Config:
    """Alembic's configuration for the packaged migrations, working on `link`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = link
    return config


def migration_engine(settings: Settings) -> Engine:
    """An engine whose transactions cover changes of tables too. Raises OSError for SQLite's folder."""
    url = settings.sync_database_url
    if not url.startswith("sqlite"):
        return create_engine(url)
    secret_folder(settings.data_dir / "db")
    engine = create_engine(url)

    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would not begin before CREATE or ALTER
        for pragma in ("journal_mode=WAL", "foreign_keys=OFF", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def backup_folder(settings: Settings) -> Path:
    """Where the copies lie."""
    return settings.data_dir / "backup"


def _copy(settings: Settings, revision: str, now: datetime) -> Path | None:
    """Copy the SQLite database as it is at this moment, also while others write. Raises OSError, DBAPIError."""
    source = make_url(settings.sync_database_url)
    if source.get_backend_name() != "sqlite" or not source.database:
        return None
    folder = secret_folder(backup_folder(settings))
    copies = sorted(folder.glob("videohome-*.sqlite"))
    if revision == head_revision() and copies and now - _made(copies[-1]) < COPY_EVERY:
        return None
    target = folder / f"videohome-{now:%Y%m%dT%H%M%SZ}-{revision}.sqlite"
    draft = target.with_suffix(".part")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(source.database)) as old, closing(sqlite3.connect(draft)) as new:
        old.backup(new)
    with draft.open("rb+") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
    draft.replace(target)
    sync_folder(folder)
    for old_copy in sorted({*copies, target})[:-COPIES_KEPT]:
        old_copy.unlink(missing_ok=True)
    return target


def _made(copy: Path) -> datetime:
    """When a copy was made, from its name; long ago for a name of another form."""
    try:
        return datetime.strptime(copy.name.split("-")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except (ValueError, IndexError):
        return datetime.fromtimestamp(0, UTC)


def _name(settings: Settings) -> str:
    """The database's address without its password."""
    url = make_url(settings.sync_database_url)
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
