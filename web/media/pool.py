# SPDX-License-Identifier: Apache-2.0
"""All media processes, of this machine and of its media nodes, as one: an order finds the process that has the room.

What the sessions know is this class; how many processes stand behind it is their business as little as which of them
drains. With one process everything is as if there were no pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import aiohttp
import structlog
from multidict import CIMultiDictProxy

from storage.access import CamerasOrder, CloseOrder, EventOrder, ModerateOrder, RemoveOrder, RoomOrder
from web.media.mediaserver_link import MediaAway, MediaLink, MediaRefused
from web.media.registry import Registry

log = structlog.get_logger(__name__)

RENEW_EVERY_S: Final = 3.0


class PoolListener(Protocol):
    """Who hears what happens; one call for each process at a time."""

    async def on_snapshot(self, boot_id: str, rooms: list[dict[str, Any]], here: ThisNode) -> None:
        """The state of all rooms of one process. May raise MediaAway."""

    async def on_event(self, event: dict[str, Any]) -> None:
        """Something happened."""

    async def move(self, room: str) -> None:
        """Give the room's order again: it is placed anew."""


class ThisNode:
    """The process that a snapshot came from."""

    def __init__(self, node_id: str, link: MediaLink, registry: Registry) -> None:
        self._node_id, self._link, self._registry = node_id, link, registry

    def has(self, room: str) -> bool:
        """True when the room's place is here."""
        return self._registry.belongs_to(room, self._node_id)

    async def close_room(self, order: CloseOrder) -> None:
        """End a room here, wherever its place is now. Raises MediaAway, MediaRefused."""
        await self._link.close_room(order)


