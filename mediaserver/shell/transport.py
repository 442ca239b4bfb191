# SPDX-License-Identifier: Apache-2.0
"""One WebRTC transport: ICE agent, DTLS and the path in use; and the hub that finds the transport of a datagram."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from mediaserver.shell import dtls
from mediaserver.shell.ice_lite import Credentials, IceAgent, Verdict, local_ufrag
from mediaserver.shell.media_port import MediaPort, Path
from mediaserver.signalling.messages import DtlsParameters

CANDIDATE_PRIORITY: Final = {"udp": 2113937151, "tcp": 1518280447}
"""Host candidates, component 1 (RFC 8445 section 5.1.2); UDP is preferred."""


class Transport:
    """One transport of one peer."""

    def __init__(self, transport_id: str, hub: Hub, on_up: Callable[[], None], on_down: Callable[[], None]) -> None:
        self.transport_id = transport_id
        self.ice: IceAgent[Path] = IceAgent(Credentials.new())
        self.dtls = dtls.Dtls(hub.certificate, self._send_dtls, on_up, on_down)
        self.on_rtp: Callable[[bytes, bool, float], None] = lambda data, is_rtcp, now: None
        self._hub = hub
        self.bad_srtp = 0

    def _send_dtls(self, data: bytes) -> None:
        if self.ice.selected is not None:
            self._hub.port.send(self.ice.selected, [data])

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
        """The page's fingerprints are known: DTLS may begin. A repeated connect changes nothing."""
        if not self.dtls.started:
            self.dtls.start(parameters.role, parameters.fingerprints)

    def restart_ice(self) -> dict[str, Any]:
        """New credentials; the old are honoured until the new are used."""
        self._hub.forget_ufrags(self)
        self.ice.restart(Credentials.new())
        self._hub.learn_ufrags(self)
        return self.ice_parameters()

    def send_media(self, packets: list[tuple[bytearray, bool]]) -> None:
        """Protect and send, in order."""
        path = self.ice.selected
        if path is None or not self.dtls.up:
            return
        protect = self.dtls.protect
        datagrams = [data for packet, is_rtcp in packets if (data := protect(bytes(packet), is_rtcp)) is not None]
        self._hub.port.send(path, datagrams)


class Hub:
    """All transports of the process on one media port."""

    def __init__(self, addresses: list[str], port_number: int) -> None:
        self.certificate = dtls.new_certificate()
        self.port = MediaPort(self._datagram, self._batch_end, self._path_gone)
        self.on_batch_end: Callable[[], None] = lambda: None
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
        self._by_path = {path: owner for path, owner in self._by_path.items() if owner is not transport}

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

    def _datagram(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        """Sort one datagram by its first byte (RFC 7983 section 7). Never raises on bad bytes."""
        if not data:
            self.drop("empty")
            return
        first = data[0]
        if 128 <= first <= 191:
            self._media(data, path)
        elif first <= 3:
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
            self.drop("unknown_kind")

    def _media(self, data: bytes, path: Path) -> None:
        transport = self._by_path.get(path)
        if transport is None:
            self.drop("media_unknown_path")
            return
        is_rtcp = len(data) > 1 and 192 <= data[1] <= 223  # RFC 5761 section 4
        plain = transport.dtls.unprotect(data, is_rtcp)
        if plain is None:
            transport.bad_srtp += 1
            self.drop("srtp")
            return
        transport.on_rtp(plain, is_rtcp, time.monotonic())

    def _stun(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        ufrag = local_ufrag(data)
        transport = None if ufrag is None else self._by_ufrag.get(ufrag)
        if transport is None:
            self.drop("stun_unknown")
            return
        result = transport.ice.check(data, path, remote, time.monotonic())
        if result.evicted is not None:
            self._by_path.pop(result.evicted, None)
        if result.verdict is Verdict.VALID:
            self._by_path[path] = transport
        else:
            self.drop(result.verdict.value)
        if result.reply is not None:
            self.port.send(path, [result.reply])

    def _batch_end(self) -> None:
        self.on_batch_end()

    def _path_gone(self, path: Path) -> None:
        transport = self._by_path.pop(path, None)
        if transport is not None:
            transport.ice.forget(path)
