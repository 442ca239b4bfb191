# SPDX-License-Identifier: Apache-2.0
"""Ports for the programs that tests start."""

from __future__ import annotations

import socket
from contextlib import closing


def free_port() -> int:
    """A port that is free for TCP and UDP, on every address, at this moment."""
    while True:
        with closing(socket.socket()) as tcp, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
            tcp.bind(("", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("", port))
            except OSError:
                continue
            return port
