# SPDX-License-Identifier: Apache-2.0
"""The media port with the compiled plane: one call receives and unprotects a batch, one protects and sends another.

TCP, and whatever is not media, goes through the Python plane that this class extends.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import structlog

from mediaserver import native
from mediaserver.recording import ring
from mediaserver.rtp import transport_feedback
from mediaserver.sfu import allowance, fanout, intake, lane, twcc
from mediaserver.sfu.bandwidth import meter, outgoing
from mediaserver.sfu.lane import Lane
from mediaserver.sfu.outbox import Outgoing
from mediaserver.shell import srtp as door
from mediaserver.shell.media_loop import MediaLoop
from mediaserver.shell.media_port import FEEDBACK_S, Host, MediaPort, Path, UdpPath
from mediaserver.shell.srtp import Srtp

log = structlog.get_logger(__name__)

_OTHER: Final = 0
_RTP: Final = 1
_RTCP: Final = 2
"""Kinds of datagram in `native.receive`'s answer."""
_Left = tuple[list[Any], list[Outgoing], list[Callable[[], None]], list[Any], list[Any]]
"""Of one call of `native.relay`: datagrams for Python, packets without a route, what is to be called, what receivers
are to be told before, reports that could wait so far."""


class PlaneMissing(Exception):
    """The compiled plane is asked for and not there; the text is one sentence for the technician."""


