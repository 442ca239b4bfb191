# SPDX-License-Identifier: Apache-2.0
"""The one media port: a UDP socket drained in batches, and ICE-TCP on the same number (RFC 4571 framing, RFC 6544).

It knows whose media a path brings (`assign`), and nothing else of what a datagram means. Sending never waits: what the
kernel does not take is dropped and counted, as a network would. This class is the Python plane; `native_port` has the
compiled one behind the same methods.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
import struct
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from mediaserver.sfu.lane import Lane
from mediaserver.sfu.outbox import Outgoing
from mediaserver.shell import volley
from mediaserver.shell.harvest import SO_TIMESTAMPNS, Harvest, harvest
from mediaserver.shell.media_loop import MediaLoop
from mediaserver.shell.relay import Relay
from mediaserver.shell.srtp import (
    MAX_PACKET_BYTES,
    MOST_PROTECTED_BYTES,
    OUT_BYTES,
    Buffer,
    Plain,
    Run,
    Slot,
    Srtp,
    fitting,
)
from mediaserver.shell.volley import Target, Volley

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 64
"""Datagrams read before the event loop gets its turn."""
MAX_FEEDBACK_BATCHES: Final = 16
"""Of feedback, which is read ten times a second only: what 200 receivers tell meanwhile, and more."""
MAX_DATAGRAM_BYTES: Final = MAX_PACKET_BYTES
FEEDBACK_S: Final = 0.02
OFTEN_S: Final = 0.25
"""So long feedback is read every FEEDBACK_S, beside the ticks, after anybody has asked for it."""
SOCKET_BUFFER_BYTES: Final = 4 << 20
MAX_TCP_CONNECTIONS: Final = 200
TCP_FIRST_FRAME_WITHIN_S: Final = 30.0
TCP_SEND_BUFFER_BYTES: Final = 512 << 10
"""A TCP peer further behind than this loses packets: late video is worthless."""
GSO_UNSUPPORTED: Final = (errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
_SOL_UDP, _UDP_SEGMENT = 17, 103
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_FEEDBACK_FILTER: Final = (
    # Second byte 205 (RTPFB) and the first one version 2 and format 15, padded or not: the second socket of the group.
    (0x30, 0, 0, 1),  # load byte 1
    (0x15, 0, 4, 205),  # equal, else look for a receiver report
    (0x30, 0, 0, 0),  # load byte 0
    (0x54, 0, 0, 0xDF),  # without the padding bit
    (0x15, 10, 0, 0x8F),
    (0x06, 0, 0, 0),
    # Second byte 201 (RR), and behind it nothing but SRTCP's index and tag, 14 bytes (HMAC-SHA1-80) or 20 (GCM): what
    # is in a compound with it may be a request.
    (0x15, 0, 7, 201),
    (0x28, 0, 0, 2),  # load its length in words less one
    (0x24, 0, 0, 4),  # in bytes
    (0x07, 0, 0, 0),
    (0x80, 0, 0, 0),  # load the size of the datagram
    (0x1C, 0, 0, 0),  # less that
    (0x15, 2, 0, 4 + 14),
    (0x15, 1, 0, 4 + 20),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 1),
)
"""Classic BPF. RTCP is in clear up to its eighth byte, also under SRTCP."""

UdpPath = tuple[str, int]
"""Remote host and port, as the socket gives it."""


class TcpPath:
    """One ICE-TCP connection."""

    def __init__(self, writer: asyncio.StreamWriter, remote: tuple[str, int]) -> None:
        self._writer = writer
        self.remote = remote
        self.dropped = 0

    def send(self, data: bytes) -> None:
        """Queue one frame, or drop it when the peer does not read."""
        if self._writer.is_closing() or self._writer.transport.get_write_buffer_size() > TCP_SEND_BUFFER_BYTES:
            self.dropped += 1
            return
        self._writer.write(len(data).to_bytes(2) + data)

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


Path = UdpPath | TcpPath


class Host(Protocol):
    """Who owns the paths and takes what comes."""

    def media(self, owner: Any, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        """Media of an assigned path in clear, None when it was not authentic or came before the keys."""

    def other(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        """Any other datagram; never raises on bad bytes."""

    def batch_end(self) -> None:
        """A batch was handled: send what it produced."""

    def path_gone(self, path: Path) -> None:
        """A TCP connection has ended."""


class MediaPort:
    """UDP and TCP on one number."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._udp: socket.socket | None = None
        self._feedback: socket.socket | None = None
        self._turnless: Relay | None = None
        self._tcp: asyncio.Server | None = None
        self._tcp_paths: set[TcpPath] = set()
        self._owners: dict[Path, tuple[Srtp | None, Any]] = {}
        self._routes: dict[str, tuple[Path, Srtp, Target | None]] = {}
        self._gso = True
        self._in, self._out = Buffer(MAX_BATCH * MAX_DATAGRAM_BYTES), Buffer(OUT_BYTES)
        self._slots = self._in.slots()
        self._harvest: Harvest | None = None
        self._feedback_harvest: Harvest | None = None
        self._looked_at = self._often_until = 0.0
        self._known: dict[Hashable, tuple[Srtp | None, Any]] = {}
        """Some of `_owners`, by the keys of the harvests: they are found without making a path."""
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {}
        self._volley = Volley(self._out.bytes) if volley.THERE else None
        self._aimed: list[tuple[UdpPath, Run]] = []
        """What the volley holds."""
        self.counters = {"received": 0, "sent": 0, "send_dropped": 0, "tcp_refused": 0, "tcp_bad_frame": 0}

    async def open(self, bind: str, port: int) -> None:
        """Listen. Raises OSError when the port cannot be had."""
        # TCP first: its number is ours alone, while several sockets may share a UDP port.
        self._tcp = await asyncio.start_server(self._serve_tcp, bind if bind != "::" else None, port)
        number = int(self._tcp.sockets[0].getsockname()[1])
        try:
            self._udp = _bound(bind, number)
        except OSError:
            self._tcp.close()
            raise
        self._feedback = _feedback_socket(bind, number, self._udp)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp, self._drain)
        self._begin(loop, self._udp)

    def _begin(self, loop: asyncio.AbstractEventLoop, udp: socket.socket) -> None:
        """The sockets are there."""
        with suppress(OSError):  # a kernel without stamps: each came when it is read
            udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._harvest = harvest(udp, self._slots)
        if self._feedback is not None:
            self._feedback_harvest = harvest(self._feedback, self._slots)
        if isinstance(loop, MediaLoop):
            self._turnless = Relay(loop, udp.fileno(), self._drain, MAX_BATCH)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._turnless is not None:
            self._turnless.close()
            self._turnless = None
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = self._harvest = None
        if self._feedback is not None:
            self._feedback.close()
            self._feedback = self._feedback_harvest = None
        for path in list(self._tcp_paths):
            path.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def assign(self, path: Path, owner: Any, srtp: Srtp | None, lane: Lane | None = None) -> None:
        """Media that comes on `path` is `owner`'s, under these keys; None while there are none. The lane is for the
        compiled plane."""
        self._owners[path] = srtp, owner
        self._known.clear()

    def release(self, path: Path) -> None:
        """Media on `path` is a stranger's again."""
        self._owners.pop(path, None)
        self._known.clear()

    def route(self, name: str, path: Path | None, srtp: Srtp | None) -> None:
        """Media for the transport of this name goes to `path`, under these keys; nowhere while either is missing."""
        if path is None or srtp is None:
            self._routes.pop(name, None)
        else:
            target = Target(*path) if isinstance(path, tuple) and self._volley is not None else None
            self._routes[name] = path, srtp, target

    def _drain(self) -> int:
        """Take what is there and send what comes of it; how many datagrams there were."""
        count = self._read()
        if self._often_until:
            self._look_again()
        self._host.batch_end()
        return count

    def look_often(self, now: float) -> None:
        """A link is in doubt: for OFTEN_S media brings the feedback that has come meanwhile, every FEEDBACK_S, and is
        not gathered."""
        self._often_until = now + OFTEN_S
        if self._turnless is not None:
            self._turnless.hurries_until = self._often_until

    def _look_again(self) -> None:
        now = time.monotonic()
        if now >= self._often_until:
            self._often_until = 0.0
        elif now - self._looked_at >= FEEDBACK_S:
            self._looked_at = now
            self.take_feedback()

    def take_feedback(self) -> None:
        """Handle the transport-wide feedback and receiver reports that came since the last call; the owner calls
        this at each tick. Ten a second of each receiver would else wake the process more often than media does, and
        few at a time find nothing of what they need at hand."""
        if self._feedback is not None:
            self._read_feedback()

    def _read_feedback(self) -> None:
        assert self._feedback_harvest is not None
        for _ in range(MAX_FEEDBACK_BATCHES):
            if self._bring_in(self._feedback_harvest) < MAX_BATCH:
                return

    def _read(self) -> int:
        assert self._harvest is not None
        return self._bring_in(self._harvest)

    def _bring_in(self, waiting: Harvest) -> int:
        """Read what is there into the slots, then handle it; how many there were. Each counts from when the kernel took
        it: round trips, and what publishers are told, must not hold our own waiting."""
        if keys := waiting.take():
            now = time.monotonic()
            self._sort(waiting, keys, [now - age_s for age_s in waiting.ages_s()])
        return len(keys)

    def _sort(self, came: Harvest, keys: Sequence[Hashable], times: Sequence[float]) -> None:
        """One flat loop, as it runs for every packet that is received. The same is in `_take`."""
        self.counters["received"] += len(keys)
        known, media = self._known, self._host.media
        for key, slot, size, now in zip(keys, self._slots, came.sizes, times, strict=False):
            entry, view = known.get(key), slot.view
            if entry is not None and size >= 2 and 128 <= view[0] <= 191:
                srtp, owner = entry
                is_rtcp = 192 <= view[1] <= 223
                media(owner, None if srtp is None else srtp.unprotect(slot, size, is_rtcp), is_rtcp, now)
            else:
                path = came.address(key)
                if (assigned := self._owners.get(path)) is not None:
                    known[key] = assigned
                self._take(slot, size, path, path, now)

    def _take(self, slot: Slot, size: int, path: Path, remote: tuple[str, int], now: float) -> None:
        view = slot.view
        if size >= 2 and 128 <= view[0] <= 191 and (entry := self._owners.get(path)) is not None:
            srtp, owner = entry
            is_rtcp = 192 <= view[1] <= 223  # RFC 5761 section 4
            plain = None if srtp is None else srtp.unprotect(slot, size, is_rtcp)
            self._host.media(owner, plain, is_rtcp, now)
        else:
            self._host.other(bytes(view[:size]), path, remote)

    def send(self, path: Path, data: bytes) -> None:
        """Send one datagram as it is."""
        if isinstance(path, TcpPath):
            self.counters["sent"] += 1
            path.send(data)
        else:
            self._send_one(path, data)

    def send_media(self, packets: list[Outgoing]) -> None:
        """Protect and send, in order for each transport; runs of equal size go to the kernel as one (UDP GSO). What
        has no route is dropped."""
        batches: dict[str, list[Plain]] = {}
        for name, packet, is_rtcp in packets:
            batch = batches.get(name)
            if batch is None:
                batches[name] = [(packet, is_rtcp)]
            else:
                batch.append((packet, is_rtcp))
        try:
            self._protect_and_aim(batches)
        finally:
            self._fire()

    def send_direct(self, packets: dict[str, list[bytearray]]) -> None:
        """Protect and send RTP packets by transport, as `send_media` does."""
        routes, out, waiting, aimed = self._routes, self._out, self._volley, self._aimed
        at = 0
        try:
            for name, plain in packets.items():
                if (route := routes.get(name)) is None:
                    continue
                path, srtp, target = route
                if at + len(plain) * MOST_PROTECTED_BYTES > OUT_BYTES:
                    self._fire()
                    at = 0
                    if len(plain) * MOST_PROTECTED_BYTES > OUT_BYTES:
                        self._protect_and_aim({name: [(packet, False) for packet in plain]})
                        self._fire()
                        continue
                for run in srtp.protect_rtp(plain, out, at):
                    at = run[1]
                    if waiting is None or target is None or not self._gso:
                        self._aim(path, target, run)
                        continue
                    start, end, size = run
                    waiting.add(target, start, end - start, 0 if end - start <= size else size)
                    aimed.append((path, run))  # type: ignore[arg-type]  # what has a target is no TcpPath
                    if waiting.count == volley.MESSAGES:
                        self._fire()
        finally:
            self._fire()

    def _protect_and_aim(self, batches: dict[str, list[Plain]]) -> None:
        """`out` fills up with what waits for the next volley, and is used from its start again after it."""
        routes, out, aim = self._routes, self._out, self._aim
        at = 0
        for name, plain in batches.items():
            route = routes.get(name)
            if route is None:
                continue
            path, srtp, target = route
            if at + len(plain) * MOST_PROTECTED_BYTES > OUT_BYTES:
                self._fire()
                at = 0
            if len(plain) == 1:
                if size := srtp.protect_one(*plain[0], out, at):
                    aim(path, target, (at, at + size, size))
                    at += size
                continue
            while plain:
                count = fitting(plain) if len(plain) * MOST_PROTECTED_BYTES > OUT_BYTES else len(plain)
                for run in srtp.protect(plain[:count], out, at):
                    aim(path, target, run)
                    at = run[1]
                plain = plain[count:]
                if plain:
                    self._fire()
                    at = 0

    def _aim(self, path: Path, target: Target | None, run: Run) -> None:
        """A run for the next volley; what cannot go with it is sent at once."""
        waiting = self._volley
        start, end, size = run
        if waiting is None or target is None:
            self._send_run(path, run)
            return
        if end - start > size and not self._gso:
            for at in range(start, end, size):
                self._aim(path, target, (at, min(end, at + size), size))
            return
        assert isinstance(path, tuple), "only such a path has a target"
        waiting.add(target, start, end - start, 0 if end - start <= size else size)
        self._aimed.append((path, run))
        if waiting.count == volley.MESSAGES:
            self._fire()

    def _fire(self) -> None:
        if self._volley is None or not (aimed := self._aimed):
            return
        assert self._udp is not None
        self._volley.send(self._udp.fileno(), self._missed)
        sent = self.counters["sent"]
        for _, (start, end, size) in aimed:
            sent += 1 if end - start <= size else -(-(end - start) // size)
        self.counters["sent"] = sent
        aimed.clear()

    def _missed(self, which: int, error: int) -> None:
        """The kernel did not take one run of the volley."""
        path, (start, end, size) = self._aimed[which]
        count = -(-(end - start) // size)
        if count > 1 and (error == errno.EMSGSIZE or error in GSO_UNSUPPORTED):
            if error != errno.EMSGSIZE:
                self._no_gso(error)
            self.counters["sent"] -= count  # each is counted as it goes
            for at in range(start, end, size):
                self._send_one(path, self._out.view[at : min(end, at + size)])
        else:
            self.counters["send_dropped"] += count

    def _send_run(self, path: Path, run: Run) -> None:
        start, end, size = run
        out = self._out
        if isinstance(path, tuple):
            if end - start <= size:
                self._send_one(path, out.view[start:end])
                return
            if self._gso and self._send_gso(path, out.view[start:end], size):
                return
        for at in range(start, end, size):
            self.send(path, bytes(out.view[at : min(end, at + size)]))

    def _send_gso(self, path: UdpPath, run: memoryview, size: int) -> bool:
        """False when it has to go packet by packet."""
        assert self._udp is not None
        ancillary = self._ancillary.get(size)
        if ancillary is None:
            ancillary = self._ancillary[size] = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", size))]
        count = -(-len(run) // size)
        try:
            self._udp.sendmsg((run,), ancillary, 0, path)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            if error.errno in GSO_UNSUPPORTED:
                self._no_gso(error.errno)
                return False
            self.counters["send_dropped"] += count
        self.counters["sent"] += count
        return True

    def _no_gso(self, error: int | None) -> None:
        self._gso = False
        log.info("udp_gso_off", error=error)

    def _send_one(self, path: UdpPath, data: bytes | memoryview) -> None:
        assert self._udp is not None
        self.counters["sent"] += 1
        try:
            self._udp.sendto(data, path)
        except OSError:  # full buffer, no route: the network loses packets, repair deals with it
            self.counters["send_dropped"] += 1

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remote = writer.get_extra_info("peername")[:2]
        if len(self._tcp_paths) >= MAX_TCP_CONNECTIONS:
            self.counters["tcp_refused"] += 1
            writer.close()
            return
        path = TcpPath(writer, remote)
        self._tcp_paths.add(path)
        try:
            async with asyncio.timeout(TCP_FIRST_FRAME_WITHIN_S):
                first = await self._read_frame(reader)
            if first is None or len(first) < 20 or first[0] > 3:
                self.counters["tcp_bad_frame"] += 1
                return  # the first frame must be a STUN message
            frame: bytes | None = first
            while frame is not None:
                slot = self._slots[0]
                slot.view[: len(frame)] = frame
                self._take(slot, len(frame), path, remote, time.monotonic())
                self._host.batch_end()
                frame = await self._read_frame(reader)
        except (TimeoutError, OSError):
            self.counters["tcp_bad_frame"] += 1
        finally:
            self._tcp_paths.discard(path)
            self._host.path_gone(path)
            writer.close()

    async def _read_frame(self, reader: asyncio.StreamReader) -> bytes | None:
        try:
            length = int.from_bytes(await reader.readexactly(2))
            if length > MAX_DATAGRAM_BYTES:
                self.counters["tcp_bad_frame"] += 1
                return None
            return await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return None


def _bound(bind: str, port: int) -> socket.socket:
    udp = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if bind == "::":
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        if hasattr(socket, "SO_REUSEPORT"):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        udp.bind((bind, port))
    except OSError:
        udp.close()
        raise
    return udp


def _feedback_socket(bind: str, port: int, udp: socket.socket) -> socket.socket | None:
    """A second socket of the port, to which the kernel sorts transport-wide feedback; None where it cannot."""
    lines = b"".join(struct.pack("=HBBI", *line) for line in _FEEDBACK_FILTER)
    program = ctypes.create_string_buffer(lines)
    pointer = struct.pack("@HP", len(_FEEDBACK_FILTER), ctypes.addressof(program))
    try:
        # Before the second socket is bound: until then everything goes to the first, whatever the filter says.
        udp.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, pointer)
        feedback = _bound(bind, port)
        feedback.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        return feedback
    except OSError as error:
        log.info("udp_feedback_unsorted", error=error.errno)
        return None
