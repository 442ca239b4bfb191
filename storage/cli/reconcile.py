# SPDX-License-Identifier: Apache-2.0
"""`videohome reconcile`: holds database, store and spool against each other and says what does not fit. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import sync_engine
from storage.database.models import Session, Tombstone
from storage.ids import is_id
from storage.layout import KeyFault, manifest_key, own_key_key, parse_key, session_folder
from storage.manifest import ManifestFault, from_bytes
from storage.objects import DigestMismatch, KeyMissing, ObjectStat, ObjectStore, StoreError, open_copy, open_store
from storage.objects.locking import MANIFEST_LIMIT_BYTES
from storage.settings import Settings

EXIT_FITS, EXIT_DIFFERS, EXIT_CANNOT_LOOK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit. `kind` is stable, for programs; the sentence is for people."""

    kind: str
    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of one session."""

    manifest_key: str | None
    begun: bool = False
    """Its deletion began."""
    done: bool = False
    """Its deletion is done."""


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    sessions: int = 0
    objects: int = 0
    bytes: int = 0


class Reconciler:
    """One look at everything. Holds one session's list at a time."""

    def __init__(self, settings: Settings, store: ObjectStore, copy: ObjectStore | None, engine: Engine) -> None:
        self._settings, self._store, self._copy, self._engine = settings, store, copy, engine
        self.tally = Tally()

    def findings(self) -> Iterator[Finding]:
        """Everything that does not fit. Raises StoreError, SQLAlchemyError, OSError."""
        sealed = self._sealed()
        prefix = f"{self._settings.county}/"
        for session_id, group in groupby(self._store.list(prefix), _session_of):
            found = list(group)
            self.tally.objects += len(found)
            self.tally.bytes += sum(item.bytes for item in found)
            if not session_id:
                yield from (_unknown_name(item) for item in found)
                continue
            self.tally.sessions += 1
            sealed.discard(session_id)
            yield from self._session(session_id, {item.key: item for item in found})
        for session_id in sorted(sealed):
            yield Finding("session_missing", session_id, "was sealed, but the store holds nothing of it.")
        yield from self._spool()

    def _sealed(self) -> set[str]:
        query = (
            select(Session.id)
            .outerjoin(Tombstone, Tombstone.session_id == Session.id)
            .where(Session.county == self._settings.county, Session.manifest_key.is_not(None))
            .where(Tombstone.session_id.is_(None))
        )
        with self._engine.connect() as link:
            return set(link.scalars(query))

    def _known(self, session_id: str) -> Known | None:
        """Asked anew for each session, as it is now: a new one must not look unknown."""
        query = (
            select(Session.manifest_key, Tombstone.begun_utc_ms, Tombstone.done_utc_ms)
            .outerjoin(Tombstone, Tombstone.session_id == Session.id)
            .where(Session.id == session_id, Session.county == self._settings.county)
        )
        with self._engine.connect() as link:
            row = link.execute(query).first()
        return None if row is None else Known(row[0], row[1] is not None, row[2] is not None)

    def _session(self, session_id: str, found: dict[str, ObjectStat]) -> Iterator[Finding]:
        known = self._known(session_id)
        count = f"{len(found)} objects"
        for key in found:
            if not _is_ours(key):
                yield _unknown_name(found[key])
        if known is None:
            yield Finding("session_unknown", session_id, f"has {count} in the store; the database does not know it.")
        elif known.done:
            yield Finding("expired_left", session_id, f"was deleted at its time, but {count} are in the store.")
        elif known.begun:
            yield Finding("expiry_unfinished", session_id, "is half deleted; run: videohome expire --really")
        elif known.manifest_key is not None:
            yield from self._against_manifest(session_id, found)
            yield from self._against_copy(session_id, found)

    def _against_manifest(self, session_id: str, found: dict[str, ObjectStat]) -> Iterator[Finding]:
        key = manifest_key(self._settings.county, session_id)
        if key not in found:
            yield Finding("manifest_missing", key, "is not in the store, although the session was sealed.")
            return
        try:
            made = from_bytes(self._store.read_bytes(key, MANIFEST_LIMIT_BYTES))
        except KeyMissing as fault:
            yield Finding("own_key_missing", session_id, f"cannot be opened: {fault}")
            return
        except (ManifestFault, DigestMismatch) as fault:
            yield Finding("manifest_unreadable", key, f"cannot be read: {fault}; run: videohome verify {session_id}")
            return
        listed = {segment.key: segment.bytes for track in made.tracks for segment in track.segments()}
        for name, size in listed.items():
            if name not in found:
                yield Finding("segment_missing", name, "is listed in the manifest and not in the store.")
            elif found[name].bytes != size:
                yield Finding("segment_size", name, f"has {found[name].bytes} bytes; {size} were sealed.")
        tracks = f"{session_folder(self._settings.county, session_id)}tracks/"
        for name in sorted(found.keys() - listed.keys()):
            if name.startswith(tracks) and _is_ours(name):
                yield Finding("segment_unlisted", name, "lies in the store and the manifest does not list it.")

    def _against_copy(self, session_id: str, found: dict[str, ObjectStat]) -> Iterator[Finding]:
        if self._copy is None:
            return
        folder = session_folder(self._settings.county, session_id)
        copied = {item.key: item.bytes for item in self._copy.list(folder)}
        county = self._settings.county
        alone = (manifest_key(county, session_id), own_key_key(county, session_id))
        wanted = [key for key in found if key.startswith(f"{folder}tracks/") or key in alone]
        missing = [key for key in wanted if copied.get(key) != found[key].bytes]
        if missing:
            sentence = f"{len(missing)} of {len(wanted)} objects are not, or not whole, on the second store."
            yield Finding("copy_missing", session_id, sentence)

    def _spool(self) -> Iterator[Finding]:
        for spool in sorted(self._settings.data_dir.glob("spool*")):
            for folder in sorted(spool.glob(f"{self._settings.county}/sessions/*")):
                known = self._known(folder.name)
                size = f"{sum(_size(path) for path in folder.rglob('*'))} bytes"
                if known is None:
                    yield Finding("spool_unknown", str(folder), f"holds {size} of a session nobody knows.")
                elif known.manifest_key is not None:
                    yield Finding("spool_left", str(folder), f"holds {size} of a session that is sealed in the store.")


