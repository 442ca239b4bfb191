# SPDX-License-Identifier: Apache-2.0
"""The one media port: a UDP socket drained in batches, and ICE-TCP on the same number (RFC 4571 framing, RFC 6544).

Nothing here knows what a datagram means. Sending never waits: what the kernel does not take is dropped and counted,
as a network would.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 64
"""Datagrams read before the event loop gets its turn."""
MAX_DATAGRAM_BYTES: Final = 2048
SOCKET_BUFFER_BYTES: Final = 4 << 20
MAX_TCP_CONNECTIONS: Final = 200
TCP_FIRST_FRAME_WITHIN_S: Final = 30.0
TCP_SEND_BUFFER_BYTES: Final = 512 << 10
"""A TCP peer further behind than this loses packets: late video is worthless."""
_SOL_UDP, _UDP_SEGMENT = 17, 103
_GSO_MAX_SEGMENTS, _GSO_MAX_BYTES = 64, 60_000

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
OnDatagram = Callable[[bytes, Path, tuple[str, int]], None]


class MediaPort:
    """UDP and TCP on one number. `on_batch_end` is called after each batch, to send what the batch produced."""

    def __init__(
        self, on_datagram: OnDatagram, on_batch_end: Callable[[], None], on_path_gone: Callable[[Path], None]
    ) -> None:
        self._on_datagram, self._on_batch_end, self._on_path_gone = on_datagram, on_batch_end, on_path_gone
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tcp_paths: set[TcpPath] = set()
        self._gso = True
        self.counters = {"received": 0, "sent": 0, "send_dropped": 0, "tcp_refused": 0, "tcp_bad_frame": 0}

    async def open(self, bind: str, port: int) -> None:
        """Listen. Raises OSError when the port cannot be had."""
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if bind == "::":
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                udp.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
            udp.bind((bind, port))
            self._tcp = await asyncio.start_server(self._serve_tcp, bind if bind != "::" else None, port)
        except OSError:
            udp.close()
            raise
        self._udp = udp
        asyncio.get_running_loop().add_reader(udp, self._drain)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        for path in list(self._tcp_paths):
            path.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def _drain(self) -> None:
        udp = self._udp
        assert udp is not None
        receive, handle = udp.recvfrom, self._on_datagram
        count = 0
        for _ in range(MAX_BATCH):
            try:
                data, address = receive(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError as error:  # an ICMP answer to an earlier send; the socket is good
                log.debug("udp_receive", error=error.errno)
                continue
            count += 1
            path = (address[0], address[1])
            handle(data, path, path)
        self.counters["received"] += count
        self._on_batch_end()

    def send(self, path: Path, datagrams: list[bytes]) -> None:
        """Send to one path, in order; runs of equal size go to the kernel as one (UDP GSO)."""
        self.counters["sent"] += len(datagrams)
        if isinstance(path, TcpPath):
            for data in datagrams:
                path.send(data)
            return
        at = 0
        while at < len(datagrams):
            run = self._run_length(datagrams, at)
            if run > 1 and self._send_run(path, datagrams[at : at + run]):
                at += run
                continue
            self._send_one(path, datagrams[at])
            at += 1

    def _run_length(self, datagrams: list[bytes], at: int) -> int:
        """How many from `at` on have one size; a shorter one may end the run."""
        if not self._gso:
            return 1
        size = len(datagrams[at])
        limit = min(len(datagrams) - at, _GSO_MAX_SEGMENTS, _GSO_MAX_BYTES // max(1, size))
        run = 1
        while run < limit and len(datagrams[at + run]) == size:
            run += 1
        if run < limit and len(datagrams[at + run]) < size:
            run += 1
        return run

    def _send_run(self, path: UdpPath, run: list[bytes]) -> bool:
        assert self._udp is not None
        ancillary = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", len(run[0])))]
        try:
            self._udp.sendmsg([b"".join(run)], ancillary, 0, path)
        except BlockingIOError:
            self.counters["send_dropped"] += len(run)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP):
                self._gso = False
                log.info("udp_gso_off", error=error.errno)
                return False
            if error.errno == errno.EMSGSIZE:
                return False
            self.counters["send_dropped"] += len(run)
        return True

    def _send_one(self, path: UdpPath, data: bytes) -> None:
        assert self._udp is not None
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
                self._on_datagram(frame, path, remote)
                self._on_batch_end()
                frame = await self._read_frame(reader)
        except (TimeoutError, OSError):
            self.counters["tcp_bad_frame"] += 1
        finally:
            self._tcp_paths.discard(path)
            self._on_path_gone(path)
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
