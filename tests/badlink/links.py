# SPDX-License-Identifier: Apache-2.0
"""Hosts behind bad links: for each leg a network namespace that reaches this machine only through the relay.

Needs root (or CAP_NET_ADMIN) and /dev/net/tun; no `netem`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WAYS = ("up", "down")


@dataclass(frozen=True)
class Leg:
    """One bad link."""

    name: str
    namespace: str
    server_address: str
    """This machine's address as the host behind the link sees it."""


class Links:
    """The legs and their relay process."""

    def __init__(self, legs: dict[str, Leg], relay: subprocess.Popen[str]) -> None:
        self.legs = legs
        self._relay = relay

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._relay.stdin is not None and self._relay.stdout is not None
        self._relay.stdin.write(json.dumps(order) + "\n")
        self._relay.stdin.flush()
        line = self._relay.stdout.readline()
        assert line, "the relay ended"
        return json.loads(line)

    def change(self, leg: str, **conditions: float) -> None:
        """Both directions of a leg."""
        for way in WAYS:
            self._ask({"leg": leg, "way": way, "conditions": conditions})

    def change_all(self, **conditions: float) -> None:
        """Both directions of every leg."""
        for leg in self.legs:
            self.change(leg, **conditions)

    def counters(self) -> dict[str, dict[str, dict[str, int]]]:
        """By leg and way: packets, bytes, lost, overflowed since the start."""
        found = self._ask({"counters": True})
        assert isinstance(found, dict)
        return found


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@contextmanager
def bad_links(names: tuple[str, ...], seed: int) -> Iterator[Links]:
    """Legs without any badness yet; all is removed at the end."""
    tag = os.getpid() % 10_000
    net = os.getpid() % 120 + 100
    legs, devices = {}, {}
    for index, name in enumerate(names):
        legs[name] = Leg(name, f"vhbad{tag}{index}", f"10.214.{net}.{index * 4 + 1}")
        devices[name] = f"vhn{tag}{index}", f"vhf{tag}{index}"
    arguments = [f"{name}={near}:{far}" for name, (near, far) in devices.items()]
    # Beside browsers that use the whole machine the relay must not wait for its turn: its delay is what is measured.
    relay = subprocess.Popen(
        ["chrt", "-r", "10", sys.executable, "-m", "tests.badlink.relay", str(seed), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n", "the relay did not start (root and /dev/net/tun are needed)"
        for index, (name, leg) in enumerate(legs.items()):
            near, far = devices[name]
            _ip("netns", "add", leg.namespace)
            _ip("link", "set", far, "netns", leg.namespace)
            _ip("addr", "add", f"{leg.server_address}/30", "dev", near)
            _ip("link", "set", near, "up", "txqueuelen", "2000")
            _ip("-n", leg.namespace, "addr", "add", f"10.214.{net}.{index * 4 + 2}/30", "dev", far)
            _ip("-n", leg.namespace, "link", "set", far, "up", "txqueuelen", "2000")
            _ip("-n", leg.namespace, "link", "set", "lo", "up")
        yield Links(legs, relay)
    finally:
        if relay.stdin is not None:
            relay.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            relay.wait(5)
        relay.kill()
        if relay.stdout is not None:
            relay.stdout.close()
        for leg in legs.values():
            subprocess.run(["ip", "netns", "del", leg.namespace], capture_output=True, check=False)
