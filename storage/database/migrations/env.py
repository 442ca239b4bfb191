# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs the migrations on the connection that `storage.database.upgrade` holds."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from storage.database.models import Base
from storage.database.upgrade import migration_engine
from storage.settings import load_settings


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    # The `alembic` command of a developer, for example `alembic revision --autogenerate`.
    engine = migration_engine(load_settings())
    with engine.begin() as own:
        _migrate(own)
    engine.dispose()


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


_run()
