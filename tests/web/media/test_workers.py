# SPDX-License-Identifier: Apache-2.0
"""Two real media processes: rooms placed by load, one drained, one killed, and their figures."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from storage.database.models import MediaNode, RoomPlacement
from tests.web.conftest import make_ui_folder
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House, eventually, until
from web.api.core import DATABASE
from web.sessions.keeper import MOVED_GRACE_MS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def two_free_ports() -> int:
    """The first of two neighbours that are free."""
    for first in range(21_000, 21_400, 2):
        with closing(socket.socket(type=socket.SOCK_DGRAM)) as a, closing(socket.socket(type=socket.SOCK_DGRAM)) as b:
            try:
                a.bind(("127.0.0.1", first))
                b.bind(("127.0.0.1", first + 1))
            except OSError:
                continue
            return first
    raise AssertionError("no two free ports")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Web over two media processes, each with its recorder."""
    folder = tmp_path_factory.mktemp("workers")
    settings = {"workers": 2, "media_port": two_free_ports(), "drain_seconds": 20}
    made = House(folder / "data", make_ui_folder(folder), **settings)
    for worker in (0, 1):
        await made.start_mediaserver(worker)
        await made.start_recorder(worker)
    await made.start_web()
    await until(lambda: made.running.media.all_up)
    yield made
    await made.close()


async def a_call(house: House) -> tuple[Browser, str, FrontPage]:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    return officer, session_id, page


async def placed(house: House, session_id: str) -> str:
    async with house.front.app[DATABASE].read() as db:
        found = await db.scalar(select(RoomPlacement.node_id).where(RoomPlacement.room == session_id))
    return found or ""


async def came_back(house: House, officer: Browser, page: FrontPage, session_id: str) -> FrontPage:
    """What the page does by itself after close code 1012."""
    assert await page.closed_with() == 1012
    await page.close()
    return await house.enter(officer, session_id)


async def test_rooms_go_where_the_fewest_people_are(house: House) -> None:
    calls = [await a_call(house) for _ in range(4)]
    where = [await placed(house, session_id) for _, session_id, _ in calls]
    assert sorted(where) == ["worker-0", "worker-0", "worker-1", "worker-1"]
    assert where[0] != where[1] and where[2] != where[3]
    for (_, session_id, page), node in zip(calls, where, strict=True):
        number = int(node[-1])
        assert session_id in await house.rooms(number) and session_id not in await house.rooms(1 - number)
        port = page.joined["recv_transport"]["iceCandidates"][0]["port"]
        assert port == house.settings.media_port + number, "worker n is on media_port + n"
    for officer, session_id, page in calls:
        await officer.post(f"/api/sessions/{session_id}/end")
        assert await page.closed_with() == 1000
        assert await placed(house, session_id) == "", "the place is free again"


