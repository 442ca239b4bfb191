# SPDX-License-Identifier: Apache-2.0
"""How a program beside us, or on a media node, is reached: by Unix socket, or by mutual TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


@dataclass(frozen=True, slots=True)
class Line:
    """`base` stands before the path of every request; `connector` is made once for each session of requests."""

    base: str
    connector: Callable[[], aiohttp.BaseConnector]


def unix_line(path: Path) -> Line:
    """To a program of this machine."""
    return Line("http://media", lambda: aiohttp.UnixConnector(str(path), limit=0))


def tls_line(host: str, port: int, tls_name: str, context: ssl.SSLContext) -> Line:
    """To a media node that must show a certificate for `tls_name`, wherever `host` leads."""

    def connector() -> aiohttp.BaseConnector:
        return aiohttp.TCPConnector(ssl=context, limit=0, resolver=_Fixed(host), use_dns_cache=False)

    return Line(f"https://{tls_name}:{port}", connector)


class _Fixed(AbstractResolver):
    """Names in the certificates of nodes are of no DNS: every one of them leads to the configured host."""

    def __init__(self, host: str) -> None:
        self._host, self._resolver = host, aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(self._host, port, family)
        return [{**address, "hostname": host} for address in found]

    async def close(self) -> None:
        await self._resolver.close()
