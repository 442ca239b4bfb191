# SPDX-License-Identifier: Apache-2.0
"""The line to one mediaserver, here or on a media node: signed orders, and the stream of what happens in its rooms.

The link is up from the moment when the listener has dealt with a snapshot, so that whoever finds it up may count on
the mediaserver knowing every room that is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import structlog
from aiohttp import WSMsgType
from multidict import CIMultiDictProxy
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from storage.access import (
    CamerasOrder,
    CloseOrder,
    EventOrder,
    ModerateOrder,
    Order,
    RemoveOrder,
    RoomOrder,
    mint_order,
)
from web.media.line import Line

log = structlog.get_logger(__name__)

RECONNECT_EVERY_S: Final = 0.2
"""Pages come back within 10 s of a killed mediaserver, so their rooms must be there long before."""
ORDER_WITHIN_S: Final = 3.0
HEARTBEAT_S: Final = 5.0
MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""A snapshot of a thousand rooms stays below this."""
FIGURES_PREFIX: Final = "videohome_media_"


class MediaAway(Exception):
    """The mediaserver does not answer; it restarts within seconds. The world's fault.

    `unsent` is True when it certainly never heard of the order.
    """

    def __init__(self, reason: str, *, unsent: bool = False) -> None:
        super().__init__(reason)
        self.unsent: Final = unsent


