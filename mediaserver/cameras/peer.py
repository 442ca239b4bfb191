# SPDX-License-Identifier: Apache-2.0
"""A camera's place in a room: signalling over the mediaserver's Unix socket, and its media by ICE, DTLS and SRTP.

It enters by the same door as a page and is a peer like any other, which only publishes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from pathlib import Path
from typing import Any, Final

import aiohttp

from mediaserver.cameras.ice import IceChecker
from mediaserver.cameras.streams import OutgoingStream
from mediaserver.rtp import rtcp
from mediaserver.shell import dtls
from mediaserver.shell.srtp import MAX_PACKET_BYTES, Buffer

CHECK_EVERY_S: Final = 1.5
SILENT_FOR_S: Final = 6.0
"""Checks without an answer for so long: the mediaserver is not the one we joined any more."""
ANSWER_WITHIN_S: Final = 5.0
UP_WITHIN_S: Final = 10.0
SEND_BUFFER_BYTES: Final = 4 << 20


class RoomLost(Exception):
    """The room does not take us, or has ended. The text is a code."""


class RoomPeer:
    """One membership, from `join` to `leave`; not used again after RoomLost."""

    def __init__(self, media_socket: Path, room: str) -> None:
        self._socket_path, self._room = media_socket, room
        self._http: aiohttp.ClientSession | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._wire: _Wire | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with a code when the room or the mediaserver is gone."""
        self.producers: dict[str, str] = {}
        self.keyframe_requests = 0
        self._streams: dict[int, OutgoingStream] = {}

    async def join(self, token: str) -> None:
        """Enter and bring the transport up. Raises RoomLost."""
        try:
            async with asyncio.timeout(UP_WITHIN_S):
                await self._join(token)
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError) as error:
            raise RoomLost(type(error).__name__) from None

    async def _join(self, token: str) -> None:
        self._http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket_path)))
        self._ws = await self._http.ws_connect(f"http://media/rooms/{self._room}/ws", heartbeat=5.0)
        self._reader = asyncio.create_task(self._read(self._ws))
        joined = await self.ask("hello", {"version": 1, "token": token})
        described = joined["send_transport"]
        self._wire = _Wire(described, self._on_rtcp, self._end)
        parameters = {"role": "client", "fingerprints": self._wire.fingerprints}
        await self.ask("connect", {"transport_id": described["id"], "dtls_parameters": parameters})
        self._transport_id = described["id"]
        await self._wire.up()

    async def publish(self, source: str, stream: OutgoingStream, parameters: dict[str, Any]) -> None:
        """Begin a track, or begin it anew with other parameters. Raises RoomLost."""
        self._streams[stream.ssrc] = stream
        data = {"transport_id": self._transport_id, "source": source, "kind": stream.kind, "rtp_parameters": parameters}
        self.producers[source] = (await self.ask("produce", data))["producer_id"]

    async def pause(self, paused: bool) -> None:
        """Tell the room, and the record, that pictures and sound do not come, or come again. Raises RoomLost."""
        for producer_id in self.producers.values():
            await self.ask("pause_producer", {"producer_id": producer_id, "paused": paused})

    def send(self, packets: list[bytes], *, is_rtcp: bool = False) -> None:
        """Protect and send; nothing while the transport is not up."""
        if self._wire is not None:
            self._wire.send(packets, is_rtcp)

    async def ask(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request of the signalling. Raises RoomLost with the refusal's code."""
        assert self._ws is not None, "join comes first"
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._ws.send_json({"id": number, "type": kind, "data": data})
            async with asyncio.timeout(ANSWER_WITHIN_S):  # wait_for of Python 3.11 can lose a cancellation
                answer = await future
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RoomLost(type(error).__name__) from None
        finally:
            self._waiting.pop(number, None)
        if not answer["ok"]:
            raise RoomLost(str(answer["error"]["code"]))
        result = answer["data"]
        assert isinstance(result, dict)
        return result

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in ws:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                data = message.json()
                waiting = self._waiting.get(data["id"]) if "id" in data else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(data)
        finally:
            self._end(f"closed_{ws.close_code}")

    def _on_rtcp(self, data: bytes) -> None:
        for report in rtcp.parse(data)[0]:
            if isinstance(report, rtcp.Nack) and (stream := self._streams.get(report.media_ssrc)) is not None:
                self.send(stream.again(report.sequence_numbers))
            elif isinstance(report, rtcp.KeyframeRequest):
                # RTSP has no way to ask a camera: its next key frame comes when it comes (docs/cameras.md).
                self.keyframe_requests += 1

    def _end(self, code: str) -> None:
        if not self.lost.done():
            self.lost.set_result(code)
        for future in self._waiting.values():
            if not future.done():
                future.set_result({"ok": False, "error": {"code": code}})

    async def leave(self) -> None:
        """Go, as far as anybody is still there to hear it."""
        if self._ws is not None and not self._ws.closed:
            with contextlib.suppress(RoomLost):
                await self.ask("leave", {})
        if self._wire is not None:
            await self._wire.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._http is not None:
            await self._http.close()


class _Wire:
    """The sending transport: one UDP socket to the mediaserver's media port."""

    def __init__(self, described: dict[str, Any], on_rtcp: Any, on_lost: Any) -> None:
        self._on_rtcp, self._on_lost = on_rtcp, on_lost
        self._checker = IceChecker(described["iceParameters"])
        family, self._candidates = _candidates(described["iceCandidates"])
        self._remote: tuple[str, int] | None = None
        self._prints = tuple((f["algorithm"], f["value"]) for f in described["dtlsParameters"]["fingerprints"])
        self._certificate = dtls.new_certificate()
        self._up, self._found = asyncio.Event(), asyncio.Event()
        self._dtls = dtls.Dtls(self._certificate, self._to_remote, self._up.set, lambda: on_lost("dtls_ended"))
        self._heard_s = time.monotonic()
        self._in, self._out = Buffer(MAX_PACKET_BYTES).slots()[0], Buffer(MAX_PACKET_BYTES)
        self.dropped = 0
        self._udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._udp, self._readable)
        self._checks = asyncio.create_task(self._check())

    @property
    def fingerprints(self) -> list[dict[str, str]]:
        """To be signalled."""
        return dtls.fingerprints(self._certificate)

    async def up(self) -> None:
        """Find the way, then shake hands."""
        await self._found.wait()
        self._dtls.start("server", self._prints)
        await self._up.wait()

    async def _check(self) -> None:
        while True:
            for remote in [self._remote] if self._remote is not None else self._candidates:
                self._send_to(self._checker.check(remote), remote)
            if time.monotonic() - self._heard_s > SILENT_FOR_S:
                self._on_lost("silent")
            await asyncio.sleep(CHECK_EVERY_S if self._remote is not None else 0.2)

    def _readable(self) -> None:
        while True:
            try:
                data = self._udp.recv(2048)
            except BlockingIOError:
                return
            except OSError:  # an ICMP answer to a check of an address that nobody listens on
                continue
            if not data:
                continue
            if data[0] < 4:
                self._answer(data)
            elif 20 <= data[0] <= 63:
                self._dtls.feed(data)
            elif self._dtls.srtp is not None:
                self._in.view[: len(data)] = data
                plain = self._dtls.srtp.unprotect(self._in, len(data), is_rtcp=True)
                if plain is not None:
                    self._on_rtcp(plain)

    def _answer(self, data: bytes) -> None:
        remote = self._checker.answered(data)
        if remote is None:
            return
        self._heard_s = time.monotonic()
        if self._remote is None:
            self._remote = remote
            self._found.set()

    def _to_remote(self, data: bytes) -> None:
        if self._remote is not None:
            self._send_to(data, self._remote)

    def _send_to(self, data: bytes, remote: tuple[str, int]) -> None:
        try:
            self._udp.sendto(data, remote)
        except OSError:  # a full buffer or no such way: what is lost is asked for again
            self.dropped += 1

    def send(self, packets: list[bytes], is_rtcp: bool) -> None:
        """Protect and send."""
        srtp = self._dtls.srtp
        if srtp is None:
            return
        for packet in packets:
            size = srtp.protect_one(bytearray(packet), is_rtcp, self._out)
            if size:
                self._to_remote(bytes(self._out.view[:size]))

    async def close(self) -> None:
        """End the tasks and the socket."""
        self._checks.cancel()
        await asyncio.gather(self._checks, return_exceptions=True)
        await self._dtls.close()
        self._loop.remove_reader(self._udp)
        self._udp.close()


def _candidates(offered: list[dict[str, Any]]) -> tuple[socket.AddressFamily, list[tuple[str, int]]]:
    """Where to try: loopback first, since the mediaserver is on this machine; then what it offers."""
    udp = [(str(c["ip"]), int(c["port"])) for c in offered if c["protocol"] == "udp"]
    four = [(ip, port) for ip, port in udp if ":" not in ip]
    if four:
        return socket.AF_INET, list(dict.fromkeys([("127.0.0.1", four[0][1]), *four]))
    return socket.AF_INET6, list(dict.fromkeys([("::1", port) for _, port in udp[:1]] + udp))
