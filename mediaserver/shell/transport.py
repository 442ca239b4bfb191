# SPDX-License-Identifier: Apache-2.0
"""One WebRTC transport: ICE agent, DTLS and the path in use; and the hub that finds the transport of a datagram."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal

from mediaserver.sfu.lane import Lane
from mediaserver.shell import dtls
from mediaserver.shell.ice_lite import Credentials, IceAgent, Verdict, local_ufrag
from mediaserver.shell.media_port import Path
from mediaserver.shell.native_port import open_port
from mediaserver.signalling.messages import DtlsParameters

CONSENT_FOR_S: Final = 30.0
"""Nothing is sent to an address that has not asked for it within this time (RFC 7675 section 5.1)."""
_MAPPED: Final = "::ffff:"
CANDIDATE_PRIORITY: Final = {"udp": 2113937151, "tcp": 1518280447}
"""Host candidates, component 1 (RFC 8445 section 5.1.2); UDP is preferred."""

Plane = Literal["auto", "python", "native"]


class Transport:
    """One transport of one peer."""

    def __init__(self, transport_id: str, hub: Hub, on_up: Callable[[], None], on_down: Callable[[], None]) -> None:
        self.transport_id = transport_id
        self.ice: IceAgent[Path] = IceAgent(Credentials.new())
        self.dtls = dtls.Dtls(hub.certificate, self._send_dtls, self._on_up, self._on_down)
        self.on_rtp: Callable[[bytes, bool, float], None] = lambda data, is_rtcp, now: None
        self._hub, self._tell_up, self._tell_down = hub, on_up, on_down
        self.lane: Lane | None = None
        """For the compiled plane; None while Python has to see every packet."""
        self._waiting: DtlsParameters | None = None
        self.bad_srtp = 0

    def _on_up(self) -> None:
        self._hub.assign(self)
        self._tell_up()

    def _on_down(self) -> None:
        self._hub.assign(self)
        self._tell_down()

    def _send_dtls(self, data: bytes) -> None:
        if self.ice.selected is not None:
            self._hub.port.send(self.ice.selected, data)

    def describe(self) -> dict[str, Any]:
        """What mediasoup-client needs to make its side."""
        return {
            "id": self.transport_id,
            "iceParameters": self.ice_parameters(),
            "iceCandidates": self._hub.candidates(),
            "dtlsParameters": {"role": "auto", "fingerprints": dtls.fingerprints(self._hub.certificate)},
        }

    def ice_parameters(self) -> dict[str, Any]:
        """The current ICE credentials."""
        credentials = self.ice.credentials
        return {"usernameFragment": credentials.ufrag, "password": credentials.password, "iceLite": True}

    def connect(self, parameters: DtlsParameters) -> None:
        """The page's fingerprints are known: DTLS may begin. A repeated connect changes nothing.

        Where we speak first (the peer is the server) that waits for the path: a ClientHello that goes nowhere would
        be sent again only after a second.
        """
        if self.dtls.started:
            return
        if parameters.role == "server" and self.ice.selected is None:
            self._waiting = parameters
            return
        self._waiting = None
        self.dtls.start(parameters.role, parameters.fingerprints)

    def path_found(self) -> None:
        """A valid check came: there is a way to send now."""
        if self._waiting is not None:
            self.connect(self._waiting)

    def restart_ice(self) -> dict[str, Any]:
        """New credentials; the old are honoured until the new are used."""
        self._hub.forget_ufrags(self)
        self.ice.restart(Credentials.new())
        self._hub.learn_ufrags(self)
        return self.ice_parameters()

    def consents(self, now: float) -> bool:
        """False when the other end has not asked for anything for so long that nothing may be sent there."""
        return self.ice.last_check_s is None or now - self.ice.last_check_s < CONSENT_FOR_S


class Hub:
    """All transports of the process on one media port."""

    def __init__(self, addresses: list[str], port_number: int, plane: Plane = "python") -> None:
        self.certificate = dtls.new_certificate()
        self.port = open_port(self, plane)
        self.touched: set[Callable[[], None]] = set()
        """Who has something to send, by its `flush`; called and emptied after each batch."""
        self._addresses, self._port_number = addresses, port_number
        self._by_ufrag: dict[str, Transport] = {}
        self._by_path: dict[Path, Transport] = {}
        self.dropped: dict[str, int] = {}

    def candidates(self) -> list[dict[str, Any]]:
        """Every address, by UDP and by passive TCP."""
        found = []
        for protocol in ("udp", "tcp"):
            for index, address in enumerate(self._addresses):
                candidate: dict[str, Any] = {
                    "foundation": f"{protocol}{index}",
                    "priority": CANDIDATE_PRIORITY[protocol] - index * 256,
                    "address": address,
                    "ip": address,
                    "protocol": protocol,
                    "port": self._port_number,
                    "type": "host",
                }
                if protocol == "tcp":
                    candidate["tcpType"] = "passive"
                found.append(candidate)
        return found

    def add(self, transport: Transport) -> None:
        """Let datagrams find this transport."""
        self.learn_ufrags(transport)

    def remove(self, transport: Transport) -> None:
        """Datagrams of this transport are strangers' from now on."""
        self.forget_ufrags(transport)
        for path in [path for path, owner in self._by_path.items() if owner is transport]:
            del self._by_path[path]
            self.port.release(path)
        self.port.route(transport.transport_id, None, None)

    def assign(self, transport: Transport) -> None:
        """Its keys came or went."""
        for path in [path for path, owner in self._by_path.items() if owner is transport]:
            self.port.assign(path, transport, transport.dtls.srtp, transport.lane)
        self._route(transport)

    def _route(self, transport: Transport) -> None:
        self.port.route(transport.transport_id, transport.ice.selected, transport.dtls.srtp)

    def learn_ufrags(self, transport: Transport) -> None:
        """Take over the transport's username fragments."""
        for ufrag in transport.ice.ufrags:
            self._by_ufrag[ufrag] = transport

    def forget_ufrags(self, transport: Transport) -> None:
        """Drop them."""
        self._by_ufrag = {ufrag: owner for ufrag, owner in self._by_ufrag.items() if owner is not transport}

    def drop(self, reason: str) -> None:
        """Count a datagram that went nowhere."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def media(self, owner: Transport, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        """One packet of a transport in clear; None when it was not authentic, or came before the keys."""
        if plain is None:
            owner.bad_srtp += 1
            self.drop("srtp")
        else:
            owner.on_rtp(plain, is_rtcp, now)

    def other(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        """Sort one datagram by its first byte (RFC 7983 section 7). Never raises on bad bytes."""
        if not data:
            self.drop("empty")
            return
        first = data[0]
        if first <= 3:
            self._stun(data, path, remote)
        elif 20 <= first <= 63:
            transport = self._by_path.get(path)
            if transport is None:
                self.drop("dtls_unknown_path")
            elif transport.dtls.started:
                transport.dtls.feed(data)
            else:
                self.drop("dtls_too_early")
        else:
            self.drop("media_unknown_path" if 128 <= first <= 191 else "unknown_kind")

    def _stun(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        ufrag = local_ufrag(data)
        transport = None if ufrag is None else self._by_ufrag.get(ufrag)
        if transport is None:
            self.drop("stun_unknown")
            return
        # A socket for both families shows IPv4 addresses in IPv6's form; the other end must get its own back.
        host = remote[0].removeprefix(_MAPPED) if "." in remote[0] else remote[0]
        result = transport.ice.check(data, path, (host, remote[1]), time.monotonic())
        if result.evicted is not None and self._by_path.pop(result.evicted, None) is not None:
            self.port.release(result.evicted)
        if result.verdict is not Verdict.VALID:
            self.drop(result.verdict.value)
        elif self._by_path.get(path) is not transport:
            self._by_path[path] = transport
            self.port.assign(path, transport, transport.dtls.srtp, transport.lane)
        if result.path_changed:
            self._route(transport)
        if result.verdict is Verdict.VALID:
            transport.path_found()
        if result.reply is not None:
            self.port.send(path, result.reply)

    def batch_end(self) -> None:
        """Send what the batch produced."""
        while self.touched:
            self.touched.pop()()

    def path_gone(self, path: Path) -> None:
        """A TCP connection has ended."""
        self.port.release(path)
        transport = self._by_path.pop(path, None)
        if transport is not None:
            transport.ice.forget(path)
            self._route(transport)
