# SPDX-License-Identifier: Apache-2.0
"""The object store for an asyncio program: every call in threads of its own, so that a slow store never blocks pages.

The default threads of asyncio also check passwords; a store that hangs must not use them up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from storage.objects import ObjectStat, ObjectStore, RangeReader, StoreAway, open_store
from storage.settings import Settings

THREADS: Final = 8
BLOCK_BYTES: Final = 256 * 1024
_Answer = TypeVar("_Answer")


class StoreDoor:
    """Reads of the store. Every call may raise StoreAway, ObjectMissing and the other faults of `storage.objects`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(THREADS, "store")
        self._store: ObjectStore | None = None

    def close(self) -> None:
        """Let the threads end; a read in progress is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[[], _Answer]) -> _Answer:
        """Run something long in one of these threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def call(self, question: Callable[[ObjectStore], _Answer]) -> _Answer:
        """Ask the store."""
        return await self.run(lambda: self._ask(question))

    def _ask(self, question: Callable[[ObjectStore], _Answer]) -> _Answer:
        if self._store is None:
            self._store = open_store(self._settings)
        try:
            return question(self._store)
        except StoreAway:
            self._store = None  # the embedded store may come back at another port
            raise

    async def read_bytes(self, key: str) -> bytes:
        """A whole object of moderate size."""
        return await self.call(lambda store: store.read_bytes(key))

    async def stat(self, key: str) -> ObjectStat:
        """What the store says about an object."""
        return await self.call(lambda store: store.stat(key))

    @asynccontextmanager
    async def open_range(self, key: str, start: int, length: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Blocks of a range, as they come."""
        reader = await self.call(lambda store: store.open_range(key, start, length))
        try:
            yield self._blocks(reader)
        finally:
            await self.run(reader.close)

    async def _blocks(self, reader: RangeReader) -> AsyncIterator[bytes]:
        while block := await self.run(lambda: reader.read(BLOCK_BYTES)):
            yield block
