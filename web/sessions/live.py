# SPDX-License-Identifier: Apache-2.0
"""Tells open pages what changed: each session's newest state, at most twice a second, to those who may see it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import Database
from storage.database.models import SignIn
from web.accounts.sign_ins import live as live_sign_in
from web.casework.visibility import Viewer, may_see
from web.sessions.rows import SessionRows, load, load_one
from web.sessions.views import detail, summary

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
"""A session is told at most once in this time; what happens in between is in the next telling."""
LOOK_AT_SIGN_INS_S: Final = 15.0
MAX_PAGES: Final = 500
MAX_PAGES_OF_ONE: Final = 20
"""Open pages of one browser."""
MAX_WAITING: Final = 300
"""Sessions that wait to be sent to one page; beyond it the stream ends, and the page reads its list anew."""


class TooManyPages(Exception):
    """More streams than this program serves; the page asks again later."""


class Page:
    """One open stream. Only the newest state of each session waits, so a slow page never gets stale ones."""

    def __init__(self, viewer: Viewer, sign_in: str, session_id: str | None) -> None:
        self.viewer, self.sign_in, self.session_id = viewer, sign_in, session_id
        self._waiting: dict[str, tuple[str, str]] = {}
        self._shown: set[str] = set()
        self._wake = asyncio.Event()
        self.ended = False

    def wants(self, session_id: str) -> bool:
        """True when the page watches this session, or all."""
        return self.session_id in (None, session_id)

    def offer(self, session_id: str, state: dict[str, Any] | None) -> None:
        """The session's new state; None when it does not exist for this viewer (any more)."""
        if state is None:
            if session_id not in self._shown:
                return
            self._shown.discard(session_id)
            self._put(session_id, "gone", json.dumps({"id": session_id}))
            return
        self._shown.add(session_id)
        self._put(session_id, "session", json.dumps(state, ensure_ascii=False))

    def _put(self, key: str, event: str, data: str) -> None:
        self._waiting.pop(key, None)
        self._waiting[key] = (event, data)
        if len(self._waiting) > MAX_WAITING:
            self.end()
        self._wake.set()

    def sign_in_ended(self) -> None:
        """The last thing that this page hears."""
        self._waiting["me"] = ("me", "{}")
        self.end()

    def end(self) -> None:
        """Nothing more comes after what waits."""
        self.ended = True
        self._wake.set()

    async def next(self) -> list[tuple[str, str]]:
        """(event, data) that wait, at least one; empty when the stream has ended."""
        while not self._waiting and not self.ended:
            self._wake.clear()
            await self._wake.wait()
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting


class Live:
    """All open pages, and the sessions that changed since they were last told."""

    def __init__(self, database: Database, recorder_away: Callable[[str], bool], now_ms: Callable[[], int]) -> None:
        self._database, self._recorder_away, self._now_ms = database, recorder_away, now_ms
        self._pages: set[Page] = set()
        self._dirty: set[str] = set()
        self._told_s: dict[str, float] = {}
        self._wake = asyncio.Event()

    def changed(self, session_id: str) -> None:
        """This session has another state now."""
        if self._pages:
            self._dirty.add(session_id)
            self._wake.set()

    def open_page(self, viewer: Viewer, sign_in: str, session_id: str | None) -> Page:
        """A new stream; one that watches a session gets its state at once. Raises TooManyPages."""
        own = sum(page.sign_in == sign_in for page in self._pages)
        if len(self._pages) >= MAX_PAGES or own >= MAX_PAGES_OF_ONE:
            raise TooManyPages
        page = Page(viewer, sign_in, session_id)
        self._pages.add(page)
        if session_id is not None:
            self.changed(session_id)
        return page

    def close_page(self, page: Page) -> None:
        """The stream is over."""
        self._pages.discard(page)

    def sign_in_ended(self, sign_in: str) -> None:
        """All pages of this sign-in hear it and end."""
        for page in self._pages:
            if page.sign_in == sign_in:
                page.sign_in_ended()

    def end_all(self) -> None:
        """The program stops."""
        for page in self._pages:
            page.end()

    async def run(self) -> None:
        """Tell until cancelled."""
        looked_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(EVERY_S if self._dirty else LOOK_AT_SIGN_INS_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._tell_due(time.monotonic())
                if time.monotonic() - looked_s >= LOOK_AT_SIGN_INS_S:
                    looked_s = time.monotonic()
                    await self._look_at_sign_ins()
            except SQLAlchemyError as error:
                log.warning("database_away", error=type(error).__name__)
            except Exception:
                log.exception("telling_failed")

    async def _tell_due(self, now_s: float) -> None:
        self._told_s = {key: at_s for key, at_s in self._told_s.items() if now_s - at_s < EVERY_S}
        due = [session_id for session_id in self._dirty if session_id not in self._told_s]
        for session_id in due:
            self._dirty.discard(session_id)
            self._told_s[session_id] = now_s
            pages = [page for page in self._pages if page.wants(session_id)]
            if pages:
                async with self._database.read() as db:
                    whole = any(page.session_id for page in pages)
                    rows = await load_one(db, session_id) if whole else next(iter(await load(db, [session_id])), None)
                for page in pages:
                    page.offer(session_id, self._state(rows, page))

    def _state(self, rows: SessionRows | None, page: Page) -> dict[str, Any] | None:
        if rows is None or not may_see(page.viewer, rows.facts(page.viewer)):
            return None
        if page.session_id is not None:
            return detail(rows, page.viewer, self._recorder_away(rows.session.id))
        return summary(rows, page.viewer, self._recorder_away(rows.session.id))

    async def _look_at_sign_ins(self) -> None:
        """Sign-ins also run out, or end in another process."""
        hashes = {page.sign_in for page in self._pages}
        async with self._database.read() as db:
            query = select(SignIn.token_hash).where(SignIn.token_hash.in_(hashes), live_sign_in(self._now_ms()))
            alive = set(await db.scalars(query))
        for sign_in in hashes - alive:
            self.sign_in_ended(sign_in)
