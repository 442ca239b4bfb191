# SPDX-License-Identifier: Apache-2.0
"""What `videohome doctor` says of the key that opens the own keys of recordings: is it there, and the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import sync_engine
from storage.database.models import Session, Tombstone
from storage.layout import own_key_key
from storage.objects import ObjectMissing, StoreError, open_store
from storage.own_keys import KEY_NAME, LIMIT_BYTES, KeyUnreadable, fingerprint, installation_key, open_own_key
from storage.settings import Settings

Told = tuple[Literal["ok", "warn", "fail"], str]
"""State, sentence."""


def recording_key(settings: Settings, *, running: bool) -> Iterator[Told]:
    """Nothing where none is needed. `running`: Video Home runs here, and the embedded store with it."""
    path = settings.secrets_dir / KEY_NAME
    if settings.node_name and not path.exists():
        how = "make this machine a node anew (videohome node add), or no private talk is uploaded from here."
        yield "fail", f"{path} is missing; {how}"
        return
    try:
        newest = list(_own_keys(settings)) if settings.s3_endpoint or running else []
    except (StoreError, SQLAlchemyError, OSError):
        newest = []  # said of store and database
    try:
        for session_id, stored in newest:
            open_own_key(settings.secrets_dir, session_id, stored)
        if path.exists():
            found = fingerprint(installation_key(settings.secrets_dir))
            why = "without it nobody can open the recordings that have a key of their own"
            yield "ok", f"{found} in {path}; keep a copy elsewhere: {why}."
        elif settings.recording_keys != "off":
            kind = "private talk" if settings.recording_keys == "talks" else "recording"
            how = f"it is made with the first {kind}; was there one already, put it back from your backup."
            yield "ok", f"{path} is not there yet; {how}"
    except KeyUnreadable as fault:
        yield "fail", str(fault)


def _own_keys(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """`own-key.json` of the newest recording and of the newest private talk, where they have one.

    Raises StoreError, SQLAlchemyError, OSError.
    """
    if settings.node_name or not (settings.database_url or (settings.data_dir / "db").exists()):
        return  # looking makes no database
    sealed = (
        select(Session.id)
        .outerjoin(Tombstone, Tombstone.session_id == Session.id)
        .where(Session.county == settings.county, Session.manifest_key.is_not(None), Tombstone.session_id.is_(None))
        .order_by(Session.id.desc())
        .limit(1)
    )
    engine = sync_engine(settings)
    try:
        with engine.connect() as link:
            newest = [*link.scalars(sealed), *link.scalars(sealed.where(Session.caucus_of.is_not(None)))]
    finally:
        engine.dispose()
    store = open_store(settings)
    for session_id in dict.fromkeys(newest):
        try:
            yield session_id, store.read_bytes(own_key_key(settings.county, session_id), LIMIT_BYTES)
        except ObjectMissing:
            continue
