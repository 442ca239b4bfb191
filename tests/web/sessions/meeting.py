# SPDX-License-Identifier: Apache-2.0
"""Three people in a real room, two of whom may go into a private talk."""

from __future__ import annotations

import asyncio
from typing import Any

from mediaserver.rtp import packet as rtp
from tests.sim.call import audio_parameters
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House


class Meeting:
    """A host, a guest who is asked into talks, and one who waits, all in the room; `mics` are on."""

    host: Browser
    guest: Browser
    other: Browser
    session_id: str
    pages: dict[str, FrontPage]

    def __init__(self, house: House) -> None:
        self.house = house

    async def open(self) -> Meeting:
        self.host = await self.house.front.signed_in("station_officer")
        self.guest, self.other = [await self.house.front.signed_in("hq_officer") for _ in range(2)]
        self.session_id = await self.house.session(self.host)
        for name, browser in self.people.items():
            await self.house.consented(browser, self.session_id, name)
        self.pages = {name: await self.house.enter(browser, self.session_id) for name, browser in self.people.items()}
        await self.wait(lambda d: sum(p["present"] for p in d["participants"]) == 3)
        for page in self.pages.values():
            await publish(page)
        return self

    @property
    def people(self) -> dict[str, Browser]:
        return {"host": self.host, "guest": self.guest, "other": self.other}

    async def wait(self, check: Any) -> dict[str, Any]:
        return await self.house.wait(self.host, self.session_id, check)

    async def start(self, browser: Browser | None = None, *names: str) -> Any:
        ids = [self.pages[name].joined["peer_id"] for name in names or ("guest",)]
        return await (browser or self.host).post(f"/api/sessions/{self.session_id}/caucus", {"peer_ids": ids})

    async def begun(self) -> str:
        """A talk of host and guest; its session's id."""
        reply = await self.start()
        assert reply.status == 200, reply.body
        return str(reply.body["session_id"])

    def heard(self, name: str) -> int:
        return len(self.pages[name].wires["recv"].media)


async def publish(page: FrontPage) -> None:
    """Switch the microphone on."""
    wire = page.wires["send"].described["id"]
    sound = {"source": "mic", "kind": "audio", "rtp_parameters": audio_parameters()}
    await page.good("produce", {"transport_id": wire, **sound})


def say(page: FrontPage, first: int, count: int = 10) -> None:
    """Packets of it with these numbers."""
    for number in range(first, first + count):
        sound = rtp.build(payload_type=111, sequence_number=number, timestamp=number * 960, ssrc=3333, payload=b"xx")
        page.wires["send"].send_rtp(bytes(sound))


async def settled(*pages: FrontPage) -> None:
    """Whatever was sent before has been forwarded by then, where it is."""
    for page in pages:
        await page.good("ping", {})
    await asyncio.sleep(0.2)
