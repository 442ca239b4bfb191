# SPDX-License-Identifier: Apache-2.0
"""What has no page is looked into by a real process of low priority; what has one is not."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import pytest

from mediaserver.sfu.events import SourceFlow
from mediaserver.sfu.troubles import Troubles
from mediaserver.shell import sampler
from tests.mediaserver.cameras.test_samples import picture
from tests.mediaserver.shell.endpoint import until


class Room:
    """A room with two cameras, one of them black, and a page; as the sampler sees it."""

    room_id = "r"

    def __init__(self) -> None:
        self.watch = SimpleNamespace(state=Troubles(), sampled=self._sampled)
        self.asked: list[tuple[str, int]] = []
        self.grey = {"dark": 0, "bright": 200, "page": 0}
        self.present = ["dark", "bright", "page"]
        self.flows(0.0)

    def flows(self, now: float) -> list[SourceFlow]:
        found = [SourceFlow(peer, "cam", True, 0.0, 9.0) for peer in self.present]
        self.watch.state.look(found, now, 0)
        return found

    def sample(self, peer_id: str, source: str, after: int) -> tuple[str, int, list[bytes]]:
        self.asked.append((peer_id, after))
        return "vp8", after + 7, picture("vp8", self.grey[peer_id])

    def _sampled(self, peer_id: str, source: str, trouble: str | None) -> None:
        self.watch.state.sample(peer_id, source, trouble)

    def troubles(self) -> list[tuple[str, str]]:
        return [(one["peer_id"], one["trouble"]) for one in self.watch.state.current()]


async def test_a_black_camera_is_found_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY_S", "AGAIN_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(sampler, name, 0.02)
    room: Any = Room()
    made = sampler.Sampler({"r": room}, lambda _, peer: peer == "page")
    made.start()
    try:
        await until(lambda: room.troubles() == [("dark", "black")], 30)
        process = made._process
        assert process is not None
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        assert ("page", 0) not in room.asked
        assert [after for peer, after in room.asked if peer == "dark"][:2] == [0, 7], "never the same packets twice"
        room.grey["dark"] = 100
        await until(lambda: room.troubles() == [], 30)
        process.kill()  # another one takes its place
        monkeypatch.setattr(sampler, "REST_S", 0.02)
        room.grey["dark"] = 0
        await until(lambda: room.troubles() == [("dark", "black")], 30)
        room.present = ["page"]
        await until(lambda: made._process is None)
    finally:
        await made.close()


def test_an_alarm_comes_within_fifteen_seconds() -> None:
    key_frames_s = 1.0
    assert sampler.EVERY_S + sampler.AGAIN_S + 2 * (key_frames_s + sampler.LOOK_EVERY_S) < 15


async def test_nobody_without_a_page_costs_nothing() -> None:
    room: Any = Room()
    made = sampler.Sampler({"r": room}, lambda *_: True)
    await made._look()
    await asyncio.sleep(0)
    assert (made._process, room.asked) == (None, [])
    await made.close()
