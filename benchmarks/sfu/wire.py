# SPDX-License-Identifier: Apache-2.0
"""One media transport of the load generator: ICE and DTLS in Python, then socket and SRTP keys for the C program."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from aioice import stun
from aiortc import RTCCertificate
from aiortc import rtcdtlstransport as aio
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport

from benchmarks.sfu.shapes import FULL, Layer
from mediaserver.shell.ice_lite import Credentials, IceAgent

Suite = Literal["cm", "gcm"]
PROFILES = {"cm": aio.SRTP_AES128_CM_SHA1_80, "gcm": aio.SRTP_AEAD_AES_128_GCM}
CERTIFICATE = RTCCertificate.generateCertificate()
RECEIVE_BUFFER_BYTES = 1 << 20


@dataclass
class Stream:
    """What a wire publishes."""

    kind: Literal["a", "v"]
    ssrc: int
    payload_type: int
    twcc_id: int
    level_id: int = 0
    layer: Layer = FULL


@dataclass
class Peer:
    """A transport that is up: what the C program needs."""

    socket: socket.socket
    tx_key: bytes
    rx_key: bytes
    twcc_id: int
    keepalive: bytes = b""
    streams: list[Stream] = field(default_factory=list)


class Wire:
    """A socket that does ICE (as the lite side too) and DTLS."""

    def __init__(self, address: str, suite: Suite) -> None:
        self.address, self.role = address, "controlling"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.bind((address, 0))
        self.port = int(self.socket.getsockname()[1])
        self.remote: tuple[str, int] | None = None
        self.lite: IceAgent[tuple[str, int]] = IceAgent(Credentials.new())
        self.checked = asyncio.Event()
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.dtls = RTCDtlsTransport(self, [CERTIFICATE])  # type: ignore[arg-type]
        self.profile = PROFILES[suite]
        self.dtls._srtp_profiles = [self.profile]
        asyncio.get_running_loop().add_reader(self.socket, self._readable)

    @property
    def fingerprint(self) -> RTCDtlsFingerprint:
        """SHA-256 of our certificate."""
        return next(f for f in self.dtls.getLocalParameters().fingerprints if f.algorithm == "sha-256")

    def _readable(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if data[0] < 4:
                self._stun(data, (source[0], source[1]))
            elif data[0] < 64:
                self._inbox.put_nowait(data)

    def _stun(self, data: bytes, source: tuple[str, int]) -> None:
        if data[:2] == b"\x01\x01":
            self.checked.set()
            return
        reply = self.lite.check(data, source, source, time.monotonic()).reply
        if reply is not None:
            self.socket.sendto(reply, source)
            self.remote = self.lite.selected
            self.checked.set()

    async def _recv(self) -> bytes:
        return await self._inbox.get()

    async def _send(self, data: bytes) -> None:
        assert self.remote is not None
        self.socket.sendto(data, self.remote)

    def check(self, ufrag: str, password: str) -> bytes:
        """Send one connectivity check with nomination; returns it, good for repeating as a keepalive."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{ufrag}:page"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(password.encode())
        request.add_fingerprint()
        assert self.remote is not None
        self.socket.sendto(bytes(request), self.remote)
        return bytes(request)

    async def up(self, role: Literal["client", "server"], fingerprints: list[tuple[str, str]]) -> Peer:
        """Wait for ICE, do the handshake, stop reading. Raises TimeoutError, RuntimeError."""
        await asyncio.wait_for(self.checked.wait(), 10)
        self.dtls._set_role(role)
        remote = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(a, v) for a, v in fingerprints])
        await asyncio.wait_for(self.dtls.start(remote), 15)
        if self.dtls.state != "connected":
            raise RuntimeError(f"DTLS {self.dtls.state}")
        ssl: Any = self.dtls._ssl
        profile = self.profile
        material = ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length))
        ours, theirs = (0, 1) if role == "client" else (1, 0)
        assert self.remote is not None
        if self.dtls._task is not None:
            self.dtls._task.cancel()
            await asyncio.gather(self.dtls._task, return_exceptions=True)
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.connect(self.remote)
        return Peer(
            self.socket, profile.get_key_and_salt(material, ours), profile.get_key_and_salt(material, theirs), 0
        )
