# SPDX-License-Identifier: Apache-2.0
"""Strangers at the media port: they get nothing, take nothing, and are counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aioice import stun

from mediaserver.shell.ice_lite import MAX_PATHS, Credentials, IceAgent
from mediaserver.shell.transport import Hub

HELLO = b"\x16\xfe\xfd" + bytes(10) + b"\x01" + bytes(40)
CREDENTIALS = Credentials("abcdEFGH", "password-of-22-chars..")


def check(password: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{CREDENTIALS.ufrag}:page"
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


def hub() -> tuple[Hub, Any, list[bytes]]:
    """A hub with one transport, and what it sends."""
    made, sent, fed = Hub(["192.0.2.1"], 7882), [], []
    made.port.send = lambda path, data: sent.append(data)  # type: ignore[method-assign]
    transport: Any = SimpleNamespace(
        ice=IceAgent(CREDENTIALS), transport_id="t", bad_srtp=0, lane=None, path_found=lambda: None, fed=fed,
        dtls=SimpleNamespace(started=True, srtp=None, feed=fed.append),
    )  # fmt: skip
    made.learn_ufrags(transport)
    return made, transport, sent


def test_a_thousand_half_open_handshakes_of_strangers_leave_nothing() -> None:
    made, transport, sent = hub()
    for number in range(1_000):
        path = ("192.0.2.9", 1024 + number)
        made.other(check("a-password-by-guess..."), path, path)
        made.other(HELLO, path, path)
    assert sent == [] and transport.fed == [] and made._by_path == {}
    assert made.dropped == {"stun_bad_integrity": 1_000, "dtls_unknown_path": 1_000}


def test_a_peer_with_a_thousand_addresses_keeps_a_few() -> None:
    """It knows its password, so its checks are answered; its handshakes from addresses it gave up are a stranger's."""
    made, transport, sent = hub()
    paths = [("192.0.2.9", 1024 + number) for number in range(1_000)]
    for path in paths:
        made.other(check(CREDENTIALS.password), path, path)
    assert len(sent) == 1_000 and len(made._by_path) == len(transport.ice.paths) == MAX_PATHS
    for path in paths:
        made.other(HELLO, path, path)
    assert len(transport.fed) == MAX_PATHS
    assert made.dropped == {"dtls_unknown_path": 1_000 - MAX_PATHS}


def test_media_from_somebody_elses_address_is_nobodys() -> None:
    made, transport, sent = hub()
    home, elsewhere = ("192.0.2.9", 5000), ("198.51.100.7", 5000)
    made.other(check(CREDENTIALS.password), home, home)
    for _ in range(100):
        made.other(b"\x80\x60" + bytes(40), elsewhere, elsewhere)
    assert transport.ice.selected == home and len(sent) == 1
    assert made.dropped == {"media_unknown_path": 100} and transport.bad_srtp == 0
