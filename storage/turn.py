# SPDX-License-Identifier: Apache-2.0
"""Credentials of a TURN server that live for hours (coturn's `use-auth-secret`): the user name says until when they are
good, the password is its HMAC under a secret that we share with that server, so nobody has to tell it anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final, TypedDict

TURN_LIFE_S: Final = 12 * 3600
"""A relay made while they were good goes on afterwards; nobody sits in one call for longer."""
URI: Final = re.compile(r"(stun|stuns|turn|turns):[A-Za-z0-9.\-\[\]:]{1,255}(\?transport=(udp|tcp))?")


class IceServer(TypedDict, total=False):
    """One entry of a page's `iceServers`."""

    urls: list[str]
    username: str
    credential: str


def ice_servers(uris: Sequence[str], secret: str, name: str, now_s: float) -> list[IceServer]:
    """What a page needs to use these servers from `now_s` (UTC seconds) on; `name` only shows in coturn's log."""
    found: list[IceServer] = []
    plain = [uri for uri in uris if uri.startswith("stun")]
    relays = [uri for uri in uris if not uri.startswith("stun")]
    if plain:
        found.append({"urls": plain})
    if relays and secret:
        username = f"{int(now_s) + TURN_LIFE_S}:{name}"
        # RFC 2104 with SHA-1 is what the server computes (draft-uberti-behave-turn-rest); it signs, nothing is hidden.
        digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
        found.append({"urls": relays, "username": username, "credential": base64.b64encode(digest).decode()})
    return found


def link_values(servers: Sequence[IceServer]) -> list[str]:
    """The same as values of `Link` headers (RFC 9725 section 4.6)."""
    links = []
    for server in servers:
        tail = '; rel="ice-server"'
        if "username" in server:
            user, credential = server["username"], server["credential"]
            tail += f'; username="{user}"; credential="{credential}"; credential-type="password"'
        links += [f"<{uri}>{tail}" for uri in server["urls"]]
    return links
