# SPDX-License-Identifier: Apache-2.0
"""The checking side of ICE toward our own ICE-lite server (RFC 8445): it is beside us, one valid answer is enough."""

from __future__ import annotations

import secrets
from typing import Any, Final

from aioice import stun

_PRIORITY: Final = 126 << 24 | 65535 << 8 | 255


class IceChecker:
    """Makes checks and recognises their answers."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._ufrag, self._password = parameters["usernameFragment"], parameters["password"].encode()
        self._own, self._tie_breaker = secrets.token_hex(4), secrets.randbits(63)
        self._asked: dict[bytes, tuple[str, int]] = {}

    def check(self, remote: tuple[str, int]) -> bytes:
        """A check of `remote` that also nominates it."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._ufrag}:{self._own}"
        request.attributes["PRIORITY"] = _PRIORITY
        request.attributes["ICE-CONTROLLING"] = self._tie_breaker
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._password)
        request.add_fingerprint()
        self._asked[request.transaction_id] = remote
        while len(self._asked) > 64:
            del self._asked[next(iter(self._asked))]
        return bytes(request)

    def answered(self, data: bytes) -> tuple[str, int] | None:
        """Who answered one of our checks, None for anything else."""
        try:
            message = stun.parse_message(data)
            genuine = message.check_message_integrity(self._password)
        except Exception:  # aioice lets struct, Unicode and enum errors out; all of them mean malformed bytes
            return None
        if message.message_class != stun.Class.RESPONSE or not genuine:
            return None
        return self._asked.pop(message.transaction_id, None)
