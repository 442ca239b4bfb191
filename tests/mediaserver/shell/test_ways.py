# SPDX-License-Identifier: Apache-2.0
"""Ways to the mediaserver: DTLS with either side speaking first and either kind of key, IPv4 and IPv6 and TCP on one
port, several addresses, and an end to sending where nobody asks any more."""

from __future__ import annotations

import asyncio
import datetime
import socket
from collections.abc import Callable

import pytest
from aioice import stun
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from mediaserver.shell import dtls
from mediaserver.shell.media_port import Path
from mediaserver.shell.srtp import Buffer
from mediaserver.shell.transport import CONSENT_FOR_S, Hub, Transport
from mediaserver.signalling.messages import DtlsParameters
from storage.addresses import machine_addresses
from tests.mediaserver.shell.endpoint import until
from tests.ports import free_port


def rsa_certificate() -> RTCCertificate:
    """As older programs bring."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(5).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
    return RTCCertificate(key=key, cert=made.sign(key, hashes.SHA256()))


class PeerCertificate(dtls.Certificate):
    """The same cipher list as ours, so that an RSA key can be used by the test's side."""


class Pipe:
    """The peer's end, in memory."""

    role = "controlling"

    def __init__(self, out: Callable[[bytes], None]) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._out = out

    async def _recv(self) -> bytes:
        return await self.inbox.get()

    async def _send(self, data: bytes) -> None:
        self._out(data)


@pytest.mark.parametrize("peer_role", ["client", "server"])
@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
async def test_dtls_with_either_role_and_either_key(peer_role: str, key: str) -> None:
    base = rsa_certificate() if key == "rsa" else RTCCertificate.generateCertificate()
    certificate = PeerCertificate(key=base._key, cert=base._cert)
    up = asyncio.Event()
    server_side = dtls.new_certificate()
    ours = dtls.Dtls(server_side, lambda data: pipe.inbox.put_nowait(data), up.set, lambda: None)
    pipe = Pipe(ours.feed)
    theirs = RTCDtlsTransport(pipe, [certificate])  # type: ignore[arg-type]
    theirs._set_role(peer_role)
    prints = tuple((f.algorithm, f.value) for f in certificate.getFingerprints())
    ours.start(peer_role, prints)
    told = [RTCDtlsFingerprint(**f) for f in dtls.fingerprints(server_side)]
    await asyncio.wait_for(theirs.start(RTCDtlsParameters(fingerprints=told)), 10)
    await asyncio.wait_for(up.wait(), 5)
    assert theirs.state == "connected"
    packet = b"\x80\x60" + bytes(10) + b"x" * 1400  # longer than what libsrtp's wrapper takes by itself
    assert ours.srtp is not None
    out = Buffer(2048)
    size = ours.srtp.protect_one(bytearray(packet), False, out)
    assert size > len(packet)
    assert out.bytes[:12] == packet[:12]
    theirs._task.cancel()
    await asyncio.gather(theirs._task, return_exceptions=True)
    await ours.close()


async def test_a_wrong_fingerprint_brings_nothing_up() -> None:
    certificate = RTCCertificate.generateCertificate()
    down = asyncio.Event()
    server_side = dtls.new_certificate()
    ours = dtls.Dtls(server_side, lambda data: pipe.inbox.put_nowait(data), lambda: None, down.set)
    pipe = Pipe(ours.feed)
    theirs = RTCDtlsTransport(pipe, [certificate])  # type: ignore[arg-type]
    theirs._set_role("client")
    ours.start("client", (("sha-256", ":".join(["00"] * 32)),))
    told = [RTCDtlsFingerprint(**f) for f in dtls.fingerprints(server_side)]
    starting = asyncio.create_task(theirs.start(RTCDtlsParameters(fingerprints=told)))
    await asyncio.wait_for(down.wait(), 10)
    assert not ours.up
    assert ours.srtp is None
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await ours.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_one_port_for_both_families_and_protocols(host: str, protocol: str) -> None:
    number = free_port()
    hub = Hub(["203.0.113.9", "2001:db8::9"], number)
    await hub.port.open("::", number)
    transport = Transport("t", hub, lambda: None, lambda: None)
    hub.add(transport)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as peer:
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, (host, number))
        check = _check(transport)
        await loop.sock_sendall(peer, check if protocol == "udp" else len(check).to_bytes(2) + check)
        reply = await asyncio.wait_for(loop.sock_recv(peer, 2048), 5)
        reply = reply if protocol == "udp" else reply[2:]
        assert reply[:2] == b"\x01\x01"
        own_port = peer.getsockname()[1]
    mapped = reply.index(b"\x00\x20\x00")  # XOR-MAPPED-ADDRESS (RFC 8489 section 14.2)
    assert reply[mapped + 5] == (1 if family == socket.AF_INET else 2), "the family that the other end used"
    assert int.from_bytes(reply[mapped + 6 : mapped + 8]) ^ 0x2112 == own_port
    await until(lambda: transport.ice.last_check_s is not None)
    await transport.dtls.close()
    await hub.port.close()


def _check(transport: Transport) -> bytes:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{transport.ice.credentials.ufrag}:peer"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 7
    request.add_message_integrity(transport.ice.credentials.password.encode())
    request.add_fingerprint()
    return bytes(request)


async def test_every_address_is_a_candidate_the_advertised_first() -> None:
    addresses = machine_addresses("192.0.2.7", ["203.0.113.9", "2001:db8::9"])
    found = Hub(addresses, 7882).candidates()
    assert [(c["protocol"], c["ip"]) for c in sorted(found, key=lambda c: -c["priority"])] == [
        (protocol, ip) for protocol in ("udp", "tcp") for ip in ("203.0.113.9", "2001:db8::9", "192.0.2.7")
    ]
    assert {c["port"] for c in found} == {7882}
    assert {c["tcpType"] for c in found if c["protocol"] == "tcp"} == {"passive"}


async def test_we_speak_first_once_there_is_a_way_and_stop_where_nobody_asks() -> None:
    hub, sent = Hub(["127.0.0.1"], 9), []

    def send(path: Path, data: bytes) -> None:
        sent.append(data)

    hub.port.send = send  # type: ignore[method-assign]
    transport = Transport("t", hub, lambda: None, lambda: None)
    hub.add(transport)
    transport.connect(DtlsParameters("server", (("sha-256", ":".join(["00"] * 32)),)))
    await asyncio.sleep(0)
    assert not transport.dtls.started
    assert transport.consents(1e9), "nobody has come yet"
    hub.other(_check(transport), ("127.0.0.1", 5), ("127.0.0.1", 5))
    assert transport.dtls.started
    await until(lambda: any(data[:1] == b"\x16" for data in sent))
    last = transport.ice.last_check_s
    assert last is not None
    assert transport.consents(last + CONSENT_FOR_S - 0.1)
    assert not transport.consents(last + CONSENT_FOR_S)
    await transport.dtls.close()
