# SPDX-License-Identifier: Apache-2.0
"""One run of one server under one shape."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sfu import load
from benchmarks.sfu.floor import Floor
from benchmarks.sfu.janus import Janus
from benchmarks.sfu.ours import Ours
from benchmarks.sfu.shapes import Shape
from benchmarks.sfu.wire import Suite

SERVERS = ("floor", "native", "python", "janus", "janus-loops1")

STRAYED = 0.03
"""A run counts only when what was forwarded was so near to the load: the cost of a packet depends on their number."""


def make(server: str, folder: Path, address: str, *, recorded: bool = False) -> Ours | Janus | Floor:
    """The adapter of a server by its name."""
    if server == "floor":
        return Floor(folder, address)
    if server.startswith("janus"):
        return Janus(1 if server == "janus-loops1" else 0, folder, address)
    return Ours(server, folder, address, recorded=recorded)


async def measure(
    server: str, shape: Shape, suite: Suite, address: str, warm_s: float, window_s: float, strayed: float = STRAYED
) -> dict[str, Any]:
    """Figures of one run. Raises RuntimeError, OSError or TimeoutError when it could not be measured."""
    with tempfile.TemporaryDirectory(prefix="videohome-sfu-") as folder:
        async with make(server, Path(folder), address, recorded=shape.recorded) as adapter:
            empty = adapter.child.memory_bytes()
            peers = await adapter.connect(shape, suite)
            cpu: dict[str, float] = {}
            found = await load.run(
                peers, shape, suite, warm_s, window_s, lambda edge: cpu.__setitem__(edge, adapter.child.cpu_s())
            )
            full = adapter.child.memory_bytes()
            for peer in peers:
                peer.socket.close()
    came, wanted = found["received"] + found["lost"], shape.packets_per_s * found["seconds"]
    if not found["received"] or abs(came - wanted) > strayed * wanted:
        raise RuntimeError(
            f"the load was not whole: {came / found['seconds']:.0f} packets/s of {shape.packets_per_s} came"
            " (a server that holds back, or a busy machine)"
        )
    used_s = cpu["end"] - cpu["begin"]
    return {
        "server": server,
        "shape": shape.name,
        "suite": suite,
        "us_per_packet": used_s / found["received"] * 1e6,
        "cpu": used_s / found["seconds"],
        "memory_per_peer_mb": (full - empty) / shape.peers / 1e6,
        "memory_mb": full / 1e6,
        "pps": found["received"] / found["seconds"],
        "loss": (found["lost"] + found["bad"]) / max(1, found["expected"]),
        **{
            k: found[k]
            for k in (
                "p50_ms",
                "p99_ms",
                "max_ms",
                "generator_cpu",
                "samples",
                "nacks",
                "fewest_streams",
                "bad",
                "repeated",
                "rtcp_in",
                "rtcp_out",
                "key_requests",
                "send_failed",
                "late_p99_ms",
            )
        },
    }
