# SPDX-License-Identifier: Apache-2.0
"""The mediaserver's end of the recording feed: keeps what the recorder has not yet on disk, and never waits for it.

All calls are synchronous and cheap, and must come from the event loop's thread. Records are written when the socket
takes them; a recorder that stalls, dies or was never started costs memory (bounded by the ring), never a packet's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from mediaserver.recording import ring as memory
from mediaserver.recording.feed import (
    CONTROL_TRACK,
    FEED_VERSION,
    FeedFault,
    Kind,
    Record,
    RecordReader,
    SessionOrder,
    SessionRef,
    TrackInfo,
    encode_json,
    encode_report,
    session_json,
)
from mediaserver.recording.ring import FeedRing

log = structlog.get_logger(__name__)

_SEND_BYTES = 128 << 10
"""Handed to the kernel at once, between two turns of the loop: a hundred packets, 50 to 100 µs."""

_SOCKET_BUFFER_BYTES = 1 << 20
_EXPIRE_S = 1.0
_GATHER_S = 0.02
"""So long packets are gathered before they are written: each write costs us a system call and wakes the recorder. The
packets of 24 participants come four thousand times a second. A kill in between loses so much more."""
_NEARLY = 0.9
"""Ticks of rooms come as often as that, but not to the microsecond."""


class FeedServer:
    """One listener, at most one recorder. `on_keyframe_request` gets the number of a track that needs a key frame."""

    def __init__(self, boot_id: str | None = None, ring: FeedRing | None = None) -> None:
        self.boot_id = boot_id or secrets.token_hex(8)
        self.on_keyframe_request: Callable[[int], None] | None = None
        self._ring = ring or memory.make()
        self._sessions: dict[str, tuple[int, str]] = {}
        self._tracks: dict[int, str] = {}
        self._recorded: set[int] = set()
        """The tracks whose session is recorded now."""
        self._next_track = CONTROL_TRACK + 1
        self._listener: socket.socket | None = None
        self._connection: _Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self.connections = 0

    async def start(self, path: Path) -> None:
        """Listen on a Unix socket of mode 0600. Raises OSError when the path cannot be used."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # noqa: ASYNC240 - once, at the start
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(path))
        os.chmod(path, 0o600)
        listener.listen(4)
        self._listener = listener
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self._accept)
        self._timer = loop.call_later(_EXPIRE_S, self._expire)

    async def close(self) -> None:
        """Stop listening and hang up. What the recorder has not taken is gone with the process."""
        if self._timer is not None:
            self._timer.cancel()
        while self._connection is not None and self._connection.flush():
            pass
        self._drop_connection()
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def session_order(self, order: SessionOrder) -> None:
        """Change what is recorded from the next packet on. Orders with an older version are ignored."""
        session_id = order.session.session_id
        known = self._sessions.get(session_id)
        if order.recording == "off" or (known is not None and order.version < known[0]):
            return
        self._sessions[session_id] = (order.version, order.recording)
        own = {number for number, session in self._tracks.items() if session == session_id}
        if order.recording == "on":
            self._recorded |= own  # in its place: the compiled plane looks into it, too
        else:
            self._recorded -= own
        self._control(Kind.ORDER, asdict(order))

    def session_event(self, session: SessionRef, event_type: str, data: dict[str, Any], utc_ms: int) -> None:
        """Something that belongs on the session's clock: a peer came or left, a consent, a marker."""
        body = {"session": session_json(session), "type": event_type, "data": data, "utc_ms": utc_ms}
        self._control(Kind.EVENT, body)

    def open_track(self, session: SessionRef, track: TrackInfo) -> int:
        """Begin a new epoch of a track. Returns the number that its packets must be given with."""
        number = self._next_track
        self._next_track += 1
        self._ring.add_track(number)
        self._tracks[number] = session.session_id
        if self._sessions.get(session.session_id, (0, "off"))[1] == "on":
            self._recorded.add(number)
        body = {"session": session_json(session), "track": asdict(track), "number": number, "utc_ms": _now_ms()}
        self._control(Kind.OPEN, body)
        return number

    def packet(self, track_number: int, packet: bytes, arrival_utc_us: int) -> None:
        """Keep one whole decrypted RTP packet. Nothing is kept while the session is not recorded."""
        if track_number not in self._recorded:
            return
        self._ring.append_packet(track_number, packet, arrival_utc_us)
        if self._flush_timer is None:
            self._flush_soon()

    def tape(self, track_number: int, utc_offset_us: int) -> Any | None:
        """Where the compiled plane puts packets of this track by itself, at its steady clock plus `utc_offset_us`; None
        without it."""
        return self._ring.tape(track_number, self._recorded, utc_offset_us)

    def look(self) -> None:
        """Write what was gathered. Each room asks for it at its ticks: a timer of our own would wake the process once
        more, and what the compiled plane puts into the ring wakes nobody."""
        connection = self._connection
        if connection is None or connection.waiting or not self._ring.has_unsent:
            return
        if asyncio.get_running_loop().time() - self._flushed_at >= _GATHER_S * _NEARLY:
            self._flush()

    def sender_report(self, track_number: int, ntp_seconds: float, rtp_timestamp: int, arrival_utc_us: int) -> None:
        """Keep the time pair of a Sender Report, from which the session clock is fitted."""
        if track_number not in self._recorded:
            return
        ring = self._ring
        number = ring.next_number(track_number)
        data = encode_report(track_number, number, ntp_seconds, rtp_timestamp, arrival_utc_us)
        ring.append(track_number, data, arrival_utc_us)
        self._flush_soon()

    def close_track(self, track_number: int) -> None:
        """The epoch ends: its publisher left, or will come back under another number."""
        if self._tracks.pop(track_number, None) is None:
            return
        self._recorded.discard(track_number)
        self._control(Kind.CLOSE, {"number": track_number, "utc_ms": _now_ms()})
        self._ring.close_track(track_number)

    def stats(self) -> dict[str, int]:
        """Counters for the technician."""
        return {
            "connected": int(self._connection is not None and self._connection.ready),
            "connections": self.connections,
            "packets": self._ring.packets,
            "overflowed_packets": self._ring.overflowed_packets,
            "kept_bytes": self._ring.kept_bytes,
            "unsent_records": self._ring.unsent_records,
        }

    def _control(self, kind: Kind, body: dict[str, Any]) -> None:
        number = self._ring.next_number(CONTROL_TRACK)
        self._ring.append(CONTROL_TRACK, encode_json(kind, CONTROL_TRACK, number, body), time.time_ns() // 1000)
        if self._connection is not None:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush_soon(self) -> None:
        """One write for all packets that come within _GATHER_S."""
        if self._connection is not None and self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(_GATHER_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._connection is not None:
            self._flushed_at = asyncio.get_running_loop().time()
            self._connection.flush()

    def _expire(self) -> None:
        self._ring.expire(time.monotonic_ns() // 1000)
        self._flush()
        self._timer = asyncio.get_running_loop().call_later(_EXPIRE_S, self._expire)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:
            log.warning("feed_accept_failed", error=str(error))
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        if not _same_user(accepted):
            log.warning("feed_refused_other_user")
            accepted.close()
            return
        self._drop_connection()
        self.connections += 1
        self._connection = _Connection(self, self._ring, accepted)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._ring.disconnect()

    def connection_failed(self, connection: _Connection, reason: str) -> None:
        """Called by the connection when the recorder hung up or spoke nonsense."""
        if connection is self._connection:
            log.info("recorder_disconnected", reason=reason)
            self._drop_connection()

    def answered(self, record: Record) -> None:
        """Take one record from the recorder. Raises FeedFault."""
        if record.kind is Kind.ACK:
            for track, number in _acknowledgements(record).items():
                self._ring.acknowledge(track, number)
        elif record.kind is Kind.KEYFRAME:
            if self.on_keyframe_request is not None and record.track in self._tracks:
                self.on_keyframe_request(record.track)
        else:
            raise FeedFault("the recorder sent a record that only the mediaserver sends")


class _Connection:
    """One recorder's socket. Nothing is sent before its HELLO told what it has."""

    def __init__(self, server: FeedServer, ring: FeedRing, connected: socket.socket) -> None:
        self._server = server
        self._ring = ring
        self._socket = connected
        self._reader = RecordReader()
        welcome = {"version": FEED_VERSION, "boot_id": server.boot_id}
        self._pending = memoryview(encode_json(Kind.WELCOME, CONTROL_TRACK, 0, welcome))
        self.waiting = False
        """The socket takes no more now, or there is more than one write; the loop will say when to go on."""
        self.ready = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connected, self._readable)
        self.flush()

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def flush(self) -> bool:
        """Write what the socket takes of the next _SEND_BYTES, and the rest when it is writable again: media comes in
        between. True when there is more that could be written now."""
        if not self._pending and self.ready:
            self._pending = memoryview(self._ring.take(_SEND_BYTES))
        if self._pending:
            try:
                sent = self._socket.send(self._pending)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._server.connection_failed(self, str(error))
                return False
            self._pending = self._pending[sent:]
        taken, more = not self._pending, bool(self._pending) or (self.ready and self._ring.has_unsent)
        if more:
            self._wait()
        elif self.waiting:
            self.waiting = False
            self._loop.remove_writer(self._socket)
        return taken and more

    def _wait(self) -> None:
        if not self.waiting:
            self.waiting = True
            self._loop.add_writer(self._socket, self.flush)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._server.connection_failed(self, str(error))
            return
        if not data:
            self._server.connection_failed(self, "the recorder hung up")
            return
        try:
            for record in self._reader.feed(data):
                self._take(record)
        except FeedFault as error:
            self._server.connection_failed(self, str(error))

    def _take(self, record: Record) -> None:
        if self.ready:
            self._server.answered(record)
            return
        hello = record.json()
        if record.kind is not Kind.HELLO or hello.get("version") != FEED_VERSION:
            raise FeedFault("the recorder speaks another version of the feed")
        same_boot = hello.get("boot_id") == self._server.boot_id
        self._ring.connect(_numbers(hello.get("acknowledged")) if same_boot else {})
        self.ready = True
        log.info("recorder_connected", same_boot=same_boot)
        self.flush()


def _acknowledgements(record: Record) -> dict[int, int]:
    return _numbers(record.json().get("acknowledged"))


def _numbers(value: Any) -> dict[int, int]:
    try:
        return {int(track): int(number) for track, number in value.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise FeedFault("acknowledgements must be numbers by track") from error


def _same_user(connected: socket.socket) -> bool:
    """The feed carries what people said in a room: only our own user (or root) may read it (SO_PEERCRED)."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in (0, os.getuid())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


__all__ = ["FeedServer", "SessionOrder", "SessionRef", "TrackInfo"]
