# SPDX-License-Identifier: Apache-2.0
"""Writes the audit: rows wait until their transaction is kept, then go to the end of their county's chain.

The end of each chain is one row, taken under lock last of all: writers queue there and nobody forks the chain, on
SQLite as on PostgreSQL, and nobody waits for anything else while holding it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import event, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from storage.custody import FIRST, Entry, Head, digest_of
from storage.database.models import AuditEvent, AuditHead
from storage.ids import new_id

_WAITING: Final = "videohome_audit"
_ROWS_AT_ONCE: Final = 1_000


def write(
    db: AsyncSession | Session,
    county: str,
    by: tuple[str, str, str, str],
    action: str,
    object_id: str,
    utc_ms: int,
    data: dict[str, Any],
) -> None:
    """Add a row to this transaction. `by`: kind, id, name and network address of who did it."""
    kind, by_id, name, address = by
    plain = json.loads(json.dumps(data))  # as the database will give it back: the digest covers that
    entry = Entry(county, 0, new_id(), utc_ms, kind, by_id, name, action, object_id, plain, address)
    db.info.setdefault(_WAITING, []).append(entry)


@event.listens_for(Session, "before_commit")
def _chain(db: Session) -> None:
    waiting: list[Entry] = db.info.pop(_WAITING, [])
    if not waiting:
        return
    db.flush()
    for county in sorted({entry.county for entry in waiting}):
        _append(db, county, [entry for entry in waiting if entry.county == county])


@event.listens_for(Session, "after_rollback")
def _forget(db: Session) -> None:
    db.info.pop(_WAITING, None)


def _append(db: Session, county: str, entries: list[Entry]) -> None:
    end = _locked(db, county)
    rows = []
    for entry in entries:
        values = asdict(entry) | {"seq": end.seq + 1}
        digest = digest_of(end.digest, Entry(**values))
        rows.append(values | {"digest": digest})
        end = Head(end.seq + 1, digest)
    db.execute(insert(AuditEvent), rows)
    db.execute(update(AuditHead).where(AuditHead.county == county).values(seq=end.seq, digest=end.digest))


def _locked(db: Session, county: str) -> Head:
    """The chain's end, nobody else's until this transaction is over."""
    first = text("INSERT INTO audit_head (county, seq, digest) VALUES (:county, 0, :digest) ON CONFLICT DO NOTHING")
    db.execute(first, {"county": county, "digest": FIRST})
    # A change that changes nothing takes the row's lock on every engine.
    db.execute(update(AuditHead).where(AuditHead.county == county).values(seq=AuditHead.seq))
    found = db.execute(select(AuditHead.seq, AuditHead.digest).where(AuditHead.county == county)).one()
    return Head(found.seq, found.digest)


def head_of(db: Session, county: str) -> Head:
    """The end of a county's chain as the database keeps it."""
    found = db.execute(select(AuditHead.seq, AuditHead.digest).where(AuditHead.county == county)).one_or_none()
    return Head(0, FIRST) if found is None else Head(found.seq, found.digest)


def entries_of(db: Session, county: str) -> Iterator[tuple[Entry, str]]:
    """All rows of a county with their digests, in the chain's order, a few at a time."""
    after = -(2**62)  # whatever number a changed row bears, it comes up
    while True:
        query = select(AuditEvent).where(AuditEvent.county == county, AuditEvent.seq > after)
        rows = db.scalars(query.order_by(AuditEvent.seq).limit(_ROWS_AT_ONCE)).all()
        for row in rows:
            yield entry_of(row), row.digest
        if len(rows) < _ROWS_AT_ONCE:
            return
        after = rows[-1].seq
        db.expunge_all()


def entry_of(row: AuditEvent) -> Entry:
    """The row as its digest sees it."""
    return Entry(
        row.county,
        row.seq,
        row.id,
        row.utc_ms,
        row.by_kind,
        row.by_id,
        row.by_name,
        row.action,
        row.object_id,
        row.data,
        row.address,
    )
