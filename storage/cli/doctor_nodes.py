# SPDX-License-Identifier: Apache-2.0
"""What `videohome doctor` says of media nodes: each door is called as the pages would call it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from cryptography import x509

from storage.nodes import NODE_FILES, NodePlace, NotJoined, calling_context, listening_context, node_id, read_places
from storage.settings import Settings

Told = tuple[str, Literal["ok", "warn", "fail"], str]
"""Name, state, sentence."""
ANSWER_WITHIN_S: Final = 3.0
CLOCKS_WITHIN_S: Final = 5
"""Orders and tokens are refused when clocks differ by more."""
WARN_DAYS: Final = 60


class _Unreached(Exception):
    """Why, and what to do."""


def nodes(settings: Settings) -> Iterator[Told]:
    """On the machine with the pages: whether each worker of each node is reached, and why not."""
    if not settings.nodes:
        return
    try:
        context = calling_context(settings.data_dir / "tls")
    except NotJoined:
        yield "nodes", "warn", "the certificate to call them is made at the start; start Video Home first."
        return
    for place in read_places(settings.nodes):
        for worker in range(place.workers):
            yield _worker(place, worker, context)


def _worker(place: NodePlace, worker: int, context: ssl.SSLContext) -> Told:
    name = f"node {node_id(place.name, worker)}"
    days, apart_s = 0, 0
    for program, port in (("mediaserver", place.media_port(worker)), ("recorder", place.recorder_port(worker))):
        try:
            days, apart_s = _call(place, port, context)
        except _Unreached as reason:
            return name, "fail", f"its {program} on {place.host} port {port} is not reached: {reason}"
    if apart_s > CLOCKS_WITHIN_S:
        return name, "fail", f"its clock differs from ours by {apart_s} s; switch on NTP on both machines."
    if days < WARN_DAYS:
        return name, "warn", f"answers; its certificate ends in {days} days, run: videohome node add {place.name}"
    return name, "ok", "mediaserver and recorder answer."


def _call(place: NodePlace, port: int, context: ssl.SSLContext) -> tuple[int, int]:
    """Days that the node's certificate has left, and by how many seconds its clock differs. Raises _Unreached."""
    again = f"make a new file by videohome node add {place.name} and bring it there."
    try:
        with (
            socket.create_connection((place.host, port), ANSWER_WITHIN_S) as raw,
            context.wrap_socket(raw, server_hostname=place.tls_name) as line,
        ):
            shown = line.getpeercert()  # afterwards it may have hung up on us
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
            answer = line.recv(4096)
    except ssl.SSLCertVerificationError as error:
        raise _Unreached(f"its certificate is refused ({error.verify_message.rstrip('.')}); {again}") from None
    except (ssl.SSLError, ConnectionResetError) as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise _Unreached(f"it refuses our certificate, or speaks no TLS ({reason}); {again}") from None
    except BrokenPipeError:
        raise _Unreached(f"it refuses our certificate; {again}") from None
    except TimeoutError:
        raise _Unreached("no answer; look at its power, the network and the firewall.") from None
    except OSError as error:
        raise _Unreached(f"{error.strerror or error}; look whether videohome serve runs there.") from None
    if not answer:
        raise _Unreached(f"it refuses our certificate; {again}")
    if not answer.startswith(b"HTTP/1.1 200 ") or not shown:
        raise _Unreached("it answers as another program; correct its address in nodes.")
    ends_s = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return int((ends_s - time.time()) // 86_400), _apart_s(answer)


def _apart_s(answer: bytes) -> int:
    for line in answer.decode("latin-1").split("\r\n"):
        if line.lower().startswith("date: "):
            return abs(round(time.time() - parsedate_to_datetime(line[6:]).timestamp()))
    return 0


def node(settings: Settings) -> Iterator[Told]:
    """On a media node: its own certificate."""
    try:
        listening_context(settings.node_dir)
    except NotJoined as fault:
        yield "node", "fail", f"{fault} Run where the pages are: videohome node add {settings.node_name}"
        return
    ends = x509.load_pem_x509_certificate((settings.node_dir / NODE_FILES[0]).read_bytes()).not_valid_after_utc
    days = (ends - datetime.now(UTC)).days
    renew = f"; run where the pages are: videohome node add {settings.node_name}"
    if days < 0:
        yield "node", "fail", f"its certificate expired on {ends:%Y-%m-%d}{renew}"
    elif days < WARN_DAYS:
        yield "node", "warn", f"its certificate ends in {days} days{renew}"
    else:
        yield "node", "ok", f"the media node {settings.node_name}; its certificate is good for {days} days."
