# SPDX-License-Identifier: Apache-2.0
"""A test picture of a camera, taken by a short-lived child process: this program decodes nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any, Final

import structlog

from storage.cli.supervisor import program_environment

log = structlog.get_logger(__name__)

WITHIN_S: Final = 10.0
"""The child gives up earlier by itself; after this it is killed."""
MOST_AT_ONCE: Final = 2
WAIT_FOR_TURN_S: Final = 3.0
MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024


class NoPicture(Exception):
    """There is none. `state` is a state of `mediaserver.cameras.states`, or `busy`; `detail` may name a codec."""

    def __init__(self, state: str, detail: str = "") -> None:
        super().__init__(state)
        self.state: Final = state
        self.detail: Final = detail


@dataclass(frozen=True, slots=True)
class CameraPicture:
    """What the camera shows and sends."""

    jpeg: str
    """Base64."""
    width: int
    height: int
    profile: str
    sound_codec: str


class PictureTaker:
    """Takes test pictures, a few at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def take(self, camera: dict[str, Any]) -> CameraPicture:
        """`camera` has address, username, password, transport. Raises NoPicture."""
        try:
            await asyncio.wait_for(self._turns.acquire(), WAIT_FOR_TURN_S)
        except TimeoutError:
            raise NoPicture("busy") from None
        try:
            answer = await _ask_child({"task": "picture", "camera": {**camera, "sound": False}})
        finally:
            self._turns.release()
        if answer.get("state") != "running":
            raise NoPicture(str(answer.get("state", "fault")), str(answer.get("detail", "")))
        return CameraPicture(
            str(answer["jpeg"]),
            int(answer["width"]),
            int(answer["height"]),
            str(answer["profile"]),
            str(answer["sound_codec"]),
        )


async def _ask_child(order: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mediaserver.cameras",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=program_environment(),
        limit=MAX_ANSWER_BYTES,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            output, _ = await process.communicate(json.dumps(order).encode() + b"\n")
        answer = json.loads(output)
        return answer if isinstance(answer, dict) else {}
    except TimeoutError:
        return {"state": "unreachable"}
    except ValueError:
        log.error("camera_picture_failed", status=process.returncode)
        return {"state": "fault"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
