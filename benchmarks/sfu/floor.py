# SPDX-License-Identifier: Apache-2.0
"""The machine's floor: the same load through floor.c, which does nothing but the kernel's and the cipher's work."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from types import TracebackType

from benchmarks.sfu import load
from benchmarks.sfu.process import Child
from benchmarks.sfu.shapes import Shape
from benchmarks.sfu.wire import PROFILES, RECEIVE_BUFFER_BYTES, Peer, Stream, Suite


class Floor:
    """The adapter; keys are made up here, there is no ICE and no DTLS."""

    name = "floor"

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address

    async def __aenter__(self) -> Floor:
        self._socket = self._bound()
        self._orders = os.pipe()
        program = load.build("floor.c", "crypto")
        os.set_inheritable(self._socket.fileno(), True)
        with os.fdopen(self._orders[0], "rb") as orders:
            self.child = Child(
                [str(program)],
                dict(os.environ),
                self._folder / "server.log",
                stdin=orders.fileno(),
                pass_fds=(self._socket.fileno(),),
            )
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        await self.child.stop()

    def _bound(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            made.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES * 4)
        made.bind((self._address, 0))
        return made

    async def connect(self, shape: Shape, suite: Suite) -> list[Peer]:
        """All peers of the shape; from here on the floor forwards."""
        size = PROFILES[suite].key_length + PROFILES[suite].salt_length
        lines = [f"suite {suite} {self._socket.fileno()}"]
        peers = []
        receivers = [-1] * shape.subscribers + (list(range(shape.publishers)) if shape.publishers > 1 else [])
        for number in range(shape.publishers + len(receivers)):
            made = self._bound()
            made.setblocking(False)
            made.connect(self._socket.getsockname())
            key = os.urandom(size)
            peer = Peer(made, key, key, 0)
            port = made.getsockname()[1]
            if number < shape.publishers:
                first = 10_000 * (number + 1)
                peer.streams = [Stream("a", first + 1, 111, 3), Stream("v", first + 2, 96, 3)]
                lines.append(f"publisher {port} {key.hex()}")
            else:
                lines.append(f"receiver {port} {key.hex()} {receivers[number - shape.publishers]}")
            peers.append(peer)
        with os.fdopen(self._orders[1], "w") as orders:
            orders.write("\n".join([*lines, "end", ""]))
        await asyncio.sleep(0.5)
        return peers
