# SPDX-License-Identifier: Apache-2.0
"""Recorder and mediaserver as they really run side by side: a peer's DTLS packets end up sealed in the store."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mediaserver.rtp import rtcp
from mediaserver.rtp.clock import ntp_from_utc
from storage.access import RoomOrder, RoomToken, mint_order, mint_room_token
from storage.cli.verify import run as verify_recording
from storage.ids import new_id
from storage.manifest import from_bytes
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import Studio, decoded, joined
from tests.mediaserver.shell.endpoint import Page, unix_session, until
from tests.ports import free_port
from tests.sim.call import audio_parameters, video_parameters

pytestmark = pytest.mark.timeout(300)


class Room:
    """The real mediaserver with one room and one peer in it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.secrets = data_dir, data_dir / "secrets"
        self.room = new_id()
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None
        self.page: Page | None = None
        self.http = unix_session(data_dir / "run" / "media.sock")
        self.streams = [Stream("audio", ssrc=3333), Stream("video", ssrc=1111)]
        self.sent_ms = 0

    async def start(self) -> None:
        """Start the mediaserver."""
        environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(self.data_dir),
            "VIDEOHOME_MEDIA_PORT": str(self.port),
            "VIDEOHOME_BIND": "127.0.0.1",
        }
        with (self.data_dir / "mediaserver.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mediaserver", env=environment, stdout=log, stderr=log
            )
        await until(lambda: self._listening(), 20)

    def _listening(self) -> bool:
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            return probe.connect_ex(str(self.data_dir / "run" / "media.sock")) == 0

    async def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def order(self, recording: str, version: int) -> None:
        """As web would."""
        order = RoomOrder("default", self.room, self.room, recording, version, "")  # type: ignore[arg-type]
        body = {"order": mint_order(self.secrets, order)}
        async with self.http.put(f"http://media/rooms/{self.room}", json=body) as answer:
            assert answer.status == 200

    async def join(self) -> None:
        """A page that publishes microphone and camera."""
        self.page = Page(self.http, self.room)
        token = RoomToken("default", self.room, self.room, "p1", "永安派出所", "调解室")
        await self.page.join(mint_room_token(self.secrets, token))
        transport = self.page.wires["send"].described["id"]
        for source, kind, parameters in (
            ("mic", "audio", audio_parameters()),
            ("cam", "video", video_parameters()),
        ):
            facts = {"transport_id": transport, "source": source, "kind": kind, "rtp_parameters": parameters}
            await self.page.good("produce", facts)
        for stream in self.streams:
            stream.seek(self.sent_ms)

    async def play(self, seconds: float) -> None:
        """Send in real time."""
        assert self.page is not None
        wire, started, from_ms = self.page.wires["send"], time.monotonic(), self.sent_ms
        while (at := time.monotonic() - started) < seconds:
            self.sent_ms = from_ms + round(at * 1000)
            for stream in self.streams:
                while stream.at_ms <= self.sent_ms:
                    if stream.at_ms % 1000 == 0:
                        wire.check()  # a peer without STUN for ten seconds has left
                        wire.send_rtcp(self._report(stream))
                    for packet in stream.next():
                        wire.send_rtp(packet)
            await asyncio.sleep(0.01)

    @staticmethod
    def _report(stream: Stream) -> bytes:
        stamp = stream.timestamp(stream.at_ms)
        return rtcp.build_sender_report(rtcp.SenderReport(stream.ssrc, ntp_from_utc(time.time()), stamp, 0, 0))

    async def close(self) -> None:
        """End everything."""
        if self.page is not None:
            await self.page.close()
        await self.http.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def test_each_is_killed_once_in_the_middle(tmp_path: Path, shared_store: Path) -> None:
    """The recorder's death costs nothing; the mediaserver's costs at most a part, and its absence is a listed gap."""
    (tmp_path / "store").symlink_to(shared_store)
    studio, room = Studio(tmp_path), Room(tmp_path)
    try:
        await asyncio.gather(studio.start_recorder(), room.start())
        await room.order("on", 1)
        await room.join()
        await room.play(4.5)
        await studio.kill_recorder()
        await room.play(1.5)
        await studio.start_recorder()
        await room.play(6.0)
        assert room.page is not None
        killed_ms = room.sent_ms
        await room.kill()
        await room.page.close()
        await asyncio.sleep(2.0)
        await room.start()
        await room.order("on", 1)
        room.sent_ms += 2_500
        await room.join()
        await room.play(3.0)
        await room.order("stopped", 2)
        report = await studio.wait_status(
            lambda report: bool(report["sessions"]) and report["sessions"][0]["state"] == "sealed"
        )
        made = from_bytes(studio.read(report["sessions"][0]["manifest_key"]))
        assert verify_recording(studio.settings, made.session_id) == 0
        assert len(made.server_boots) == 2 and not made.complete
        dead = [gap for gap in made.gaps if gap.track_id is None]
        assert [gap.cause for gap in dead] == ["mediaserver_down"] and dead[0].to_ms - dead[0].from_ms >= 2_000
        assert {gap.cause for gap in made.gaps} == {"mediaserver_down"}
        for track in made.tracks:
            first, second = track.epochs
            assert first.clock.sender_reports >= 10
            # What had arrived is there but for the part that was open.
            recorded_ms = first.end_ms - first.start_ms
            assert killed_ms - 1_500 <= recorded_ms <= killed_ms + 100
            times, length = decoded(joined(studio, first))
            assert (length or times[-1] - times[0] + 40) == pytest.approx(recorded_ms, abs=200)
            assert second.end_ms - second.start_ms == pytest.approx(3_000, abs=200)
    finally:
        await room.close()
        await studio.close()