class MediaPool:
    """Has the orders of `MediaLink`, and finds the link."""

    def __init__(self, links: Mapping[str, MediaLink], registry: Registry, count: Callable[[str], None]) -> None:
        self.links, self.registry, self._count = dict(links), registry, count

    async def open(self) -> None:
        """Get ready."""
        await self.registry.load()
        for link in self.links.values():
            await link.open()

    async def close(self) -> None:
        """End all connections."""
        for link in self.links.values():
            await link.close()

    @property
    def up(self) -> bool:
        """True while at least one process is there and knows its rooms."""
        return any(link.up for link in self.links.values())

    @property
    def all_up(self) -> bool:
        """True while every process is there."""
        return all(link.up for link in self.links.values())

    async def follow(self, listener: PoolListener) -> None:
        """Hear the events of all processes until cancelled."""
        async with asyncio.TaskGroup() as group:
            for node_id, link in self.links.items():
                group.create_task(link.follow(_NodeListener(node_id, link, self, listener)))
            group.create_task(self._renew(listener))

    async def _renew(self, listener: PoolListener) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            await self.look_at_leases(listener)

    async def look_at_leases(self, listener: PoolListener) -> None:
        """Renew those of the processes that are there; the rooms of one that is lost go elsewhere."""
        for node_id, link in self.links.items():
            try:
                if link.up:
                    await self.registry.renew(node_id, link.boot_id)
                elif self.registry.is_lost(node_id) and (rooms := self.registry.movable(node_id)):
                    log.warning("node_lost", node=node_id, rooms=len(rooms))
                    self._count("node_lost")
                    await asyncio.gather(*map(listener.move, rooms))
            except Exception:  # the next turn tries again; a lease is five turns long
                log.exception("lease_not_renewed", node=node_id)

    # Orders

    async def put_room(self, order: RoomOrder) -> dict[str, Any]:
        """Make the room, or give it this state, on the process that is its place. Raises MediaAway, MediaRefused."""
        for _ in self.links:
            link = await self._place(order)
            try:
                return await link.put_room(order)
            except MediaRefused as refused:
                if refused.code != "draining":
                    raise
                # It began to drain a moment ago and its word is still on its way here.
                await self.registry.drains(self._id_of(link), link.boot_id)
        raise MediaAway("draining", unsent=True)

    async def _place(self, order: RoomOrder) -> MediaLink:
        for node_id, link in self.links.items():
            if link.up:
                self.registry.seen(node_id)
        node_id = await self.registry.place(order.room, recorded=order.recording != "off")
        if node_id not in self.links:  # recorded on a process that is not run any more
            raise MediaAway("no_media_process", unsent=True)
        return self.links[node_id]

    def _id_of(self, link: MediaLink) -> str:
        return next(node_id for node_id, one in self.links.items() if one is link)

    def _link_of(self, room: str) -> MediaLink:
        node_id = self.registry.node_of(room)
        if node_id is None or node_id not in self.links:
            raise MediaRefused("unknown_room")
        return self.links[node_id]

    async def event(self, order: EventOrder) -> None:
        """See `MediaLink.event`."""
        await self._link_of(order.room).event(order)

    async def close_room(self, order: CloseOrder) -> None:
        """See `MediaLink.close_room`; its place is free then, but for one with a recording."""
        if self.registry.node_of(order.room) in self.links:
            await self._link_of(order.room).close_room(order)
        await self.registry.closed_for_good(order.room)

    async def forget(self, room: str) -> None:
        """Its recording is sealed: nothing of it is on any process any more."""
        await self.registry.forget(room)

    async def remove(self, order: RemoveOrder) -> None:
        """See `MediaLink.remove`."""
        await self._link_of(order.room).remove(order)

    async def put_cameras(self, order: CamerasOrder) -> None:
        """See `MediaLink.put_cameras`."""
        await self._link_of(order.room).put_cameras(order)

    async def moderate(self, order: ModerateOrder) -> None:
        """See `MediaLink.moderate`."""
        await self._link_of(order.room).moderate(order)

    async def room(self, room: str) -> dict[str, Any]:
        """See `MediaLink.room`."""
        return await self._link_of(room).room(room)

    async def signalling(self, room: str) -> aiohttp.ClientWebSocketResponse:
        """See `MediaLink.signalling`."""
        return await self._link_of(room).signalling(room)

    async def door(
        self, room: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """See `MediaLink.door`."""
        return await self._link_of(room).door(method, path, headers, body)

    # What they say about themselves

    async def figures(self) -> tuple[dict[str, float], list[str]]:
        """Sums over all processes that answer, and the names of those that do not."""
        total: dict[str, float] = {}
        silent: list[str] = []
        found = await asyncio.gather(*(link.figures() for link in self.links.values()), return_exceptions=True)
        for node_id, figures in zip(self.links, found, strict=True):
            if isinstance(figures, MediaAway):
                silent.append(node_id)
            elif isinstance(figures, BaseException):
                raise figures
            else:
                for name, value in figures.items():
                    total[name] = total.get(name, 0.0) + value
        return total, silent

    async def metrics(self) -> list[str]:
        """Prometheus text of each process that answers."""
        found = await asyncio.gather(*(link.metrics() for link in self.links.values()), return_exceptions=True)
        return [text for text in found if isinstance(text, str)]

    async def drain(self, node_id: str, listener: PoolListener) -> None:
        """Move what may be moved: first the new place, then the pages are sent there."""
        await self.registry.drains(node_id, self.links[node_id].boot_id)
        rooms = self.registry.movable(node_id)
        for room in rooms:
            await listener.move(room)
        await self.send_away(node_id, rooms)

    async def send_away(self, node_id: str, rooms: Iterable[str]) -> None:
        """Pages of rooms whose place is elsewhere by now are told to come back; they find it there."""
        for room in rooms:
            if self.registry.node_of(room) in (None, node_id):
                continue
            try:
                await self.links[node_id].close_room(CloseOrder(room, "moved", moved=True))
            except (MediaAway, MediaRefused) as error:
                log.warning("room_not_sent_away", room=room, reason=str(error))
                continue
            self._count("room_moved")
            log.info("room_moved", room=room, away_from=node_id)


class _NodeListener:
    """Hears one process for the pool, then for the sessions."""

    def __init__(self, node_id: str, link: MediaLink, pool: MediaPool, listener: PoolListener) -> None:
        self._node_id, self._link, self._pool, self._listener = node_id, link, pool, listener

    async def on_snapshot(self, boot_id: str, rooms: list[dict[str, Any]], draining: bool) -> None:
        peers = {str(room["room"]): {str(peer["peer_id"]) for peer in room["peers"]} for room in rooms}
        registry = self._pool.registry
        await registry.heard(self._node_id, boot_id, draining, peers)
        await self._listener.on_snapshot(boot_id, rooms, ThisNode(self._node_id, self._link, registry))
        await self._pool.send_away(self._node_id, peers)

    async def on_event(self, event: dict[str, Any]) -> None:
        kind, room, peer_id = event["type"], str(event.get("room", "")), str(event.get("peer_id", ""))
        registry = self._pool.registry
        if kind == "draining":
            await self._pool.drain(self._node_id, self._listener)
            return
        if kind in ("peer_joined", "peer_resumed"):
            registry.came(self._node_id, room, peer_id)
        elif kind == "peer_left":
            registry.went(self._node_id, room, peer_id)
        elif kind == "room_closed":
            registry.closed(self._node_id, room)
        if registry.belongs_to(room, self._node_id):  # what an old place says late is no news
            await self._listener.on_event(event)
