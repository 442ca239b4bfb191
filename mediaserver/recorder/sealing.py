# SPDX-License-Identifier: Apache-2.0
"""What happens to files that will not grow any more: digests, upload, and at the end the sealed manifest."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from mediaserver.recorder import manifest_making
from mediaserver.recorder.session import LiveSession
from mediaserver.recording import state as journal
from storage.files import digests_of_bytes, digests_of_file, write_atomically
from storage.layout import session_folder
from storage.own_keys import KeyUnreadable, new_own_key
from storage.uploads import Uploader

if TYPE_CHECKING:
    from mediaserver.recorder.core import Recorder

log = structlog.get_logger(__name__)

RETRY_S = 2.0
"""Pause after a session's files or manifest could not be dealt with."""
IN_PROCESS_BYTES = 1 << 20
"""Sessions with a longer journal, some minutes of 24 parties, are sealed in a process of their own: it costs half a
second to start, and this one's interpreter stays free for what other sessions record."""


class Sealer:
    """Seals and uploads. `work` does what is due, one pass at a time, beside the commits; it may be cancelled."""

    def __init__(self, recorder: Recorder, uploader: Uploader) -> None:
        self._recorder = recorder
        self._uploader = uploader
        self._queued: set[str] = set()
        """Manifests and own keys that were queued in this run of the program, by their names in the store."""
        self._looked: set[str] = set()
        """Sessions whose own key was looked for in the store once more, after everything else of it was there."""

    async def work(self) -> None:
        """Make keys, digest what is finished, queue what has digests, make the manifests of what is all uploaded."""
        for live in list(self._recorder.sessions.values()):
            if live.state.done or time.monotonic() < live.seal_not_before:
                continue
            try:
                await self._digest(live)
                if not live.may_upload:
                    await self._own_key(live)
                    continue
                await self._queue(live)
                if live.recorded_out:
                    await self._finish(live)
            except OSError as error:
                live.seal_not_before = time.monotonic() + RETRY_S
                log.error("sealing_delayed", session=live.state.session_id, reason=str(error))

    async def _digest(self, live: LiveSession) -> None:
        for name, path in live.sealable():
            if any(step.line["t"] == "sealed" and _named(step.line, name) for step in live.steps):
                continue
            found = await asyncio.to_thread(digests_of_file, path)
            segment = live.segment(name)
            if segment is None or found.bytes != segment.bytes:
                log.error("segment_changed_on_disk", path=str(path), found=found.bytes)
                continue
            live.add_seal(name, found.sha256, found.sm3)

    async def _own_key(self, live: LiveSession) -> None:
        """Make the session's key once, and see it into the store. What is recorded waits in the spool for it.

        Raises OSError.
        """
        if not live.state.own_key:
            if any(step.line["t"] == journal.OWN_KEY for step in live.steps):
                return  # made, and not on disk yet
            settings = self._recorder.settings
            try:
                text = await asyncio.to_thread(
                    new_own_key, settings.secrets_dir, live.state.session_id, may_make=not settings.node_name
                )
            except KeyUnreadable as error:
                log.error("own_key_cannot_be_made", session=live.state.session_id, reason=str(error))
                live.fault, live.seal_not_before = "own_key_missing", time.monotonic() + RETRY_S
                return
            live.fault = "" if live.fault == "own_key_missing" else live.fault
            live.add_own_key(text)
        elif live.spool.own_key_key not in self._queued:
            await self._queue_own_key(live)
            self._queued.add(live.spool.own_key_key)

    async def _queue_own_key(self, live: LiveSession) -> None:
        """See to it that the store holds the key; one that is there is only read. Raises OSError."""
        data = live.state.own_key.encode()
        await asyncio.to_thread(write_atomically, live.spool.own_key_path, data, 0o600)
        await self._add(live.spool.own_key_path, live.spool.own_key_key, digests_of_bytes(data).sha256)

    async def _queue(self, live: LiveSession) -> None:
        for name in sorted(live.to_upload):
            segment = live.segment(name)
            if segment is not None:
                await self._add(live.spool.path(*name), live.spool.key(*name), segment.sha256)
            live.to_upload.discard(name)

    async def _add(self, path: Path, key: str, sha256: str) -> None:
        """Queue it, unless it waits already; a file that is gone was uploaded before we were killed."""
        if self._uploader.waiting(key).uploads:
            return
        if path.exists():  # noqa: ASYNC240 - a look at one name
            await asyncio.to_thread(self._uploader.add, path, key, sha256)
        else:
            self._recorder.sessions[key.split("/")[2]].stored(key)

    async def _finish(self, live: LiveSession) -> None:
        key = live.spool.manifest_key
        if live.state.manifest is not None:
            if live.manifest_stored:
                live.add_done()
            elif key not in self._queued:
                sha256 = live.state.manifest["sha256"]
                await self._recorder.stamper.order(live.state.county, live.state.session_id, sha256)
                await self._add(live.spool.manifest_path, key, sha256)
                self._queued.add(key)
            return
        if self._uploader.waiting(session_folder(live.state.county, live.state.session_id)).uploads:
            return
        if live.state.own_key and live.spool.session_id not in self._looked:
            await self._queue_own_key(live)  # until now it could be put back; when all is sealed we forget it
            self._looked.add(live.spool.session_id)
            return
        try:
            live.add_manifest(await self._make(live))
            live.fault = ""
        except manifest_making.SealRefused as error:
            log.error("manifest_cannot_be_made", session=live.state.session_id, reason=str(error))
            live.fault = "seal_failed"
            live.seal_not_before = time.monotonic() + RETRY_S

    async def _make(self, live: LiveSession) -> dict[str, object]:
        """Make, seal and keep the manifest. Raises SealRefused, OSError."""
        secrets_dir, spool = self._recorder.settings.secrets_dir, live.spool
        if spool.journal_bytes <= IN_PROCESS_BYTES:
            made = await asyncio.to_thread(manifest_making.make, spool, secrets_dir)
        else:
            made = await manifest_making.make_in_child(spool, secrets_dir)
        await asyncio.to_thread(write_atomically, spool.manifest_path, made.data, 0o600)
        digests = await asyncio.to_thread(digests_of_bytes, made.data)
        facts = {"complete": made.complete, "duration_ms": made.duration_ms}
        return {"key": spool.manifest_key, "sha256": digests.sha256, **facts}


def _named(line: dict[str, object], name: tuple[str, int, int]) -> bool:
    return (line["track"], line["epoch"], line["segment"]) == name
