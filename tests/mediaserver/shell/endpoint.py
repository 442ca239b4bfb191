# SPDX-License-Identifier: Apache-2.0
"""A small WebRTC endpoint for tests: full-ICE checks, DTLS client and SRTP over one UDP (or TCP) path, and signalling
by WebSocket over the mediaserver's Unix socket."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aioice import stun
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport


class Wire:
    """One media transport of the endpoint."""

    role = "controlling"

    def __init__(self, described: dict[str, Any], *, send_filter: Callable[[bytes], bool] | None = None) -> None:
        self.send_filter = send_filter or (lambda data: True)
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.media: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.swallowed: list[bytes] | None = None
        """While a list: DTLS datagrams of the server are lost on the way, and kept here to look at."""
        self.answers = 0
        self.errors = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(("127.0.0.1", 0))
        self.learn(described)
        self.dtls = RTCDtlsTransport(self, [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
        asyncio.get_running_loop().add_reader(self.socket, self._readable)

    def learn(self, described: dict[str, Any]) -> None:
        """This is the server's side."""
        self.described = described
        self.credentials = described["iceParameters"]
        candidate = next(c for c in described["iceCandidates"] if c["protocol"] == "udp" and c["ip"].startswith("127."))
        self.remote = (candidate["ip"], candidate["port"])

    def move(self) -> None:
        """Change to another local port, as a laptop changes networks."""
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(self.socket, self._readable)

    def check(self, *, nominate: bool = True, password: str | None = None) -> None:
        """Send one connectivity check."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.credentials['usernameFragment']}:page"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity((password or self.credentials["password"]).encode())
        request.add_fingerprint()
        self.socket.sendto(bytes(request), self.remote)

    def _readable(self) -> None:
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return
            if data[0] < 4:
                self.answers += data[:2] == b"\x01\x01"
                self.errors += data[:2] == b"\x01\x11"
            elif data[0] < 64 and self.swallowed is not None:
                self.swallowed.append(data)
            elif data[0] < 64:
                self.inbox.put_nowait(data)
            elif self.dtls.state != "connected":
                pass  # media that overtook the end of the handshake
            elif 192 <= data[1] <= 223:
                self.rtcp.append(self.dtls._rx_srtp.unprotect_rtcp(data))
            else:
                self.media.append(self.dtls._rx_srtp.unprotect(data))

    async def _recv(self) -> bytes:
        return await self.inbox.get()

    async def _send(self, data: bytes) -> None:
        if self.send_filter(data):
            self.socket.sendto(data, self.remote)

    @property
    def fingerprints(self) -> list[dict[str, str]]:
        """To signal in `connect`."""
        return [{"algorithm": f.algorithm, "value": f.value} for f in self.dtls.getLocalParameters().fingerprints]

    async def up(self) -> None:
        """ICE, then the DTLS handshake."""
        self.check()
        await until(lambda: self.answers)
        prints = [RTCDtlsFingerprint(**f) for f in self.described["dtlsParameters"]["fingerprints"]]
        self.dtls._set_role("client")
        await asyncio.wait_for(self.dtls.start(RTCDtlsParameters(fingerprints=prints)), 10)
        assert self.dtls.state == "connected"

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send one RTP packet."""
        self.socket.sendto(self.dtls._tx_srtp.protect(packet), self.remote)

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one RTCP packet."""
        self.socket.sendto(self.dtls._tx_srtp.protect_rtcp(packet), self.remote)

    async def close(self) -> None:
        """End without a goodbye to the server."""
        if self.dtls._task is not None:
            self.dtls._task.cancel()
            await asyncio.gather(self.dtls._task, return_exceptions=True)
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


class Page:
    """Signalling of one page."""

    def __init__(self, http: aiohttp.ClientSession, room: str) -> None:
        self.http, self.room = http, room
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.notes: list[dict[str, Any]] = []
        self.wires: dict[str, Wire] = {}
        self.joined: dict[str, Any] = {}
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """A new WebSocket."""
        self.socket = await self.http.ws_connect(f"http://media/rooms/{self.room}/ws")
        self._reader = asyncio.create_task(self._read(self.socket))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            data = message.json()
            if "id" in data:
                self._waiting.pop(data["id"]).set_result(data)
            else:
                self.notes.append(data)

    async def ask(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request and its whole answer."""
        assert self.socket is not None
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": number, "type": kind, "data": data})
        return await asyncio.wait_for(future, 5)

    async def good(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request that must be granted."""
        answer = await self.ask(kind, data)
        assert answer["ok"], answer
        result = answer["data"]
        assert isinstance(result, dict)
        return result

    async def join(self, token: str) -> None:
        """Hello, and both transports up."""
        await self.open()
        self.joined = await self.good("hello", {"version": 1, "token": token})
        for direction in ("send", "recv"):
            wire = self.wires[direction] = Wire(self.joined[f"{direction}_transport"])
            await self.connect(direction)
            await wire.up()

    async def connect(self, direction: str) -> None:
        """Signal the wire's fingerprints."""
        wire = self.wires[direction]
        parameters = {"role": "client", "fingerprints": wire.fingerprints}
        await self.good("connect", {"transport_id": wire.described["id"], "dtls_parameters": parameters})

    async def closed_with(self) -> int:
        """The close code, once the server has closed."""
        assert self.socket is not None and self._reader is not None
        await asyncio.wait_for(self._reader, 5)
        code = self.socket.close_code
        assert code is not None
        return code

    async def drop(self) -> None:
        """Lose the WebSocket without a close frame."""
        assert self.socket is not None and self._reader is not None
        self._reader.cancel()
        response = self.socket._response
        assert response.connection is not None and response.connection.transport is not None
        response.connection.transport.abort()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def close(self) -> None:
        """End everything."""
        if self.socket is not None:
            await self.socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        for wire in self.wires.values():
            await wire.close()


async def until(check: Callable[[], Any], within_s: float = 8.0) -> None:
    """Wait until `check` is true; AssertionError else."""
    async with asyncio.timeout(within_s):
        while not check():
            await asyncio.sleep(0.01)


def unix_session(path: Path) -> aiohttp.ClientSession:
    """An HTTP session over a Unix socket."""
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)))
