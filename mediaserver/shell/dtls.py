# SPDX-License-Identifier: Apache-2.0
"""The one door to aiortc: one transport's DTLS handshake and its SRTP keys.

aiortc's transport runs over any object with `_recv`, `_send` and `role`. Only DTLS datagrams pass through it; SRTP is
taken straight from the socket reader to the two libsrtp sessions that the handshake made (see srtp.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiortc import rtcdtlstransport as seam
from OpenSSL import SSL

from mediaserver.shell.srtp import Srtp, open_srtp

log = structlog.get_logger(__name__)

MAX_QUEUED: Final = 32
"""DTLS datagrams waiting for OpenSSL; a handshake has at most a dozen, the newest are dropped and counted."""
HANDSHAKE_WITHIN_S: Final = 30.0
HELLO_AGAIN_S: Final = (0.05, 0.15, 0.35, 0.75)
"""After how long our own ClientHello is sent again; OpenSSL by itself waits a whole second."""
_PROFILES: Final = [seam.SRTP_AEAD_AES_128_GCM, seam.SRTP_AES128_CM_SHA1_80]
"""The server's order decides: GCM with 128 bits costs least, CM must be there for older peers (RFC 8827)."""
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)


class Certificate(seam.RTCCertificate):
    """The server's self-signed certificate, one for each process; peers with RSA certificates are accepted too."""

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context


def new_certificate() -> Certificate:
    """A fresh ECDSA P-256 certificate."""
    certificate = Certificate.generateCertificate()
    assert isinstance(certificate, Certificate)
    return certificate


def fingerprints(certificate: Certificate) -> list[dict[str, str]]:
    """The fingerprints to signal; the client uses the last one of the list."""
    return [{"algorithm": f.algorithm, "value": f.value} for f in certificate.getFingerprints()]


class _Wire:
    """What aiortc's transport sees instead of an ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._out = send
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_QUEUED)
        self.flight: list[bytes] = []

    async def _recv(self) -> bytes:
        data = await self.inbox.get()
        if data is None:
            raise ConnectionError
        self.flight.clear()
        return data

    async def _send(self, data: bytes) -> None:
        self.flight.append(data)
        self._out(data)


class Dtls:
    """DTLS and SRTP of one transport. `on_up` and `on_down` are called once each, in the event loop."""

    def __init__(
        self,
        certificate: Certificate,
        send: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
    ) -> None:
        self._wire = _Wire(send)
        self._send = send
        self._transport = seam.RTCDtlsTransport(self._wire, [certificate])  # type: ignore[arg-type]  # any object of that shape
        self._transport._srtp_profiles = _PROFILES
        self._on_up, self._on_down = on_up, on_down
        self._task: asyncio.Task[None] | None = None
        self.up = False
        self.dropped = 0
        self.srtp: Srtp | None = None
        """Once the handshake is over, until the end."""

    @property
    def started(self) -> bool:
        """True once the peer's fingerprints are known."""
        return self._task is not None

    def start(self, role: str, peer_fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Begin the handshake; `role` is the peer's. We are passive unless the peer insists on being the server."""
        self._transport._set_role("client" if role == "server" else "server")
        remote = seam.RTCDtlsParameters(
            fingerprints=[seam.RTCDtlsFingerprint(algorithm, value) for algorithm, value in peer_fingerprints]
        )
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(remote))
        if role == "server":
            for delay_s in HELLO_AGAIN_S:
                loop.call_later(delay_s, self._hello_again)

    def _hello_again(self) -> None:
        """We spoke first and nothing came: programs that listen only once ICE is done have missed it."""
        if not self.up and len(self._wire.flight) == 1 and self._task is not None and not self._task.done():
            self._send(self._wire.flight[0])

    async def _run(self, remote: Any) -> None:
        try:
            await asyncio.wait_for(self._transport.start(remote), HANDSHAKE_WITHIN_S)
            if self._transport.state != "connected":
                log.info("dtls_failed")
                return
            self.srtp = open_srtp(self._transport._rx_srtp, self._transport._tx_srtp, self._gcm_key())
            self.up = True
            self._on_up()
            pump = self._transport._task
            if pump is not None:
                await asyncio.wait({pump})
        except TimeoutError:
            log.info("dtls_timeout")
        finally:
            self.up, self.srtp = False, None
            self._on_down()

    def _gcm_key(self) -> bytes | None:
        """Key and salt of what we send; None where the peer chose another suite (RFC 5764 section 4.2)."""
        connection, profile = self._transport._ssl, seam.SRTP_AEAD_AES_128_GCM
        assert connection is not None, "the handshake is over"
        if connection.get_selected_srtp_profile() != profile.openssl_profile:
            return None
        size_bytes = 2 * (profile.key_length + profile.salt_length)
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", size_bytes)
        return bytes(profile.get_key_and_salt(material, 1 if self._transport._role == "server" else 0))

    def feed(self, data: bytes) -> None:
        """A datagram whose first byte is 20 to 63 (RFC 7983). A repeated ClientHello gets the last flight again:
        OpenSSL itself would wait a whole second."""
        if not self.up and self._wire.flight and _begins_client_hello(data):
            for datagram in self._wire.flight:
                self._send(datagram)
            return
        try:
            self._wire.inbox.put_nowait(data)
        except asyncio.QueueFull:
            self.dropped += 1

    async def close(self) -> None:
        """Say goodbye and end the tasks."""
        await self._transport.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _begins_client_hello(data: bytes) -> bool:
    """A handshake record that holds the first fragment of a ClientHello (RFC 6347 section 4.2.2)."""
    return len(data) >= 25 and data[0] == 22 and data[13] == 1 and data[19:22] == b"\0\0\0"
