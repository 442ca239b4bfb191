# SPDX-License-Identifier: Apache-2.0
"""The relay between the ends of bad links, a process of its own: `python -m tests.badlink.relay SEED NAME=NEAR:FAR…`.

Each leg has two TUN devices, which this process makes: NEAR stays with the server, FAR is moved into the browser's
network namespace by the owner. Commands come as JSON lines on standard input, each is answered by one line:
`{"leg": "viewer", "way": "up"|"down", "conditions": {...}}` (up is from the browser to the server) or
`{"counters": true}`.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import struct
import sys
import time

from tests.badlink.pipe import Pipe

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MTU = 2048


def open_tun(name: str) -> int:
    """A new TUN device; the file descriptor gives and takes whole IP packets."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH14x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return tun


class Relay:
    """All legs, one loop."""

    def __init__(self, seed: int, legs: dict[str, tuple[str, str]]) -> None:
        self.pipes: dict[tuple[str, str], Pipe] = {}
        self._ways: dict[int, tuple[Pipe, int]] = {}
        for index, (leg, (near_name, far_name)) in enumerate(legs.items()):
            near, far = open_tun(near_name), open_tun(far_name)
            for offset, (way, source, target) in enumerate((("up", far, near), ("down", near, far))):
                pipe = self.pipes[leg, way] = Pipe(seed * 1000 + index * 2 + offset)
                self._ways[source] = pipe, target

    def run(self) -> None:
        """Until standard input ends."""
        poll = select.epoll()
        for source in self._ways:
            poll.register(source, select.EPOLLIN)
        poll.register(0, select.EPOLLIN)
        print("ready", flush=True)
        while True:
            for ready, _ in poll.poll(self._wait_s()):
                if ready != 0:
                    self._read(ready)
                elif not self._obey():
                    return
            now = time.monotonic()
            for pipe, target in self._ways.values():
                for packet in pipe.due(now):
                    _write(target, packet)

    def _wait_s(self) -> float:
        moments = [pipe.next_at for pipe, _ in self._ways.values() if pipe.next_at is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else 1.0

    def _read(self, source: int) -> None:
        pipe = self._ways[source][0]
        for _ in range(32):
            try:
                packet = os.read(source, _MTU)
            except OSError:  # nothing more, or the device is not up yet
                return
            pipe.push(packet, time.monotonic())

    def _obey(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        order = json.loads(line)
        if "counters" in order:
            answer: dict[str, dict[str, dict[str, int]]] = {}
            for (leg, way), pipe in self.pipes.items():
                answer.setdefault(leg, {})[way] = dict(pipe.counters)
            print(json.dumps(answer), flush=True)
        else:
            self.pipes[order["leg"], order["way"]].conditions.change(order["conditions"])
            print("{}", flush=True)
        return True


def _write(target: int, packet: bytes) -> None:
    try:
        os.write(target, packet)
    except OSError:  # the device is down or its queue is full: lost, as in any network
        return


def main() -> None:
    """Program."""
    legs = {}
    for argument in sys.argv[2:]:
        leg, _, names = argument.partition("=")
        near, _, far = names.partition(":")
        legs[leg] = near, far
    Relay(int(sys.argv[1]), legs).run()


if __name__ == "__main__":
    main()
