# SPDX-License-Identifier: Apache-2.0
"""SIGTERM, a second SIGTERM and SIGINT on the real process, and what its figures say."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from storage.access import CloseOrder, mint_order
from tests.mediaserver.shell.endpoint import Page, unix_session, until
from tests.mediaserver.shell.test_mediaserver import Server
from tests.ports import free_port
from tests.sim.call import audio_parameters


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Server]:
    """A mediaserver as worker 1, stopped hard at the end."""
    port = free_port()
    environment = {
        **os.environ,
        "VIDEOHOME_DATA_DIR": str(folder),
        "VIDEOHOME_MEDIA_PORT": str(port - 1),
        "VIDEOHOME_WORKER": "1",
        "VIDEOHOME_BIND": "127.0.0.1",
        "VIDEOHOME_CONFIG": str(folder / "none.toml"),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mediaserver", env=environment)
    path = folder / "run" / "worker-1" / "media.sock"
    try:
        await until(path.exists, 20)
        await asyncio.sleep(0.1)
        async with unix_session(path) as http:
            yield Server(http, folder / "secrets", port, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def status_of_new_room(server: Server) -> int:
    return (await server.room("another")).status


async def test_an_empty_server_ends_at_once_and_a_busy_one_when_its_last_page_is_gone(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await server.room()
        page = await server.page("a")
        assert page.joined["send_transport"]["iceCandidates"][0]["port"] == server.port, "media_port + 1"
        server.process.send_signal(signal.SIGTERM)
        async with server.http.ws_connect("http://media/events") as events:
            told = await events.receive_json(timeout=5)
            if not told["draining"]:
                told = await events.receive_json(timeout=5)
        assert told.get("draining") or told["type"] == "draining"
        assert await status_of_new_room(server) == 503
        assert (await server.room("r1", version=2)).status == 200, "what is there goes on"
        assert (await page.ask("ping", {}))["ok"]
        again = await server.page("b")  # into a call that goes on
        assert server.process.returncode is None
        await again.close()
        await page.close()
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


async def test_calls_may_go_on_for_so_long_and_no_longer(tmp_path: Path) -> None:
    async with running(tmp_path, VIDEOHOME_DRAIN_SECONDS="1") as server:
        await server.room()
        page = await server.page("a")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert await page.closed_with() == 1012, "come back"
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        assert time.monotonic() - started >= 1.0
        await page.close()


async def test_an_interrupt_does_not_wait(tmp_path: Path) -> None:
    async with running(tmp_path, VIDEOHOME_DRAIN_SECONDS="3600") as server:
        await server.room()
        page = await server.page("a")
        server.process.send_signal(signal.SIGINT)
        assert await page.closed_with() == 1012
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        await page.close()


async def test_a_room_that_moves_away_sends_its_pages_back_without_a_farewell(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await server.room()
        a, b = await server.page("a"), await server.page("b")
        order = mint_order(server.secrets, CloseOrder("r1", "moved", moved=True))
        async with server.http.post("http://media/rooms/r1/close", json={"order": order}) as answer:
            assert answer.status == 200
        for page in (a, b):
            assert await page.closed_with() == 1012
            assert not {"peer_left", "room_closed"} & {note["type"] for note in page.notes}
            await page.close()
        async with server.http.get("http://media/rooms") as answer:
            assert (await answer.json())["rooms"] == []


async def test_every_room_peer_and_stream_has_figures_and_no_name_of_a_person(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await server.room()
        a, b = await server.page("a"), await server.page("b")
        produced = await publish(a)
        await until(lambda: any(note["type"] == "new_consumers" for note in b.notes))
        text = await server.figures()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        for name in ("uplink_packets", "uplink_lost", "downlink_packets", "downlink_nacked", "process_cpu_seconds"):
            assert f"videohome_media_{name}" in families, name
        uplink = families["videohome_media_uplink_packets"].samples[0]
        assert uplink.labels == {"worker": "1", "room": "r1", "producer": produced}
        downlink = families["videohome_media_downlink_packets"].samples[0]
        assert downlink.labels == {"worker": "1", "room": "r1", "producer": produced, "peer": "b"}
        assert {s.labels["peer"] for s in families["videohome_media_peer_connected"].samples} == {"a", "b"}
        assert "name a" not in text
        await a.close()
        await b.close()


async def publish(page: Page) -> str:
    answer = await page.good(
        "produce",
        {
            "transport_id": page.wires["send"].described["id"],
            "source": "mic",
            "kind": "audio",
            "rtp_parameters": audio_parameters(),
        },
    )
    return str(answer["producer_id"])
