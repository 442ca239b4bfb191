# SPDX-License-Identifier: Apache-2.0
"""A real coturn on loopback, which lets in whoever shows credentials made with the shared secret."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

SECRET = "only-for-this-test"


def free_tcp_port() -> int:
    """A port that was free just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def start_relay(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    """The process and its TURN URI (UDP); it answers when this returns."""
    port = free_tcp_port()
    options = (
        "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}", "--realm=relay.test",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--allow-loopback-peers", "--no-cli", "--no-tls",
        "--no-dtls", "--simple-log", f"--log-file={folder}/relay.log", f"--pidfile={folder}/relay.pid",
        f"--userdb={folder}/relay.db", "--min-port=49160", "--max-port=49300",
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "turnserver", *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return process, f"turn:127.0.0.1:{port}?transport=udp"
    raise AssertionError((folder / "relay.log").read_text())
