# SPDX-License-Identifier: Apache-2.0
"""How a camera can be, and when to try again. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
LOCKOUT_WAIT_S: Final = 300.0
"""After a wrong password: cameras lock an account after a handful of wrong ones, usually for half an hour."""
UNUSABLE_WAIT_S: Final = 60.0
"""After something that only a person at the camera's settings can change."""


class State(Enum):
    """A camera's state; the words for people stand in web's Fluent files as `camera-state-…`."""

    CONNECTING = "connecting"
    RUNNING = "running"
    UNREACHABLE = "unreachable"
    NOT_RTSP = "not_rtsp"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a state's name
    NO_SUCH_STREAM = "no_such_stream"
    TRANSPORT_REFUSED = "transport_refused"
    CODEC_NOT_USABLE = "codec_not_usable"
    NO_KEY_FRAME = "no_key_frame"
    LOST = "lost"
    """It ran, and stopped sending."""
    FAULT = "fault"
    """Ours: the child process ended by itself."""


class CameraFault(Exception):
    """The camera cannot be used now. `detail` names a codec; it never holds an address or a password."""

    def __init__(self, state: State, detail: str = "") -> None:
        super().__init__(state.value)
        self.state, self.detail = state, detail


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """How to reach a camera. Never logged."""

    address: str
    """rtsp://host[:port]/path, without user name and password."""
    username: str
    password: str
    transport: str
    """tcp or udp."""
    sound: bool

    def __repr__(self) -> str:
        return "CameraSpec(…)"

    @staticmethod
    def read(value: dict[str, Any]) -> CameraSpec:
        """From JSON. Raises KeyError, TypeError."""
        address, username, password, transport = (
            value[name] for name in ("address", "username", "password", "transport")
        )
        if not all(isinstance(text, str) for text in (address, username, password, transport)):
            raise TypeError("texts are wanted")
        return CameraSpec(address, username, password, transport, bool(value["sound"]))


class Backoff:
    """Longer and longer waits, each with a share of chance, so that thirty cameras do not come back in one moment."""

    def __init__(self) -> None:
        self._failures = 0

    def worked(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    def wait_s(self, state: State, chance: float) -> float:
        """Seconds until the next try after a failure; `chance` is from 0 to 1."""
        if state is State.WRONG_PASSWORD:
            return LOCKOUT_WAIT_S
        if state is State.CODEC_NOT_USABLE:
            return UNUSABLE_WAIT_S
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * (1 << min(self._failures, 10)))
        self._failures += 1
        return longest * (0.5 + 0.5 * chance)
