# SPDX-License-Identifier: Apache-2.0
"""Media nodes: other machines whose mediaservers and recorders are led from here, by mutual TLS.

A node's doors lie side by side from one port on: worker n's mediaserver on port + 2n, its recorder on port + 2n + 1.
Names in certificates are of no DNS: they only say who is who, so a node's certificate is good for nothing else.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_NODES: Final = 16
MOST_WORKERS: Final = 16
NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PLACE: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})(?:/([0-9]{1,2}))?")
WEB_TLS_NAME: Final = "web.node.videohome.internal"
NODE_FILES: Final = ("node.crt", "node.key", "ca.crt")
"""Of a node, in `data_dir/node`; `videohome node join` puts them there."""
CLIENT_FILES: Final = ("node-client.crt", "node-client.key", "ca.crt")
"""Of the machine with the pages, in `data_dir/tls`."""


class NotJoined(Exception):
    """The certificates for speaking to nodes, or for being one, are not there. One sentence for the technician."""


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node's doors are."""

    name: str
    host: str
    port: int
    workers: int = 1

    def media_port(self, worker: int) -> int:
        """TCP port of the orders and the signalling of one worker."""
        return self.port + 2 * worker

    def recorder_port(self, worker: int) -> int:
        """TCP port on which its recorder is asked."""
        return self.port + 2 * worker + 1

    @property
    def ports(self) -> range:
        """All of them."""
        return range(self.port, self.port + 2 * self.workers)

    @property
    def tls_name(self) -> str:
        """What the node's certificate says."""
        return tls_name(self.name)


def tls_name(name: str) -> str:
    """Name in the certificate of the node `name`."""
    return f"{name}.media.node.videohome.internal"


def node_id(name: str, worker: int) -> str:
    """One worker of a node in the table of media processes."""
    return f"{name}/{worker}"


def is_on_node(process: str) -> bool:
    """True for the name of a media process that is on a node, False for one beside the pages."""
    return "/" in process


def read_place(name: str, text: str, workers: int | None = None) -> NodePlace:
    """`HOST:PORT` or `HOST:PORT/WORKERS`. Raises ValueError with one sentence."""
    found = _PLACE.fullmatch(text)
    if found is None or (workers is not None and found[3]):
        raise ValueError(f"{text!r} is not of the form HOST:PORT" + ("" if workers else " or HOST:PORT/WORKERS"))
    place = NodePlace(name, found[1].strip("[]"), int(found[2]), workers or int(found[3] or 1))
    if not 1 <= place.workers <= MOST_WORKERS:
        raise ValueError(f"{text!r} names {place.workers} workers; a node has 1 to {MOST_WORKERS}")
    if not (place.port >= 1 and place.ports[-1] <= 65535):
        raise ValueError(f"{text!r}: two ports for each worker from {place.port} on do not lie within 1 to 65535")
    return place


def read_places(nodes: dict[str, str]) -> list[NodePlace]:
    """All nodes of the settings. Raises ValueError with one sentence."""
    if len(nodes) > MOST_NODES:
        raise ValueError(f"{len(nodes)} nodes are named; there can be {MOST_NODES}")
    for name in nodes:
        if NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a node; use at most 31 small letters, digits and hyphens")
    return [read_place(name, text) for name, text in nodes.items()]


def listening_context(folder: Path) -> ssl.SSLContext:
    """For a node's doors: only who shows the certificate of this county's pages gets in. Raises NotJoined."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # every connection shows its certificate again
    return _loaded(context, folder, NODE_FILES)


def calling_context(folder: Path) -> ssl.SSLContext:
    """For calling a node by its `tls_name`. Raises NotJoined."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), folder, CLIENT_FILES)


def _loaded(context: ssl.SSLContext, folder: Path, files: tuple[str, str, str]) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    certificate, key, root = (folder / name for name in files)
    try:
        # Nobody but this county's own authority is trusted, and what a certificate may be used for is looked at
        # (RFC 5280 section 4.2.1.12): a node cannot call another one, the pages' own certificate cannot either.
        context.load_verify_locations(root)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise NotJoined(f"The certificates in {folder} cannot be used ({error.strerror or error}).") from None
    return context
