# SPDX-License-Identifier: Apache-2.0
"""A scripted person in a call: publishes numbered media over the real port, and comes back as the page does."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import Any

import aiohttp

from mediaserver.rtp import rtcp
from mediaserver.rtp.clock import ntp_from_utc
from tests.faults.numbered import NumberedTrack
from tests.mediaserver.shell.endpoint import Wire
from tests.sim.call import audio_parameters, video_parameters
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House

AGAIN_S = 0.15
"""Pause before a page tries to come back once more."""
ANSWER_WITHIN_S = 5.0
KEYS_APART_S = 0.3
"""A browser answers a request for a key frame no sooner after the last one."""


class Refused(Exception):
    """The server did not let the page in now. The text is its answer."""


class PatientPage(FrontPage):
    """A page that does not wait for an answer from a socket that has ended."""

    async def ask(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        assert self._reader is not None
        asked = asyncio.ensure_future(super().ask(kind, data))
        try:
            await asyncio.wait({asked, self._reader}, return_when=asyncio.FIRST_COMPLETED, timeout=ANSWER_WITHIN_S)
            if not asked.done():
                raise Refused(f"no answer to {kind}")
            return asked.result()
        finally:
            if not asked.done():
                asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def good(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask(kind, data)
        if not answer["ok"]:
            raise Refused(str(answer))
        found: dict[str, Any] = answer["data"]
        return found

    async def lost(self) -> None:
        """Returns once the socket has ended."""
        assert self._reader is not None
        await asyncio.wait({self._reader})


class Speaker:
    """Sends until `leave`. What it sent stands in `tracks`, whether or not anybody was there to take it."""

    def __init__(self, house: House, browser: Browser, session_id: str, chance: random.Random) -> None:
        self.house, self.browser, self.session_id = house, browser, session_id
        self.tracks = {"mic": NumberedTrack("audio", chance), "cam": NumberedTrack("video", chance)}
        self.peer_id = ""
        self.joins: list[float] = []
        """UTC (ms) of the first packet of each stream, by its run from 1 on."""
        self.resumes = 0
        self.page: PatientPage | None = None
        self._wire: Wire | None = None
        self._began = time.monotonic()
        self._key_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def enter(self) -> None:
        """Come in; returns when media flow."""
        self._tasks = [asyncio.create_task(self._stay()), asyncio.create_task(self._send())]
        async with asyncio.timeout(30):
            while not self.joins:
                await asyncio.sleep(0.02)

    async def leave(self) -> None:
        """The person goes."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        if self.page is not None:
            await _closed(self.page)

    async def _stay(self) -> None:
        """Whenever the socket ends: resume, else join anew; until cancelled."""
        while True:
            with contextlib.suppress(Refused, aiohttp.ClientError, OSError, TimeoutError):
                if not await self._resumed():
                    await self._join()
                assert self.page is not None
                await self.page.lost()
            await asyncio.sleep(AGAIN_S)

    async def _resumed(self) -> bool:
        if self.page is None:
            return False
        await self.page.open()
        token = self.page.joined["resume_token"]
        answer = await self.page.ask("resume", {"version": 1, "resume_token": token})
        self.resumes += bool(answer["ok"])
        if not answer["ok"]:
            await self.page.drop()
        return bool(answer["ok"])

    async def _join(self) -> None:
        reply = await self.browser.post(f"/api/sessions/{self.session_id}/join")
        if reply.status != 200:
            raise Refused(str(reply.body))
        page = PatientPage(self.browser, self.session_id)
        try:
            await page.join(reply.body["token"])
            for track in self.tracks.values():
                track.begin(self._at_ms())
            transport = page.wires["send"].described["id"]
            video = self.tracks["cam"].ssrc
            for source, kind, parameters in (
                ("mic", "audio", audio_parameters(ssrc=self.tracks["mic"].ssrc)),
                ("cam", "video", video_parameters(ssrc=video, rtx={"ssrc": video + 1})),
            ):
                facts = {"transport_id": transport, "source": source, "kind": kind, "rtp_parameters": parameters}
                await page.good("produce", facts)
        except BaseException:
            await _closed(page)
            raise
        if self.page is not None:
            await _closed(self.page)
        self.page, self._wire, self.peer_id = page, page.wires["send"], page.joined["peer_id"]
        self.joins.append(time.time() * 1000)

    def _at_ms(self) -> float:
        return (time.monotonic() - self._began) * 1000

    async def _send(self) -> None:
        """Send what is due, in real time."""
        report_s = 0.0
        while True:
            await asyncio.sleep(0.01)
            if self._wire is None:
                continue
            with contextlib.suppress(OSError):  # nobody is there; the packets count as sent all the same
                if time.monotonic() - report_s >= 1:
                    report_s = time.monotonic()
                    self._keep_alive(self._wire)
                self._hear(self._wire)
                self._send_due(self._wire)

    def _send_due(self, wire: Wire) -> None:
        now_ms = self._at_ms()
        for track in self.tracks.values():
            while track.at_ms <= now_ms:
                for packet in track.next(time.time() * 1000):
                    wire.send_rtp(packet)

    def _keep_alive(self, wire: Wire) -> None:
        """Consent (RFC 7675) and Sender Reports, once a second."""
        assert self.page is not None
        for one in self.page.wires.values():
            one.media.clear()
            one.check()
        now_ms, ntp = self._at_ms(), ntp_from_utc(time.time())
        for track in self.tracks.values():
            report = rtcp.SenderReport(track.ssrc, ntp, track.timestamp(now_ms), 0, 0)
            wire.send_rtcp(rtcp.build_sender_report(report))

    def _hear(self, wire: Wire) -> None:
        """A key frame where one is asked for."""
        heard, wire.rtcp[:] = list(wire.rtcp), []
        for packet in heard:
            asked = any(isinstance(report, rtcp.KeyframeRequest) for report in rtcp.parse(packet)[0])
            if asked and time.monotonic() - self._key_s >= KEYS_APART_S:
                self._key_s, self.tracks["cam"].key_wanted = time.monotonic(), True


async def _closed(page: PatientPage) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        await page.close()
