# SPDX-License-Identifier: Apache-2.0
"""Time stamps for sealed manifests, fetched beside everything else: an authority that is away holds up nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from cryptography import x509

from storage.files import digests_of_bytes, write_atomically
from storage.layout import stamp_key
from storage.settings import Settings
from storage.stamp_orders import StampOrder, StampOrders
from storage.timestamp import (
    ANSWER_LIMIT_BYTES,
    NONCE_BITS,
    QUERY_TYPE,
    RootFault,
    StampBroken,
    check,
    question,
    read_roots,
)
from storage.uploads import Uploader

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
ANSWER_WITHIN_S: Final = 20.0
RETRY_FIRST_S: Final = 5.0
RETRY_LAST_S: Final = 600.0
"""Pause between attempts on one manifest; it doubles up to this, with a quarter of chance, and never ends."""


class AuthorityAway(Exception):
    """The world's fault: no answer, or none that is a time stamp. The text is one sentence."""


@dataclass(slots=True)
class _Attempt:
    due: float = 0.0
    pause_s: float = 0.0


class Stamper:
    """Asks the configured authority for every order. Does nothing while none is configured."""

    def __init__(self, settings: Settings, uploader: Uploader, look_every_s: float = LOOK_EVERY_S) -> None:
        self._settings, self._uploader, self._look_every_s = settings, uploader, look_every_s
        self._orders = StampOrders(settings.spool_dir)
        self._attempts: dict[str, _Attempt] = {}

    async def order(self, county: str, session_id: str, sha256: str) -> None:
        """Ask for a stamp of this sealed manifest, now or later. Whatever goes wrong is logged and stops nothing."""
        if not self._settings.timestamp_url:
            return
        try:
            made = StampOrder(county, session_id, sha256, time.time_ns() // 1_000_000)
            await asyncio.to_thread(self._orders.add, made)
        except OSError as error:
            log.error("stamp_not_ordered", session=session_id, reason=str(error))

    async def run(self) -> None:
        """Work until cancelled."""
        if not self._settings.timestamp_url:
            return
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                try:
                    await self._look(http)
                except OSError as error:
                    log.error("stamps_cannot_be_kept", reason=str(error))
                except Exception:  # a fault of ours must not cost the stamps of all later sessions
                    log.exception("stamping_failed")
                await asyncio.sleep(self._look_every_s)

    async def _look(self, http: aiohttp.ClientSession) -> None:
        orders = await asyncio.to_thread(self._orders.waiting)
        self._attempts = {order.session_id: self._attempts.get(order.session_id, _Attempt()) for order in orders}
        for order in orders:
            attempt = self._attempts[order.session_id]
            if time.monotonic() < attempt.due:
                continue
            try:
                await self._stamp(http, order)
            except (AuthorityAway, StampBroken, RootFault) as error:
                attempt.pause_s = min(RETRY_LAST_S, attempt.pause_s * 2 or RETRY_FIRST_S)
                attempt.due = time.monotonic() + attempt.pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads
                facts = {"session": order.session_id, "reason": str(error), "again_in_s": round(attempt.pause_s)}
                log.warning("manifest_not_stamped", **facts)

    async def _stamp(self, http: aiohttp.ClientSession, order: StampOrder) -> None:
        """Raises AuthorityAway, StampBroken, RootFault, OSError."""
        roots = await asyncio.to_thread(_roots, self._settings)
        nonce = secrets.randbits(NONCE_BITS)
        answer = await _ask(http, self._settings.timestamp_url, question(order.sha256, nonce))
        stamp = await asyncio.to_thread(check, answer, order.sha256, roots, nonce)
        await asyncio.to_thread(self._keep, order, answer)
        log.info("manifest_stamped", session=order.session_id, authority=stamp.authority, utc_ms=stamp.utc_ms)

    def _keep(self, order: StampOrder, answer: bytes) -> None:
        """The upload queue has it on disk before the order goes: a kill between them costs one more question."""
        path, key = self._orders.answer_path(order), stamp_key(order.county, order.session_id)
        write_atomically(path, answer, 0o600)
        self._uploader.add(path, key, digests_of_bytes(answer).sha256)
        self._orders.remove(order)


def _roots(settings: Settings) -> list[x509.Certificate]:
    assert settings.timestamp_certificate is not None, "checked when the settings were read"
    try:
        return read_roots(settings.timestamp_certificate.read_bytes())
    except OSError as error:
        raise RootFault(f"{settings.timestamp_certificate} cannot be read ({error.strerror}).") from None


async def _ask(http: aiohttp.ClientSession, url: str, body: bytes) -> bytes:
    """The authority's answer (RFC 3161 §3.4). Raises AuthorityAway."""
    headers = {"Content-Type": QUERY_TYPE}
    try:
        async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise AuthorityAway(f"The time stamp authority answered with status {response.status}.")
            answer = b""
            async for block in response.content.iter_any():
                answer += block
                if len(answer) > ANSWER_LIMIT_BYTES:
                    raise AuthorityAway("The time stamp authority's answer is too long to be a time stamp.")
            return answer
    except TimeoutError:
        raise AuthorityAway(f"The time stamp authority did not answer within {ANSWER_WITHIN_S:g} s.") from None
    except aiohttp.ClientError as error:
        raise AuthorityAway(f"The time stamp authority cannot be reached ({type(error).__name__}).") from None


@contextlib.asynccontextmanager
async def at_work(stamper: Stamper) -> AsyncIterator[None]:
    """The stamper at work beside whatever is done inside."""
    task = asyncio.create_task(stamper.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
