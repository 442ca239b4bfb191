# SPDX-License-Identifier: Apache-2.0
"""`videohome expire`: says which recordings reached their time, and deletes them only when told so."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import open_database
from storage.objects import StoreError, open_stores
from storage.settings import Settings
from web.sessions.expiry import Due, Expiry, StillKept


def run(settings: Settings, *, really: bool, json_out: bool = False) -> int:
    """Exit status 0: everything that was due was listed (or deleted); 1: something stays that should go."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        return asyncio.run(_run(settings, console, really=really, json_out=json_out))
    except (StoreError, SQLAlchemyError, OSError) as error:
        console.print(str(error).splitlines()[0], style="red", markup=False)
        return 1


async def _run(settings: Settings, console: Console, *, really: bool, json_out: bool) -> int:
    database = open_database(settings)
    try:
        stores = open_stores(settings) if really else []
        expiry = Expiry(database, stores, settings, lambda: time.time_ns() // 1_000_000)
        due = await expiry.due()
        if json_out:
            print(json.dumps([asdict(item) for item in due], ensure_ascii=False, indent=1))
        if not really:
            if not json_out:
                _list(console, due)
            return 0
        return await _delete(expiry, due, console)
    finally:
        await database.close()


def _list(console: Console, due: list[Due]) -> None:
    for item in due:
        what = "to be finished" if item.begun else f"{item.retention_class}, its time was {_day(item.due_utc_ms)}"
        console.print(f"{item.session_id}  {_day(item.ended_utc_ms)}  {item.title}  ({what})", markup=False)
    if due:
        console.print(f"{len(due)} recordings would be deleted. Nothing was; to do it: videohome expire --really")
    else:
        console.print("Nothing has reached its time.")


async def _delete(expiry: Expiry, due: list[Due], console: Console) -> int:
    stayed = 0
    for item in due:
        try:
            stone = await expiry.delete(item)
        except (StillKept, StoreError) as reason:
            stayed += 1
            console.print(f"{item.session_id} stays: {reason}", style="red", markup=False)
            continue
        console.print(f"{item.session_id} deleted: {stone.objects} objects, {stone.bytes} bytes", markup=False)
    console.print(f"{len(due) - stayed} recordings deleted, {stayed} stay.")
    return 1 if stayed else 0


def _day(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).strftime("%Y-%m-%d")