async def test_the_figures_of_both_are_on_one_page(house: House) -> None:
    calls = [await a_call(house) for _ in range(2)]
    reply = await house.front.browser().get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(reply.body)}
    processes = families["videohome_media_process_resident_bytes"].samples
    assert {sample.labels["worker"] for sample in processes} == {"0", "1"}
    assert all(sample.value > 1e6 for sample in processes)
    rooms = {s.labels["room"]: s.labels["worker"] for s in families["videohome_media_room_peers"].samples}
    for _, session_id, _ in calls:
        assert rooms[session_id] == (await placed(house, session_id))[-1]
    peers = {s.labels["peer"] for s in families["videohome_media_peer_connected"].samples if s.value == 1}
    assert {page.joined["peer_id"] for _, _, page in calls} <= peers
    names = [line.split()[2] for line in reply.body.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "every family stands once"
    for officer, session_id, _ in calls:
        await officer.post(f"/api/sessions/{session_id}/end")


async def start_again(house: House, worker: int) -> None:
    """What the supervisor does."""
    await house.start_mediaserver(worker)
    await until(lambda: house.running.media.links[f"worker-{worker}"].up)


async def test_a_drained_process_gives_its_rooms_away_keeps_a_recording_and_ends(house: House) -> None:
    calls = {}
    for _ in range(4):
        call = await a_call(house)
        calls.setdefault(await placed(house, call[1]), []).append(call)
    (free, recorded), others = calls["worker-0"], calls["worker-1"]
    reply = await recorded[0].post(f"/api/sessions/{recorded[1]}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    process = house.processes["mediaserver"]
    process.terminate()
    moved = await came_back(house, free[0], free[2], free[1])
    assert await placed(house, free[1]) == "worker-1"
    assert moved.joined["peer_id"] == free[2].joined["peer_id"]
    assert free[1] in await house.rooms(1)
    detail = await house.detail(free[0], free[1])
    assert "peer_left" not in [event["type"] for event in detail["events"]], "nobody has left"
    # The recorded one goes on where its recorder is; what is new goes elsewhere.
    assert (await recorded[2].ask("ping", {}))["ok"]
    new = await a_call(house)
    assert await placed(house, new[1]) == "worker-1"
    assert (await node(house, "worker-0")).state == "draining"
    assert process.returncode is None
    await recorded[0].post(f"/api/sessions/{recorded[1]}/end")
    assert await asyncio.wait_for(process.wait(), 10) == 0, "its last call is over"
    await start_again(house, 0)
    await eventually(lambda: is_up(house, "worker-0"))
    after = await a_call(house)
    assert await placed(house, after[1]) == "worker-0", "it takes rooms again"
    for officer, session_id, _ in (free, new, after, *others):
        await officer.post(f"/api/sessions/{session_id}/end")


async def node(house: House, node_id: str) -> MediaNode:
    async with house.front.app[DATABASE].read() as db:
        found = await db.get(MediaNode, node_id)
    assert found is not None
    return found


async def is_up(house: House, node_id: str) -> bool:
    return (await node(house, node_id)).state == "up"


async def test_a_second_signal_forces(house: House) -> None:
    call = await a_call(house)
    number = int((await placed(house, call[1]))[-1])
    reply = await call[0].post(f"/api/sessions/{call[1]}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    process = house.processes["mediaserver" if number == 0 else "mediaserver-1"]
    process.terminate()
    await until(lambda: house.running.media.registry.nodes[f"worker-{number}"].draining)
    assert process.returncode is None, "a call goes on there"
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert await call[2].closed_with() == 1012, "come back"
    await start_again(house, number)
    again = await house.enter(call[0], call[1])
    assert await placed(house, call[1]) == f"worker-{number}", "where its recording is"
    assert again.joined["room"]["recording"]["state"] == "on"
    await call[0].post(f"/api/sessions/{call[1]}/end")


async def test_a_killed_process_gets_its_own_rooms_back_and_no_others(house: House) -> None:
    calls: dict[str, Any] = {}
    for _ in range(2):
        call = await a_call(house)
        calls[await placed(house, call[1])] = call
    await house.kill("mediaserver-1")
    assert await calls["worker-1"][2].closed_with() == 1012
    assert (await calls["worker-0"][2].ask("ping", {}))["ok"], "the other process has not noticed"
    await start_again(house, 1)
    assert set(await house.rooms(1)) == {calls["worker-1"][1]}
    assert set(await house.rooms(0)) == {calls["worker-0"][1]}
    await house.enter(calls["worker-1"][0], calls["worker-1"][1])
    for officer, session_id, _ in calls.values():
        await officer.post(f"/api/sessions/{session_id}/end")


async def test_who_does_not_come_along_when_a_room_moves_is_missed_in_time(house: House) -> None:
    officer, session_id, page = await a_call(house)
    other = await house.front.signed_in("hq_officer")
    await house.consented(other, session_id, "周敏")
    lost = await house.enter(other, session_id)
    await house.wait(officer, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    number = int((await placed(house, session_id))[-1])
    process = house.processes["mediaserver" if number == 0 else "mediaserver-1"]
    process.terminate()
    await came_back(house, officer, page, session_id)
    await lost.closed_with()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    await start_again(house, number)
    house.clock.forward(MOVED_GRACE_MS)
    one_left = lambda d: sum(p["present"] for p in d["participants"]) == 1  # noqa: E731
    detail = await house.wait(officer, session_id, one_left, 30)
    assert next(p for p in detail["participants"] if p["me"])["present"]
    await officer.post(f"/api/sessions/{session_id}/end")
