# SPDX-License-Identifier: Apache-2.0
"""The feed's socket: whatever waits for the recorder, media comes in between, and every record arrives in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.recording import ring
from mediaserver.recording.feed import (
    CONTROL_TRACK,
    FEED_VERSION,
    Kind,
    Record,
    RecordReader,
    SessionOrder,
    SessionRef,
    TrackInfo,
    encode_json,
)
from mediaserver.shell.feed_server import _SEND_BYTES, FeedServer

SESSION = SessionRef("c", "s", "r")
INFO = TrackInfo("p-cam", "p", "p", "", "cam", "video", "vp8", 90_000, 96, 1)
PACKETS = 4_000
SIZE = 1_000


@pytest.fixture(params=["python", "native"], autouse=True)
def plane(request: pytest.FixtureRequest) -> Iterator[str]:
    """Whose memory the feed has."""
    module: Any = None
    if request.param == "native":
        build()
        module = native.load()
        assert module is not None, "the compiled plane cannot be built here"
    ring.use(module)
    yield str(request.param)
    ring.use(None)


def hear(near: socket.socket) -> bytes:
    """What the recorder's socket holds now."""
    found = b""
    while True:
        try:
            data = near.recv(1 << 20)
        except BlockingIOError:
            return found
        assert data, "the feed hung up"
        found += data


async def connected(path: Path) -> tuple[FeedServer, socket.socket]:
    feed = FeedServer("boot")
    await feed.start(path)
    near = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    near.connect(str(path))
    near.setblocking(False)
    while not feed.connections:
        await asyncio.sleep(0)
    return feed, near


def media(feed: FeedServer, count: int) -> int:
    """A track with so many packets; its number."""
    feed.session_order(SessionOrder(SESSION, "on", 1, 5))
    track = feed.open_track(SESSION, INFO)
    for number in range(count):
        feed.packet(track, b"\x80\x60" + number.to_bytes(2) + bytes(SIZE), number)
    return track


HELLO = encode_json(Kind.HELLO, CONTROL_TRACK, 0, {"version": FEED_VERSION, "boot_id": "boot", "acknowledged": {}})


async def test_a_backlog_goes_out_piece_by_piece(tmp_path: Path) -> None:
    feed, near = await connected(tmp_path / "feed.sock")
    track = media(feed, PACKETS)
    reader, records, pieces = RecordReader(), list[Record](), list[int]()
    near.send(HELLO)
    while len(records) < PACKETS + 3:  # WELCOME, the order and the opening
        await asyncio.sleep(0)
        data = hear(near)
        pieces.append(len(data))
        records += reader.feed(data)
    packets = [record for record in records if record.kind is Kind.PACKET]
    assert [(record.track, record.number) for record in packets] == [(track, n + 1) for n in range(PACKETS)]
    assert max(pieces) <= _SEND_BYTES + 2 * SIZE, "the loop turned after each write"
    assert feed.stats() == {
        "connected": 1, "connections": 1, "packets": PACKETS, "overflowed_packets": 0, "unsent_records": 0,
        "kept_bytes": feed.stats()["kept_bytes"],
    }  # fmt: skip
    near.close()
    await feed.close()


async def test_a_recorder_that_does_not_read_costs_no_writes(tmp_path: Path) -> None:
    feed, near = await connected(tmp_path / "feed.sock")
    near.send(HELLO)
    media(feed, PACKETS)
    waiting = -1
    while waiting != (waiting := feed.stats()["unsent_records"]) or waiting == PACKETS + 2:
        for _ in range(100):
            await asyncio.sleep(0)
            feed.look()
    assert waiting > 0, "the socket is full"
    track = feed.open_track(SESSION, INFO)
    feed.packet(track, b"\x80\x60\x00\x01" + bytes(20), 1)
    feed.look()
    assert feed.stats()["unsent_records"] == waiting + 2
    reader, records = RecordReader(), list[Record]()
    while len(records) < PACKETS + 5:
        await asyncio.sleep(0)
        records += reader.feed(hear(near))
    assert records[-1].track == track
    near.close()
    await feed.close()


async def test_closing_writes_what_the_socket_takes(tmp_path: Path) -> None:
    feed, near = await connected(tmp_path / "feed.sock")
    near.send(HELLO)
    while not feed.stats()["connected"]:
        await asyncio.sleep(0)
    media(feed, 300)
    await feed.close()
    found = b""
    while data := near.recv(1 << 20):
        found += data
    assert len(RecordReader().feed(found)) == 303
    near.close()


async def test_only_what_is_recorded_is_kept(tmp_path: Path, plane: str) -> None:
    """Also for what the compiled plane puts in by itself, from one order to the next."""
    feed = FeedServer("boot")
    track = feed.open_track(SESSION, INFO)
    tape = feed.tape(track, 0)
    assert (tape is None) == (plane == "python")
    module, packet = native.load(), b"\x80\x60\x00\x01" + bytes(20)
    for version, (state, kept) in enumerate((("on", 1), ("paused", 1), ("on", 2), ("stopped", 2))):
        feed.session_order(SessionOrder(SESSION, state, version, 5))  # type: ignore[arg-type]
        feed.packet(track, packet, 1)
        if tape is not None:
            assert module is not None and module.tape_packet(tape, packet, 1.0) == (state == "on")
        assert feed.stats()["packets"] == kept * (1 if tape is None else 2)
