# SPDX-License-Identifier: Apache-2.0
"""`videohome verify-audit`: goes through the chain of the audit and says whether every row is as it was written."""

from __future__ import annotations

import re

from rich.console import Console
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from storage.custody import ChainBroken, Head, check
from storage.database.audit_chain import entries_of, head_of
from storage.database.engine import sync_engine
from storage.settings import Settings

_TRIES = 3
_NOTED = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


def run(settings: Settings, *, noted: str = "", console: Console | None = None) -> int:
    """Exit status 0: every row is as written; 1: something differs or cannot be read, said in one sentence."""
    console = console or Console(highlight=False, soft_wrap=True)
    try:
        end = _checked(settings, _noted(noted))
    except (ChainBroken, ValueError) as fault:
        console.print(f"The audit of {settings.county} differs: {fault}", style="red", markup=False)
        return 1
    except (DBAPIError, OSError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error.strerror
        console.print(f"The database cannot be read ({reason}); check database_url.", style="red", markup=False)
        return 1
    console.print(f"The audit of {settings.county} is as it was written: {end.seq} rows, none changed or missing.")
    if end.seq:
        console.print(f"- Its end, to be noted outside this machine: {end.seq}:{end.digest}")
    return 0


def _noted(text: str) -> Head | None:
    if not text:
        return None
    found = _NOTED.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no end of an audit; it looks like 12:SHA-256.")
    return Head(int(found[1]), found[2])


def _checked(settings: Settings, noted: Head | None) -> Head:
    engine = sync_engine(settings)
    try:
        for _ in range(_TRIES):
            with Session(engine) as db:
                end = check(entries_of(db, settings.county), noted=noted)
                head = head_of(db, settings.county)
            if head.seq <= end.seq:
                break  # else rows were written meanwhile
        with Session(engine) as db:
            return end if end == head else check(entries_of(db, settings.county), head, noted)
    finally:
        engine.dispose()
