# SPDX-License-Identifier: Apache-2.0
"""The tables of media processes and of what room is where, with this program's own copy of them.

A process holds its lease as long as its stream of events is open: this program renews it. Rooms are found in memory;
every placement is in the database before anybody is sent there, so that a restart finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.engine import Database
from storage.database.models import MediaNode, RoomPlacement, Session
from web.casework.placement import LEASE_MS, Node, choose, must_move


class Registry:
    """Which process has which room."""

    def __init__(self, database: Database, node_ids: Iterable[str], home: str, now_ms: Callable[[], int]) -> None:
        """`home` has the rooms from before there was a table."""
        self._database, self._home, self._now_ms = database, home, now_ms
        self.nodes = {node_id: Node(node_id, 0, 0, False, 0) for node_id in node_ids}
        self._placed: dict[str, tuple[str, bool]] = {}
        self._loaded_utc_ms = 0
        self.moved: set[str] = set()
        """Rooms that went to another process, until somebody has looked who came along."""
        self._peers: dict[str, dict[str, set[str]]] = {node_id: {} for node_id in self.nodes}

    async def load(self) -> None:
        """Read where the rooms are. Places of sessions that are over, and sealed where recorded, are given up."""
        nothing_open = Session.manifest_key.is_not(None) | Session.recording_started_utc_ms.is_(None)
        over = select(Session.id).where(Session.state == "ended", nothing_open)
        async with self._database.begin() as db:
            await db.execute(delete(RoomPlacement).where(RoomPlacement.room.in_(over)))
        async with self._database.read() as db:
            self._placed = {row.room: (row.node_id, row.pinned) for row in await db.scalars(select(RoomPlacement))}
        self._loaded_utc_ms = self._now_ms()

    def node_of(self, room: str) -> str | None:
        """The process that has the room, None while it has none."""
        return self._placed[room][0] if room in self._placed else None

    def belongs_to(self, room: str, node_id: str) -> bool:
        """True when this process has the room, or shall have it as nobody has."""
        return (self.node_of(room) or self._home) == node_id

    async def place(self, room: str, *, recorded: bool) -> str:
        """The process for this room, chosen now if need be. Where none takes rooms: the one of before, or home."""
        before, was_pinned = self._placed.get(room, ("", False))
        now_ms, pinned = self._now_ms(), was_pinned or recorded
        node_id = before
        if not before or must_move(self.nodes.get(before), pinned=pinned, now_ms=now_ms):
            node_id = choose(self.nodes.values(), now_ms) or (before if before in self.nodes else self._home)
        if (before, was_pinned) != (node_id, pinned):
            async with self._database.begin() as db:
                await _keep_placement(db, room, node_id, pinned, now_ms)
            self._placed[room] = (node_id, pinned)
            if before and before != node_id:
                self.moved.add(room)
            self._count(before)
            self._count(node_id)
        return node_id

    async def closed_for_good(self, room: str) -> None:
        """The session is over. One with a recording keeps its place until that is sealed."""
        if room in self._placed and not self._placed[room][1]:
            await self.forget(room)

    async def forget(self, room: str) -> None:
        """Nothing of the room is anywhere any more."""
        node_id, _ = self._placed.pop(room, ("", False))
        self._count(node_id)
        if node_id:
            async with self._database.begin() as db:
                await db.execute(delete(RoomPlacement).where(RoomPlacement.room == room))

    def movable(self, node_id: str) -> list[str]:
        """Rooms of this process that may go elsewhere."""
        return [room for room, (where, pinned) in self._placed.items() if where == node_id and not pinned]

    def is_lost(self, node_id: str) -> bool:
        """True when its lease has run out while another process takes rooms.

        After a start every process has the time of one lease to be heard.
        """
        now_ms = self._now_ms()
        until_ms = max(self.nodes[node_id].lease_until_utc_ms, self._loaded_utc_ms + LEASE_MS)
        return now_ms >= until_ms and choose(self.nodes.values(), now_ms) is not None

    # What is heard of the processes

    async def heard(self, node_id: str, boot_id: str, draining: bool, peers: dict[str, set[str]]) -> None:
        """A snapshot: the process is there with these peers in its rooms."""
        self._peers[node_id] = peers
        self.nodes[node_id] = Node(node_id, 0, 0, draining, self._now_ms() + LEASE_MS)
        self._count(node_id)
        await self._keep(node_id, boot_id)

    async def drains(self, node_id: str, boot_id: str) -> None:
        """No more rooms there."""
        old = self.nodes[node_id]
        self.nodes[node_id] = Node(node_id, old.peers, old.rooms, True, old.lease_until_utc_ms)
        await self._keep(node_id, boot_id)

    def seen(self, node_id: str) -> None:
        """Still there: so much lease is left, whatever a clock that was set, or a machine that slept, would say."""
        old = self.nodes[node_id]
        self.nodes[node_id] = Node(node_id, old.peers, old.rooms, old.draining, self._now_ms() + LEASE_MS)

    async def renew(self, node_id: str, boot_id: str) -> None:
        """The same, also in the table."""
        self.seen(node_id)
        await self._keep(node_id, boot_id)

    def came(self, node_id: str, room: str, peer_id: str) -> None:
        """Somebody joined there."""
        self._peers[node_id].setdefault(room, set()).add(peer_id)
        self._count(node_id)

    def went(self, node_id: str, room: str, peer_id: str) -> None:
        """Somebody left."""
        self._peers[node_id].get(room, set()).discard(peer_id)
        self._count(node_id)

    def closed(self, node_id: str, room: str) -> None:
        """The room is not there any more."""
        self._peers[node_id].pop(room, None)
        self._count(node_id)

    def _count(self, node_id: str) -> None:
        old = self.nodes.get(node_id)
        if old is not None:
            peers = sum(map(len, self._peers[node_id].values()))
            rooms = sum(where == node_id for where, _ in self._placed.values())
            self.nodes[node_id] = Node(node_id, peers, rooms, old.draining, old.lease_until_utc_ms)

    async def _keep(self, node_id: str, boot_id: str) -> None:
        node = self.nodes[node_id]
        async with self._database.begin() as db:
            row = await db.get(MediaNode, node_id)
            if row is None:
                row = MediaNode(id=node_id, boot_id=boot_id, state="", peers=0, rooms=0, lease_until_utc_ms=0)
                db.add(row)
            row.boot_id, row.state = boot_id, "draining" if node.draining else "up"
            row.peers, row.rooms, row.lease_until_utc_ms = node.peers, node.rooms, node.lease_until_utc_ms


async def _keep_placement(db: AsyncSession, room: str, node_id: str, pinned: bool, now_ms: int) -> None:
    row = await db.get(RoomPlacement, room)
    if row is None:
        row = RoomPlacement(room=room, node_id=node_id, pinned=pinned, placed_utc_ms=now_ms)
        db.add(row)
    row.node_id, row.pinned, row.placed_utc_ms = node_id, pinned, now_ms
