# SPDX-License-Identifier: Apache-2.0
"""Calls on a media node: placed by load, talked and recorded there, drained, and lost with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select

from storage.cli.verify import Expected
from storage.cli.verify import run as verify
from storage.database.models import MediaNode, RoomPlacement
from tests.mediaserver.recorder.media import Stream
from tests.web.conftest import make_ui_folder
from tests.web.front import Browser
from tests.web.media.node import HOST, Node
from tests.web.sessions.house import FrontPage, House, until
from tests.web.sessions.test_playback import plays, talk
from web.api.core import DATABASE
from web.casework.placement import LEASE_MS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
EAST = "east/0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def county(node: Node, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The pages with one media process here, which has no recorder, and the node."""
    more = {"nodes": node.main.nodes, "s3_secure": False, **node.store}
    made = House(node.main.data_dir, make_ui_folder(tmp_path_factory.mktemp("county")), **more)
    await made.start_mediaserver()
    await made.start_web()
    await until(lambda: made.running.media.all_up, 30)
    yield made
    await made.close()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def browsers(county: House) -> AsyncIterator[None]:
    """Endpoints ask now and then whether the way is open, as browsers do; who does not for 10 s has left."""

    async def check() -> None:
        while True:
            for wire in [wire for page in county.pages for wire in page.wires.values()]:
                if wire.socket.fileno() >= 0:
                    wire.check()
            await asyncio.sleep(1)

    checking = asyncio.create_task(check())
    yield
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)


async def placed(house: House, session_id: str) -> str:
    async with house.front.app[DATABASE].read() as db:
        found = await db.scalar(select(RoomPlacement.node_id).where(RoomPlacement.room == session_id))
    return found or ""


async def a_call(house: House) -> tuple[Browser, str, FrontPage]:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    return officer, session_id, page


async def calls_here_and_there(house: House) -> dict[str, tuple[Browser, str, FrontPage]]:
    """One call on each, by the place that it got."""
    found = {}
    for _ in range(2):
        call = await a_call(house)
        found[await placed(house, call[1])] = call
    assert set(found) == {"worker-0", EAST}, "the fewest people over all places"
    return found


async def end(house: House, *calls: tuple[Browser, str, FrontPage]) -> None:
    for officer, session_id, page in calls:
        await officer.post(f"/api/sessions/{session_id}/end")
        await page.close()


async def back(house: House, node: Node) -> None:
    """The node is started again."""
    await asyncio.to_thread(node.start)
    await until(lambda: house.running.media.links[EAST].up and not house.running.media.registry.nodes[EAST].draining)


async def test_two_endpoints_talk_on_the_node_and_are_recorded_to_the_shared_store(county: House, node: Node) -> None:
    streams = [Stream("audio", ssrc=3333)]
    calls = await calls_here_and_there(county)
    officer, session_id, page = calls[EAST]
    expert = await county.front.signed_in("hq_officer", name="李专家")
    await county.consented(expert, session_id, "李专家")
    listener = await county.enter(expert, session_id)
    for one in (page, listener):
        for candidate in one.joined["recv_transport"]["iceCandidates"]:
            assert (candidate["ip"], candidate["port"]) == (HOST, node.media_port), "straight to the node"
    reply = await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    await talk(page, 1.5, streams)
    await until(lambda: len(listener.wires["recv"].media) > 20)
    await end(county, calls[EAST], calls["worker-0"])
    await listener.close()
    await county.wait(officer, session_id, lambda d: d["recording"]["state"] == "sealed", 40)
    assert verify(county.settings, session_id, Expected()) == 0, "with this installation's own key"
    clerk = await county.front.signed_in("clerk")
    described = await clerk.get(f"/api/sessions/{session_id}/playback")
    assert described.status == 200, described.body
    (sound,) = [track for track in described.body["tracks"] if track["kind"] == "audio"]
    await plays(clerk, sound["epochs"][0]["segments"])
    assert not any(county.settings.data_dir.glob("spool/*/sessions/*")), "nothing of it was here"
    assert await placed(county, session_id) == "", "sealed: its place is free"


async def test_sigterm_gives_the_nodes_rooms_away_and_ends_it(county: House, node: Node) -> None:
    calls = await calls_here_and_there(county)
    officer, session_id, page = calls[EAST]
    node.ask_to_stop()
    assert await page.closed_with() == 1012, "come back"
    await page.close()
    again = await county.enter(officer, session_id)
    assert await placed(county, session_id) == "worker-0"
    assert again.joined["peer_id"] == page.joined["peer_id"]
    assert await asyncio.to_thread(node.ended) == 0
    assert node.output.endswith("Stopping ...\nThe media node has stopped; nothing is left running.\n")
    new = await a_call(county)
    assert await placed(county, new[1]) == "worker-0"
    await end(county, calls["worker-0"], (officer, session_id, again), new)
    await back(county, node)


async def test_rooms_of_a_dead_node_are_placed_elsewhere_when_its_lease_is_over(county: House, node: Node) -> None:
    calls = await calls_here_and_there(county)
    officer, session_id, page = calls[EAST]
    await asyncio.to_thread(node.die)
    assert await page.closed_with() == 1012, "come back"
    await page.close()
    await until(lambda: not county.running.media.links[EAST].up)
    early = county.page(officer, session_id)
    await early.open()
    assert await early.closed_with() == 1012, "its lease runs: it may be back in a moment"
    status = await (await county.front.signed_in("administrator")).get("/api/status")
    (item,) = [item for item in status.body["items"] if item["name"] == "mediaserver"]
    assert (item["state"], item["code"], item["params"]) == ("fail", "node_away", {"nodes": EAST})
    assert status.body["counters"]["media_rooms"] == 1, "what answers is counted"
    county.clock.forward(LEASE_MS)
    await county.running.media.look_at_leases(county.running.keeper)
    assert await placed(county, session_id) == "worker-0", "moved before anybody asks"
    again = await county.enter(officer, session_id)
    assert again.joined["peer_id"] == page.joined["peer_id"]
    async with county.front.app[DATABASE].read() as db:
        row = await db.get(MediaNode, EAST)
    assert row is not None and row.lease_until_utc_ms <= county.clock()
    detail = await county.detail(officer, session_id)
    assert detail["state"] == "live" and "peer_left" not in [event["type"] for event in detail["events"]]
    # When it is back it has nothing of the room, and takes new ones.
    await back(county, node)
    assert await placed(county, session_id) == "worker-0"
    await end(county, calls["worker-0"], (officer, session_id, again))


async def test_ctrl_c_of_a_node_does_not_wait_for_calls(county: House, node: Node) -> None:
    calls = await calls_here_and_there(county)
    reply = await calls[EAST][0].post(f"/api/sessions/{calls[EAST][1]}/recording", {"step": "start"})
    assert reply.status == 200, reply.body  # it stays where its recorder is, so a drain would wait for its end
    node.ask_to_stop(signal.SIGINT)
    assert await calls[EAST][2].closed_with() == 1012
    assert await asyncio.to_thread(node.ended, 15) == 0
    assert await placed(county, calls[EAST][1]) == EAST
    await end(county, *calls.values())