class MediaRefused(Exception):
    """The mediaserver knows no such room or peer, or does not accept the order. `code` is its word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code: Final = code


class MediaListener(Protocol):
    """Who hears what happens. Called one after the other, in order; may raise MediaAway (the link starts anew)."""

    async def on_snapshot(self, boot_id: str, rooms: list[dict[str, Any]], draining: bool) -> None:
        """The state of all rooms, at every new connection. `boot_id` tells a new process from an old one."""

    async def on_event(self, event: dict[str, Any]) -> None:
        """Something happened (`type`, `room`, `utc_ms`, …)."""


class MediaLink:
    """One connection for orders and one for events, both made again without end."""

    def __init__(self, line: Line, secrets_dir: Path, count: Callable[[str], None]) -> None:
        self._line, self._secrets_dir, self._count = line, secrets_dir, count
        self._http: aiohttp.ClientSession | None = None
        self.up = False
        """True while events arrive and the last snapshot was dealt with."""
        self.boot_id = ""

    async def open(self) -> None:
        """Get ready for orders. Connects to nothing yet."""
        timeout = aiohttp.ClientTimeout(total=ORDER_WITHIN_S)
        self._http = aiohttp.ClientSession(connector=self._line.connector(), timeout=timeout)

    async def close(self) -> None:
        """End all connections."""
        if self._http is not None:
            await self._http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The HTTP session over the line."""
        assert self._http is not None, "open() comes first"
        return self._http

    async def follow(self, listener: MediaListener) -> None:
        """Hear events until cancelled."""
        while True:
            try:
                await self._hear(listener)
                reason = "closed"
            except (aiohttp.ClientError, OSError, TimeoutError, MediaAway, MediaRefused) as error:
                reason = type(error).__name__  # the next snapshot brings everything
            except Exception:
                reason = "fault"
                log.exception("media_event_failed")
                self._count("media_event_failed")
            if self.up:
                log.warning("mediaserver_lost", boot_id=self.boot_id, reason=reason)
                self._count("mediaserver_lost")
            self.up = False
            await asyncio.sleep(RECONNECT_EVERY_S)

    async def _hear(self, listener: MediaListener) -> None:
        timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
        async with self.http.ws_connect(
            f"{self._line.base}/events", heartbeat=HEARTBEAT_S, max_msg_size=MAX_EVENT_BYTES, timeout=timeout
        ) as events:
            async for message in events:
                if message.type is not WSMsgType.TEXT:
                    continue
                event = message.json()
                if event["type"] == "snapshot":
                    self.boot_id = str(event["boot_id"])
                    await listener.on_snapshot(self.boot_id, event["rooms"], bool(event["draining"]))
                    self.up = True
                    log.info("mediaserver_found", boot_id=self.boot_id, rooms=len(event["rooms"]))
                else:
                    await listener.on_event(event)

    # Orders

    async def put_room(self, order: RoomOrder) -> dict[str, Any]:
        """Make the room, or give it this state; the room as it is now. Raises MediaAway, MediaRefused."""
        return await self._send("PUT", f"/rooms/{order.room}", order)

    async def event(self, order: EventOrder) -> None:
        """Put something that happened into the room's record. Raises MediaAway, MediaRefused `unknown_room`."""
        await self._send("POST", f"/rooms/{order.room}/events", order)

    async def close_room(self, order: CloseOrder) -> None:
        """End the room for everybody; a room that is not there is no fault. Raises MediaAway, MediaRefused."""
        await self._send("POST", f"/rooms/{order.room}/close", order)

    async def put_cameras(self, order: CamerasOrder) -> None:
        """Make the room's IP cameras those of the order. Raises MediaAway, MediaRefused."""
        await self._send("PUT", f"/rooms/{order.room}/cameras", order)

    async def remove(self, order: RemoveOrder) -> None:
        """Take a peer out of its room. Raises MediaAway, MediaRefused."""
        await self._send("DELETE", f"/rooms/{order.room}/peers/{order.peer_id}", order)

    async def moderate(self, order: ModerateOrder) -> None:
        """One act of moderation. Raises MediaAway, MediaRefused `unknown_room`, `unknown_peer`, `not_knocking`."""
        await self._send("POST", f"/rooms/{order.room}/moderation", order)

    async def room(self, room: str) -> dict[str, Any]:
        """The room as it is now, with its counters. Raises MediaAway, MediaRefused `unknown_room`."""
        try:
            async with self.http.get(f"{self._line.base}/rooms/{room}") as response:
                answer: dict[str, Any] = await response.json()
                if response.status < 400:
                    return answer
                raise MediaRefused(str(answer.get("error", {}).get("code", response.status)))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise MediaAway(type(error).__name__) from None

    async def _send(self, method: str, path: str, order: Order) -> dict[str, Any]:
        body = {"order": mint_order(self._secrets_dir, order)}
        try:
            async with self.http.request(method, f"{self._line.base}{path}", json=body) as response:
                answer: dict[str, Any] = await response.json()
                if response.status < 400:
                    return answer
                code = str(answer.get("error", {}).get("code", response.status))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._count("order_not_delivered")
            raise MediaAway(type(error).__name__, unsent=isinstance(error, aiohttp.ClientConnectorError)) from None
        log.warning("order_refused", path=path, code=code)
        raise MediaRefused(code)

    # What strangers say to it

    async def door(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """A WHIP or WHEP request as it came; status, headers and body of the answer. Raises MediaAway."""
        try:
            url = URL(f"{self._line.base}{path}", encoded=True)
            async with self.http.request(method, url, data=body, headers=headers) as response:
                return response.status, response.headers, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MediaAway(type(error).__name__) from None

    # What it says about itself

    async def figures(self) -> dict[str, float]:
        """The mediaserver's counters and gauges by their short names. Raises MediaAway."""
        text = await self.metrics()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        # What belongs to one room or stream is for Prometheus alone.
        whole = [sample for sample in samples if not sample.labels.keys() - {"worker"}]
        return {sample.name.removeprefix(FIGURES_PREFIX): float(sample.value) for sample in whole}

    async def metrics(self) -> str:
        """Its figures as Prometheus text. Raises MediaAway."""
        try:
            async with self.http.get(f"{self._line.base}/metrics") as response:
                return await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MediaAway(type(error).__name__) from None

    async def signalling(self, room: str) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket into the room for one page. Raises MediaAway."""
        try:
            return await self.http.ws_connect(
                f"{self._line.base}/rooms/{room}/ws",
                heartbeat=HEARTBEAT_S,
                max_msg_size=0,  # what our own server sends is not limited (a join of 24 endpoints is large)
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MediaAway(type(error).__name__) from None
