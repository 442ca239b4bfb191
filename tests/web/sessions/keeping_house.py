# SPDX-License-Identifier: Apache-2.0
"""Web beside a real store that several tests share, each with a bucket of its own, and sealed sessions made by hand.

The custody's background waits here until a test lets it work, so that every state between two rounds can be looked at;
`test_keeping` has one test in which it works by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
from sqlalchemy import select

from storage import layout
from storage.database.models import AuditEvent, Session, SessionKeeping, Tombstone, Transcript, TranscriptLine
from storage.embedded import read_access
from storage.ids import new_id
from storage.manifest import Clock, Epoch, Event, Manifest, Part, Peer, Segment, Track
from storage.objects import open_store
from storage.objects.s3 import S3Store
from storage.own_keys import new_own_key
from storage.seal import load_key, next_chain, seal
from tests.embedded_store import EmbeddedStore
from tests.web.sessions.house import House
from web.api.core import DATABASE
from web.sessions.custody import Custody

DAY_MS = 86_400_000
SEGMENTS = 4


class KeepingHouse(House):
    """`settings` go to the web program; `plain`: the bucket was made without locks."""

    def __init__(
        self, data_dir: Path, ui_folder: Path, shared: EmbeddedStore, *, plain: bool = False, **settings: Any
    ) -> None:
        access = read_access(shared.settings.data_dir / "store")
        store = {"s3_endpoint": access.endpoint, "s3_access_key": access.access_key, "s3_secure": False}
        keys = {"s3_secret_key": access.secret_key, "s3_bucket": f"b-{new_id()}"}
        super().__init__(data_dir, ui_folder, **store, **keys, **settings)
        self.store = open_store(self.settings)
        if plain:
            cast(S3Store, self.store.inner)._client.make_bucket(self.settings.s3_bucket)
        self.store.ensure_bucket()

    async def start_web(self) -> None:
        async def wait_for_the_test(_: Custody) -> None:
            await asyncio.Event().wait()

        with patch.object(Custody, "run", wait_for_the_test):
            await super().start_web()

    def environment(self) -> dict[str, str]:
        """For a command beside it."""
        known = self.settings
        return self._environment | {
            "VIDEOHOME_S3_ENDPOINT": known.s3_endpoint,
            "VIDEOHOME_S3_ACCESS_KEY": known.s3_access_key.get_secret_value(),
            "VIDEOHOME_S3_SECRET_KEY": known.s3_secret_key.get_secret_value(),
            "VIDEOHOME_S3_BUCKET": known.s3_bucket,
            "VIDEOHOME_S3_SECURE": "false",
        }

    async def sealed(self, ended_utc_ms: int, title: str = "田埂纠纷", *, own_key: bool = False) -> str:
        """A session that was recorded, sealed and transcribed; its id."""
        officer = await self.front.signed_in("station_officer")
        session_id, transcript_id = await self.session(officer, title), new_id()
        if own_key:
            text = new_own_key(self.settings.secrets_dir, session_id, may_make=True)
            self.store.put_bytes(layout.own_key_key(self.settings.county, session_id), text.encode())
        made = self.put_recording(session_id)
        async with self.front.app[DATABASE].begin() as db:
            row = await db.get_one(Session, session_id)
            row.state, row.recording, row.complete = "ended", "stopped", True
            row.recording_started_utc_ms, row.ended_utc_ms = ended_utc_ms - 60_000, ended_utc_ms
            row.manifest_key = layout.manifest_key(made.county, session_id)
            facts = {"county": made.county, "session_id": session_id, "language": "zh", "state": "done"}
            db.add(Transcript(id=transcript_id, progress=1.0, step="", created_utc_ms=1, **facts))
            await db.flush()
            line = {"n": 0, "start_ms": 0, "end_ms": 900, "peer_id": "p1", "speaker": "吴", "text": "话", "flags": []}
            db.add(TranscriptLine(transcript_id=transcript_id, **line))
        return session_id

    def put_recording(self, session_id: str) -> Manifest:
        """A sealed recording of some segments in the store."""
        county, chain, segments = self.settings.county, "", []
        for number in range(SEGMENTS):
            data = f"{session_id} segment {number}".encode()
            key = layout.segment_key(county, session_id, "p1-mic", 1, number)
            sha256 = self.store.put_bytes(key, data)
            chain, size = next_chain(chain, sha256), len(data)
            digests = (sha256, hashlib.new("sm3", data).hexdigest(), chain)
            parts = (Part(0, size, number * 1_000, True),)
            segments.append(Segment(key, number, number * 1_000, number * 1_000 + 999, size, 0, *digests, parts, 50, 0))
        epoch = Epoch(1, "opus", 48_000, 0, 0, SEGMENTS * 1_000, Clock(), tuple(segments))
        made = Manifest(
            version=1,
            county=county,
            session_id=session_id,
            room=session_id,
            origin_utc_ms=1_795_510_000_000,
            ended_utc_ms=1_795_510_004_000,
            software="videohome",
            server_boots=("b",),
            peers=(Peer("p1", "永安派出所", "永安派出所"),),
            tracks=(Track("p1-mic", "p1", "mic", "audio", (epoch,)),),
            gaps=(),
            events=(Event(0, 1, "recording_started", {}),),
            complete=True,
        )
        sealed = seal(made, load_key(self.settings.secrets_dir), 1_795_510_005_000)
        self.store.put_bytes(layout.manifest_key(county, session_id), sealed.to_bytes())
        return sealed

    def keys(self, session_id: str) -> list[str]:
        """What the store holds of a session."""
        return [item.key for item in self.store.list(layout.session_folder(self.settings.county, session_id))]

    async def row(self, session_id: str) -> SessionKeeping:
        async with self.front.app[DATABASE].read() as db:
            return await db.get_one(SessionKeeping, session_id)

    async def change(self, session_id: str, **values: Any) -> None:
        """Write into the keeping's row behind the program's back."""
        async with self.front.app[DATABASE].begin() as db:
            row = await db.get_one(SessionKeeping, session_id)
            for name, value in values.items():
                setattr(row, name, value)

    async def stone(self, session_id: str) -> Tombstone | None:
        async with self.front.app[DATABASE].read() as db:
            return await db.get(Tombstone, session_id)

    async def lines(self, session_id: str) -> int:
        """Lines of text that are left of a session."""
        query = select(TranscriptLine.n).join(Transcript).where(Transcript.session_id == session_id)
        async with self.front.app[DATABASE].read() as db:
            return len(list(await db.scalars(query)))

    async def audited(self, session_id: str) -> list[tuple[str, str, dict[str, Any]]]:
        """(action, by whom, data) of everything that was done with a session's keeping."""
        query = select(AuditEvent).where(AuditEvent.object_id == session_id).order_by(AuditEvent.id)
        async with self.front.app[DATABASE].read() as db:
            rows = list(await db.scalars(query))
        skip = {"session.create", "session.play"}
        return [(row.action, row.by_name or row.by_kind, row.data) for row in rows if row.action not in skip]


@pytest.fixture
async def house(tmp_path: Path, ui_folder: Path, shared: EmbeddedStore) -> AsyncIterator[KeepingHouse]:
    """Web beside the store of this file's tests."""
    made = KeepingHouse(tmp_path / "data", ui_folder, shared)
    await made.start_web()
    yield made
    await made.close()