def run(settings: Settings, *, json_out: bool) -> int:
    """Print what does not fit. Exit status 0: all fits; 1: something does not; 2: one of the three cannot be read."""
    console = Console(highlight=False, soft_wrap=True)
    found: list[Finding] = []
    engine = sync_engine(settings)
    try:
        reconciler = Reconciler(settings, open_store(settings), open_copy(settings), engine)
        for finding in reconciler.findings():
            found.append(finding)
            if not json_out:
                console.print(f"{finding.kind}  {finding.name} {finding.sentence}", markup=False)
    except (StoreError, SQLAlchemyError, OSError) as error:
        console.print(f"Not everything could be read: {str(error).splitlines()[0]}", style="red", markup=False)
        return EXIT_CANNOT_LOOK
    finally:
        engine.dispose()
    if json_out:
        print(json.dumps([asdict(finding) for finding in found], ensure_ascii=False, indent=1))
    else:
        seen = reconciler.tally
        console.print(f"{seen.sessions} sessions, {seen.objects} objects, {seen.bytes} bytes: {len(found)} do not fit.")
    return EXIT_DIFFERS if found else EXIT_FITS


def _session_of(item: ObjectStat) -> str:
    """Id of the session that an object belongs to by its name; empty where there is none."""
    match item.key.split("/"):
        case [_, "sessions", session_id, _, *_] if is_id(session_id):
            return session_id
        case _:
            return ""


def _is_ours(key: str) -> bool:
    try:
        parse_key(key)
    except KeyFault:
        return False
    return True


def _unknown_name(item: ObjectStat) -> Finding:
    return Finding("object_unknown", item.key, f"({item.bytes} bytes) has a name that Video Home never makes.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
