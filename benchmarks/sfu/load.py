# SPDX-License-Identifier: Apache-2.0
"""Builds the C load generator and runs it over peers that are up."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.sfu.process import LOAD_CORE, on_core
from benchmarks.sfu.shapes import Shape
from benchmarks.sfu.wire import Peer, Suite

HERE = Path(__file__).parent
AUDIO_BYTES = 120
SAMPLED = 3
"""Subscribers whose packets are decrypted and timed: the first, the middle and the last."""


def build(source: str, *libraries: str) -> Path:
    """The program of a C file, compiled unless it was before. Raises RuntimeError that says what is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("no C compiler is here: apt-get install gcc libc6-dev")
    text = (HERE / source).read_bytes()
    folder = Path(tempfile.gettempdir()) / f"videohome-benchmark-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = folder / f"{Path(source).stem}-{hashlib.sha256(text).hexdigest()[:16]}"
    if not program.exists():
        fresh = program.with_suffix(f".{os.getpid()}")
        command = [compiler, "-O2", "-o", str(fresh), str(HERE / source), *(f"-l{name}" for name in libraries)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{source} could not be built (apt-get install libsrtp2-dev): {done.stderr[-1500:]}")
        fresh.rename(program)
    return program


def orders(peers: list[Peer], shape: Shape, suite: Suite, warm_s: float, window_s: float) -> str:
    """What load.c reads from its stdin."""
    receivers = [index for index, peer in enumerate(peers) if not peer.streams]
    chosen = {receivers[0], receivers[len(receivers) // 2], receivers[-1]} if receivers else set()
    lines = [f"suite {suite}", f"window {warm_s} {window_s} {shape.gap_us}"]
    for index, peer in enumerate(peers):
        keepalive = peer.keepalive.hex() or "-"
        sampled = int(index in chosen)
        lines.append(
            f"peer {peer.socket.fileno()} {peer.tx_key.hex()} {peer.rx_key.hex()} {sampled} {peer.twcc_id} {keepalive}"
        )
    for index, peer in enumerate(peers):
        for stream in peer.streams:
            # Publishers are spread over a frame's time, and audio over its own, as they are by chance in life.
            phase = (
                index * 33_333 // shape.publishers if stream.kind == "v" else 5_000 + index * 20_000 // shape.publishers
            )
            numbers = f"{stream.ssrc} {stream.payload_type} {stream.twcc_id} {stream.level_id}"
            layer = stream.layer
            size = (
                f"{layer.packets} {layer.packet_bytes} {layer.width} {layer.height}"
                if stream.kind == "v"
                else f"1 {AUDIO_BYTES} 0 0"
            )
            lines.append(f"stream {index} {stream.kind} {numbers} {phase} {size}")
    return "\n".join([*lines, "end", ""])


async def run(
    peers: list[Peer], shape: Shape, suite: Suite, warm_s: float, window_s: float, edge: Callable[[str], None]
) -> dict[str, Any]:
    """One measured run; `edge` is called with "begin" and "end". Raises RuntimeError."""
    program = build("load.c", "srtp2")
    process = await asyncio.create_subprocess_exec(
        *on_core(LOAD_CORE),
        str(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=[peer.socket.fileno() for peer in peers],
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(orders(peers, shape, suite, warm_s, window_s).encode())
    await process.stdin.drain()
    last = ""
    while line := (await process.stdout.readline()).decode().strip():
        if line in ("begin", "end"):
            edge(line)
        last = line
    if await process.wait() or not last.startswith("{"):
        raise RuntimeError("the load generator failed")
    found: dict[str, Any] = json.loads(last)
    return found
