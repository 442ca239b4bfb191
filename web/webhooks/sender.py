# SPDX-License-Identifier: Apache-2.0
"""Takes events from the queue to their addresses: in order, again and again, and not for ever.

Each address has its own line, so that one that is away holds up no other. 2xx: taken. 4xx (but 408, 425 and 429): the
receiver does not want it, it is dropped. Anything else is tried again after a growing pause. What is older than a day,
or the oldest beyond the most that may wait, is dropped. Every drop is counted by its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import Database
from storage.database.models import WebhookDelivery
from web.webhooks.outbox import Outbox
from web.webhooks.signature import headers

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 10_000
"""Events that wait for one address; beyond it the oldest are dropped: newer ones say more about how things are."""
GIVE_UP_AFTER_MS: Final = 24 * 3_600_000
ANSWER_WITHIN_S: Final = 10.0
LOOK_EVERY_S: Final = 1.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 900.0
_TRY_AGAIN: Final = frozenset({408, 425, 429})


def pause_s(failures: int, first_s: float = FIRST_PAUSE_S) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, a quarter of an hour at most."""
    return float(min(LONGEST_PAUSE_S, first_s * 2 ** min(failures - 1, 20)))


def is_final(status: int) -> bool:
    """True when sending the same again would bring the same answer."""
    return 400 <= status < 500 and status not in _TRY_AGAIN


class Sender:
    """One task for each address."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        secret: str,
        now_ms: Callable[[], int],
        count: Callable[[str], None],
        *,
        first_pause_s: float = FIRST_PAUSE_S,
        most_waiting: int = MAX_WAITING,
    ) -> None:
        self._database, self._outbox, self._secret, self._now_ms, self._count = (
            database, outbox, secret, now_ms, count,
        )  # fmt: skip
        self._first_pause_s, self._most_waiting = first_pause_s, most_waiting
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end between two steps: a cancelled transaction would leave its connection open."""
        self._stopping.set()
        self._outbox.wake.set()

    async def run(self) -> None:
        """Send until stopped."""
        if not self._outbox.urls:
            return
        async with self._database.begin() as db:  # an address that was taken out of the settings gets nothing more
            await db.execute(delete(WebhookDelivery).where(WebhookDelivery.url.not_in(self._outbox.urls)))
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
            for url in self._outbox.urls:
                group.create_task(self._serve(http, url), name="webhook")

    async def _serve(self, http: aiohttp.ClientSession, url: str) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._drop_surplus(url)
                failures = await self._send_all(http, url, failures)
            except SQLAlchemyError as error:
                log.warning("database_away", error=type(error).__name__)
            except Exception:
                log.exception("webhook_failed")
            if failures:
                pause = pause_s(failures, self._first_pause_s)
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause * spread):
                        await self._stopping.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._outbox.wake.wait()
            self._outbox.wake.clear()

    async def _send_all(self, http: aiohttp.ClientSession, url: str, failures: int) -> int:
        """Send what waits, the oldest first. Returns how many attempts have failed in a row."""
        while not self._stopping.is_set():
            async with self._database.read() as db:
                query = select(WebhookDelivery).where(WebhookDelivery.url == url).order_by(WebhookDelivery.id)
                oldest = await db.scalar(query.limit(1))
            if oldest is None:
                return 0
            status = await self._post(http, oldest)
            if status is not None and 200 <= status < 300:
                await self._forget(oldest, "webhook_sent")
            elif status is not None and is_final(status):
                log.warning("webhook_refused", url=url, status=status, id=oldest.event_id)
                await self._forget(oldest, "webhook_refused")
            elif self._now_ms() - oldest.created_utc_ms >= GIVE_UP_AFTER_MS:
                log.warning("webhook_given_up", url=url, id=oldest.event_id, attempts=oldest.attempts + 1)
                await self._forget(oldest, "webhook_given_up")
            else:
                self._count("webhook_failed")
                async with self._database.begin() as db:
                    more = {"attempts": WebhookDelivery.attempts + 1}
                    await db.execute(update(WebhookDelivery).where(WebhookDelivery.id == oldest.id).values(**more))
                return failures + 1
            failures = 0
        return failures

    async def _post(self, http: aiohttp.ClientSession, one: WebhookDelivery) -> int | None:
        """Status of one attempt, None without an answer."""
        sending = asyncio.ensure_future(self._status(http, one))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not sending.done():  # it goes out again after the start
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            return None
        return sending.result()

    async def _status(self, http: aiohttp.ClientSession, one: WebhookDelivery) -> int | None:
        sent = headers(self._secret, one.event_id, self._now_ms() // 1000, one.body)
        try:
            async with http.post(one.url, data=one.body.encode(), headers=sent, allow_redirects=False) as response:
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("webhook_no_answer", url=one.url, reason=type(error).__name__)
            return None

    async def _forget(self, one: WebhookDelivery, how: str) -> None:
        async with self._database.begin() as db:
            await db.execute(delete(WebhookDelivery).where(WebhookDelivery.id == one.id))
        self._count(how)

    async def _drop_surplus(self, url: str) -> None:
        async with self._database.read() as db:
            of_url = WebhookDelivery.url == url
            waiting = await db.scalar(select(func.count()).select_from(WebhookDelivery).where(of_url)) or 0
            if waiting <= self._most_waiting:
                return
            query = select(WebhookDelivery.id).where(of_url).order_by(WebhookDelivery.id)
            ids = list(await db.scalars(query.limit(waiting - self._most_waiting)))
        async with self._database.begin() as db:
            await db.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(ids)))
        log.warning("webhook_dropped", url=url, events=len(ids))
        for _ in ids:
            self._count("webhook_dropped")