class NativePort(MediaPort):
    """As MediaPort; needs `native.module` and the addresses of libsrtp's functions."""

    def __init__(self, host: Host, module: Any) -> None:
        super().__init__(host)
        self._native = module
        self._table: dict[bytes, tuple[int, Any, Path, Lane | None]] = {}
        self._addresses: dict[Path, bytes] = {}
        self._native_routes: dict[str, tuple[Any, bytes]] = {}
        self._brought_at = 0.0
        """When media last brought the feedback that had come."""

    def _begin(self, loop: asyncio.AbstractEventLoop, udp: socket.socket) -> None:
        """As the base class says; the compiled plane reads by itself."""
        if isinstance(loop, MediaLoop):
            loop.media.relay = self._relay

    async def close(self) -> None:
        """As the base class says."""
        self._no_relay()
        await super().close()

    def _no_relay(self) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, MediaLoop):
            loop.media.relay = None

    def assign(self, path: Path, owner: Any, srtp: Srtp | None, lane: Lane | None = None) -> None:
        """As the base class says; ordinary packets of the lane's transport then go all the way in C."""
        super().assign(path, owner, srtp)
        if isinstance(path, tuple):
            address = self._addresses[path] = self._sockaddr(path)
            self._table[address] = (0 if srtp is None else srtp.rx_address, owner, path, lane)

    def release(self, path: Path) -> None:
        """As the base class says."""
        super().release(path)
        address = self._addresses.pop(path, None)
        if address is not None:
            self._table.pop(address, None)

    def _sockaddr(self, path: UdpPath) -> bytes:
        address = self._native.sockaddr(path[0].partition("%")[0], path[1])
        assert isinstance(address, bytes)
        return address

    def route(self, name: str, path: Path | None, srtp: Srtp | None) -> None:
        """As the base class says."""
        super().route(name, path, srtp)
        if isinstance(path, tuple) and srtp is not None:
            self._native_routes[name] = srtp.tx_native, self._sockaddr(path)
        else:
            self._native_routes.pop(name, None)

    def _relay(self, poll: int, seconds: float) -> bool:
        """Waits for the event loop: until `seconds` have passed, or there is something for Python to do. True when that
        is at another file."""
        assert self._udp is not None
        second = -1 if self._feedback is None else self._feedback.fileno()
        try:
            ready, looked_at, *passed = self._native.relay(
                poll, seconds, self._udp.fileno(), self._gso, self._table, self._native_routes, second
            )
        except Exception:  # a fault of ours must not end the event loop
            log.exception("relay")
            self._no_relay()
            return True
        self._brought_at = looked_at or self._brought_at
        left = self._account(passed)
        if any(left):
            asyncio.get_running_loop().call_soon(self._go_on, left)
        return bool(ready)

    def _account(self, passed: list[Any]) -> _Left:
        received, sent, dropped, error, *left = passed
        self.counters["received"] += received
        self.counters["sent"] += sent + dropped
        self.counters["send_dropped"] += dropped
        if error:
            self._no_gso(error)
        return left[0], left[1], left[2], left[3], left[4]

    def _go_on(self, passed: _Left) -> None:
        """What the compiled plane has left."""
        self._take_over(passed)
        self._host.batch_end()

    def _take_over(self, passed: _Left) -> None:
        left, rest, wake, told, reports = passed
        for receiver, one in told:
            receiver.told(*one)
        self._hand_on(reports)
        if rest:
            super().send_media(rest)
        for flush in dict.fromkeys(wake):
            flush()
        self._hand_on(left)

    def _read(self) -> int:
        assert self._udp is not None
        _, _, *passed = self._native.pass_on(self._udp.fileno(), self._gso, self._table, self._native_routes)
        self._take_over(self._account(passed))
        return int(passed[0])

    def take_feedback(self) -> None:
        """As the base class says, unless media has just brought it."""
        if time.monotonic() - self._brought_at > FEEDBACK_S:
            super().take_feedback()

    def _read_feedback(self) -> None:
        assert self._feedback is not None
        try:
            told, left = self._native.receive(self._feedback.fileno(), self._table)
        except OSError as error:  # an ICMP answer to an earlier send; the socket is good
            log.debug("udp_receive", error=error.errno)
            return
        self.counters["received"] += len(told) + len(left)
        for receiver, one in told:
            receiver.told(*one)
        self._hand_on(left)

    def _hand_on(self, came: list[Any]) -> None:
        host = self._host
        media = host.media
        for owner, path, kind, data, came_at in came:
            if kind == _RTP:
                media(owner, data, False, came_at)
            elif kind == _OTHER:
                host.other(data, path, path)
            else:
                media(owner, data if kind == _RTCP else None, kind == _RTCP, came_at)

    def send_media(self, packets: list[Outgoing]) -> None:
        """As the base class says, in one call for all transports."""
        assert self._udp is not None
        rest: list[Outgoing] = []
        sent, dropped, error = self._native.send(self._udp.fileno(), self._gso, packets, self._native_routes, rest)
        self.counters["sent"] += sent + dropped
        self.counters["send_dropped"] += dropped
        if error:
            self._no_gso(error)
        if rest:
            super().send_media(rest)


def use(module: Any | None) -> None:
    """Take the loops of the compiled plane, or the reference in Python for None. Rooms are made after this."""
    for part in (allowance, fanout, intake, lane, twcc, transport_feedback, meter, outgoing, ring, door):
        part.use(module)


def _fits(module: Any, functions: tuple[int, int, int, int]) -> bool:
    """Take the module, unless it was built from other sources than these."""
    try:
        module.use(*functions)
        use(module)
    except (AttributeError, TypeError, ValueError) as error:
        log.warning("plane_stale", error=str(error), how=native.HOW)
        return False
    return True


def open_port(host: Host, plane: Literal["auto", "python", "native"]) -> MediaPort:
    """The port with the wanted plane; `auto` takes the compiled one where it is there. Raises PlaneMissing when
    `native` is wanted and missing."""
    functions = door.addresses()
    module = None if plane == "python" or functions is None else native.load()
    if module is None or functions is None or not _fits(module, functions):
        use(None)
        if plane == "native":
            raise PlaneMissing(f"VIDEOHOME_PLANE is native, but the compiled plane is missing: {native.HOW}")
        log.info("plane", plane="python")
        return MediaPort(host)
    log.info("plane", plane="native")
    return NativePort(host, module)
