# SPDX-License-Identifier: Apache-2.0
"""Signalling passed through: what a page says goes to the mediaserver and back, close codes included.

Only a close code 1001 from the page means that it was closed, and with it that its endpoint leaves the room. Whatever
else ends a socket (a lost network, a restart of this program) must reach the mediaserver as something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES: Final = 64 * 1024 - 1
"""Longest message of a page; the mediaserver takes less than 64 KiB."""
MAX_FRAME_BYTES: Final = 1024 * 1024
"""What is read at all. In between the page gets its close code; beyond, TCP may swallow it."""
HEARTBEAT_S: Final = 10.0
CLOSE_WITHIN_S: Final = 2.0
MAX_RELAYS: Final = 500
MAX_RELAYS_OF_ONE: Final = 20
"""Sockets of one browser."""
CLOSE_RESTART: Final = 1012
"""Come back: this side ended, the page tries again."""
CLOSE_TRY_LATER: Final = 1013
CLOSE_LOST: Final = 4010
"""To the mediaserver: the page's socket was lost, the page was not closed."""
CLOSE_UNKNOWN_ROOM: Final = 4004
CLOSE_ENDED: Final = 1000


@dataclass(eq=False, slots=True)
class _Relay:
    page: web.WebSocketResponse
    sign_in: str
    session_id: str
    peer_id: str


class Relays:
    """All pages' sockets of this program."""

    def __init__(self, count: Callable[[str], None], remove: Callable[[str, str], Awaitable[None]]) -> None:
        self._count, self._remove = count, remove
        self._open: set[_Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def is_full(self, sign_in: str) -> bool:
        """True when no further socket is taken from this browser."""
        own = sum(relay.sign_in == sign_in for relay in self._open)
        return len(self._open) >= MAX_RELAYS or own >= MAX_RELAYS_OF_ONE

    def page_socket(self) -> web.WebSocketResponse:
        """The page's side."""
        return web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME_BYTES, timeout=CLOSE_WITHIN_S, compress=False
        )

    async def relay(
        self,
        page: web.WebSocketResponse,
        media: aiohttp.ClientWebSocketResponse,
        sign_in: str,
        session_id: str,
        peer_id: str,
    ) -> None:
        """Pass messages until either side ends, then end the other one likewise."""
        relay = _Relay(page, sign_in, session_id, peer_id)
        self._open.add(relay)
        upward = asyncio.create_task(self._upward(page, media))
        downward = asyncio.create_task(self._downward(media, page))
        try:
            await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(relay)
            for task in (upward, downward):
                task.cancel()
            await asyncio.gather(upward, downward, return_exceptions=True)
            # The handler itself was cancelled, or a side failed: neither side may take it for a page's end.
            await _close_media(media, CLOSE_LOST, b"")
            await _close_page(page, CLOSE_RESTART, b"restart")

    async def _upward(self, page: web.WebSocketResponse, media: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in page:
                if len(message.data) > MAX_MESSAGE_BYTES or len(_bytes(message.data)) > MAX_MESSAGE_BYTES:
                    self._count("signalling_too_large")
                    await page.close(code=WSCloseCode.MESSAGE_TOO_BIG, message=b"message_too_large")
                elif message.type is WSMsgType.TEXT:
                    await media.send_str(message.data)
                elif message.type is WSMsgType.BINARY:
                    await media.send_bytes(message.data)  # the mediaserver refuses it, in its own words
        except (ConnectionError, aiohttp.ClientError):
            pass
        await _close_media(media, _code_to_media(page.close_code), b"")

    async def _downward(self, media: aiohttp.ClientWebSocketResponse, page: web.WebSocketResponse) -> None:
        code, reason = CLOSE_RESTART, b"media_lost"
        try:
            while True:
                message = await media.receive()
                if message.type is WSMsgType.TEXT:
                    await page.send_str(message.data)
                elif message.type is WSMsgType.CLOSE:
                    code, reason = _code_to_page(message.data), str(message.extra or "").encode()[:120]
                    break
                elif message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                    self._count("signalling_lost")
                    break
        except (ConnectionError, aiohttp.ClientError):
            pass
        if code not in (CLOSE_ENDED, CLOSE_RESTART):
            self._count(f"signalling_closed_{code}")
        await _close_page(page, code, reason)

    def sign_in_ended(self, sign_in: str) -> None:
        """Whoever has signed out, or was signed out, leaves the calls of that browser."""
        for relay in list(self._open):
            if relay.sign_in == sign_in:
                task = asyncio.get_running_loop().create_task(self._take_out(relay))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _take_out(self, relay: _Relay) -> None:
        await self._remove(relay.session_id, relay.peer_id)

    async def close_all(self) -> None:
        """The program stops: pages come back to the next one, their places in the rooms stay theirs."""
        await asyncio.gather(*(_close_page(relay.page, CLOSE_RESTART, b"restart") for relay in list(self._open)))


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _code_to_media(code: int | None) -> int:
    """The page's close code for the mediaserver; 1001 only when the page itself sent it."""
    if code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY) or (code is not None and 4000 <= code <= 4999):
        return int(code)
    return CLOSE_LOST


def _code_to_page(code: object) -> int:
    """The mediaserver's close code; one that may not be sent (RFC 6455, 7.4.1) becomes "come back"."""
    if isinstance(code, int) and (3000 <= code <= 4999 or 1000 <= code <= 1014) and code not in (1004, 1005, 1006):
        return code
    return CLOSE_RESTART


async def _close_media(media: aiohttp.ClientWebSocketResponse, code: int, reason: bytes) -> None:
    if not media.closed:
        await media.close(code=code, message=reason)


async def _close_page(page: web.WebSocketResponse, code: int, reason: bytes) -> None:
    if not page.closed:
        await page.close(code=code, message=reason)
