# SPDX-License-Identifier: Apache-2.0
"""One contract for both lines to mediaserver and recorder, by Unix socket and by TLS; and who gets in by TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from storage.access import CloseOrder, EventOrder, RemoveOrder, RoomOrder, RoomToken, mint_room_token
from storage.cli import doctor, doctor_nodes
from storage.ids import new_id
from storage.nodes import CLIENT_FILES, NODE_FILES, WEB_TLS_NAME, NotJoined, listening_context, tls_name
from storage.settings import Settings
from tests.web.media.node import HOST, Node
from tests.web.sessions.house import until
from web.media.line import Line, tls_line
from web.media.mediaserver_link import MediaAway, MediaLink, MediaRefused
from web.media.recorder_link import RecorderAway, RecorderLink
from web.tls.authority import ensure_authority, issue, issue_node
from web.tls.node_identity import ensure_calling

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=3000)


class Heard:
    """What a link told."""

    def __init__(self) -> None:
        self.snapshots: list[list[dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []

    async def on_snapshot(self, boot_id: str, rooms: list[dict[str, Any]], draining: bool) -> None:
        self.snapshots.append(rooms)

    async def on_event(self, event: dict[str, Any]) -> None:
        self.events.append(event)


@pytest.fixture(params=["unix", "tls"])
def lines(request: pytest.FixtureRequest, node: Node) -> tuple[Line, Line]:
    """To the same mediaserver and the same recorder, either way."""
    return node.lines(request.param)


@pytest.fixture
async def link(lines: tuple[Line, Line], node: Node) -> AsyncIterator[MediaLink]:
    """Open, with the keys of the installation."""
    made = MediaLink(lines[0], node.main.secrets_dir, lambda event: None)
    await made.open()
    yield made
    await made.close()


def order(room: str) -> RoomOrder:
    return RoomOrder("default", room, room, "off", 1)


# ---- the contract ----


async def test_orders_are_obeyed_and_the_room_is_described(link: MediaLink) -> None:
    room = new_id()
    with pytest.raises(MediaRefused, match="unknown_room"):
        await link.room(room)
    assert (await link.put_room(order(room)))["room"] == room
    await link.event(EventOrder(room, "marker", {"text": "一"}, 1))
    assert (await link.room(room))["recording"]["state"] == "off"
    with pytest.raises(MediaRefused, match="unknown_peer"):
        await link.remove(RemoveOrder(room, "nobody"))
    await link.close_room(CloseOrder(room))
    with pytest.raises(MediaRefused, match="unknown_room"):
        await link.event(EventOrder(room, "marker", {}, 1))


async def test_orders_of_another_installation_are_refused(lines: tuple[Line, Line], tmp_path: Path) -> None:
    stranger = MediaLink(lines[0], tmp_path / "secrets", lambda event: None)
    await stranger.open()
    with pytest.raises(MediaRefused, match="token_invalid"):
        await stranger.put_room(order(new_id()))
    await stranger.close()


async def test_pages_speak_into_the_room_and_what_happens_there_is_heard(link: MediaLink, node: Node) -> None:
    room, heard = new_id(), Heard()
    await link.put_room(order(room))
    following = asyncio.create_task(link.follow(heard))
    await until(lambda: link.up)
    assert room in [one["room"] for one in heard.snapshots[0]]
    page = await link.signalling(room)
    token = mint_room_token(node.main.secrets_dir, RoomToken("default", room, room, "p1", "永安派出所", "调解室"))
    await page.send_json({"id": 1, "type": "hello", "data": {"version": 1, "token": token}})
    joined = await page.receive_json(timeout=5)
    assert joined["ok"], joined
    candidates = joined["data"]["send_transport"]["iceCandidates"]
    assert {(c["ip"], c["port"]) for c in candidates} == {(HOST, node.media_port)}, "the node's own address"
    await page.close(code=1001)
    await until(lambda: "peer_left" in [event["type"] for event in heard.events if event.get("room") == room])
    assert [e["type"] for e in heard.events if e.get("peer_id") == "p1"] == ["peer_joined", "peer_left"]
    await link.close_room(CloseOrder(room))
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_doors_for_programs_are_passed_through_as_they_are(link: MediaLink) -> None:
    room = new_id()
    await link.put_room(order(room))
    status, headers, _ = await link.door("POST", f"/whip/{room}", {"Content-Type": "application/sdp"}, b"v=0")
    assert (status, headers.get("WWW-Authenticate", "")[:6]) == (401, "Bearer")
    await link.close_room(CloseOrder(room))


async def test_figures_and_the_recorders_answer(link: MediaLink, lines: tuple[Line, Line]) -> None:
    assert (await link.figures())["rooms"] == 0
    recorder = RecorderLink(lines[1], lambda event: None)
    await recorder.open()
    assert (await recorder.ask()).disk_state == "ok"
    await recorder.forget(new_id())  # what it does not have is no fault
    await recorder.close()


# ---- who gets in ----


def calling_as(folder: Path, certificate: tuple[bytes, bytes], root: bytes) -> Path:
    """A folder from which a node is called with this certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in zip(CLIENT_FILES, (*certificate, root), strict=True):
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("who", ["foreign", "expired", "a node", "the pages' own", "nobody"])
async def test_nobody_but_the_countys_pages_gets_in(who: str, node: Node, tmp_path: Path) -> None:
    ours = ensure_authority(node.main.data_dir / "tls", NOW)
    made = {
        "foreign": lambda: issue_node(ensure_authority(tmp_path / "foreign", NOW), WEB_TLS_NAME, NOW, calls=True),
        "expired": lambda: issue_node(ours, WEB_TLS_NAME, LONG_AGO, calls=True),
        "a node": lambda: issue_node(ours, tls_name("west"), NOW, calls=False),
        "the pages' own": lambda: issue(ours, ["localhost"], NOW),
    }
    if who == "nobody":
        context = ssl.create_default_context(cafile=str(node.main.data_dir / "tls" / "ca.crt"))
        line = tls_line(HOST, node.place.media_port(0), node.place.tls_name, context)
        recorder_line = tls_line(HOST, node.place.recorder_port(0), node.place.tls_name, context)
    else:
        folder = calling_as(tmp_path / "caller", made[who](), ours.pem)
        line = node.line_to(node.place.media_port(0), folder=folder)
        recorder_line = node.line_to(node.place.recorder_port(0), folder=folder)
    link, recorder = MediaLink(line, node.main.secrets_dir, lambda event: None), RecorderLink(recorder_line, print)
    await link.open()
    await recorder.open()
    room = new_id()
    with pytest.raises(MediaAway):
        await link.put_room(order(room))
    with pytest.raises(MediaAway):
        await link.metrics()
    with pytest.raises(RecorderAway):
        await recorder.ask()
    await link.close()
    await recorder.close()
    good = MediaLink(node.lines("tls")[0], node.main.secrets_dir, lambda event: None)
    await good.open()
    with pytest.raises(MediaRefused, match="unknown_room"):
        await good.room(room)
    await good.close()


async def test_without_tls_nothing_is_answered(node: Node) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://{HOST}:{node.place.port}/healthz")


@pytest.mark.parametrize("who", ["foreign", "expired", "another node", "the pages", "a caller", "the node"])
async def test_orders_are_given_to_no_other_than_the_node(who: str, node: Node, tmp_path: Path) -> None:
    ours = ensure_authority(node.main.data_dir / "tls", NOW)
    name = tls_name("east")
    made = {
        "foreign": lambda: issue_node(ensure_authority(tmp_path / "foreign", NOW), name, NOW, calls=False),
        "expired": lambda: issue_node(ours, name, LONG_AGO, calls=False),
        "another node": lambda: issue_node(ours, tls_name("west"), NOW, calls=False),
        "the pages": lambda: issue(ours, ["localhost", HOST], NOW),
        "a caller": lambda: issue_node(ours, name, NOW, calls=True),
        "the node": lambda: issue_node(ours, name, NOW, calls=False),
    }
    folder = tmp_path / "node"
    folder.mkdir()
    for file, data in zip(NODE_FILES, (*made[who](), ours.pem), strict=True):
        (folder / file).write_bytes(data)
    asked: list[str] = []

    async def take(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=listening_context(folder)).start()
    link = MediaLink(node.line_to(runner.addresses[0][1]), node.main.secrets_dir, lambda event: None)
    await link.open()
    if who == "the node":
        await link.close_room(CloseOrder("r1"))
        assert asked == ["/rooms/r1/close"]
    else:
        with pytest.raises(MediaAway):
            await link.close_room(CloseOrder("r1"))
        assert asked == []
    await link.close()
    await runner.cleanup()


async def test_a_node_that_is_not_there_never_heard_of_the_order(node: Node) -> None:
    link = MediaLink(node.line_to(1), node.main.secrets_dir, lambda event: None)
    await link.open()
    with pytest.raises(MediaAway) as away:
        await link.put_room(order("r1"))
    assert away.value.unsent
    await link.close()


def test_a_certificate_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotJoined, match=r"^The certificates in .* cannot be used \(No such file or directory\)\.$"):
        listening_context(tmp_path)


def test_the_calling_certificate_is_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    ensure_calling(tmp_path, NOW)
    first = (tmp_path / CLIENT_FILES[0]).read_bytes()
    still = NOW + timedelta(days=1825 - 1 - 365)  # a day is lost to slow clocks
    ensure_calling(tmp_path, still)
    assert (tmp_path / CLIENT_FILES[0]).read_bytes() == first
    ensure_calling(tmp_path, still + timedelta(seconds=1))
    assert (tmp_path / CLIENT_FILES[0]).read_bytes() != first


# ---- what the doctor says ----


def told(settings: Settings) -> tuple[str, str]:
    """State and sentence of the only node."""
    ((name, state, sentence),) = doctor_nodes.nodes(settings)
    assert name.startswith("node")
    return state, sentence


def test_the_doctor_reaches_the_node(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(node.main) == ("ok", "mediaserver and recorder answer.")
    ((_, state, sentence),) = doctor_nodes.node(node.settings)
    assert (state, sentence[:21]) == ("ok", "the media node east; ")
    real = doctor_nodes.time.time
    monkeypatch.setattr(doctor_nodes.time, "time", lambda: real() + 60)
    state, sentence = told(node.main)
    assert state == "fail" and sentence.startswith("its clock differs from ours by ") and "NTP" in sentence


def test_the_doctor_on_the_node_looks_at_what_a_node_has(node: Node) -> None:
    findings = {found.name: (found.state, found.sentence) for found in doctor.examine(node.settings)}
    assert findings["programs"] == ("ok", "mediaserver and recorder answer.")
    assert findings["node"][0] == findings["bucket"][0] == "ok"
    for port in node.place.ports:
        assert findings[f"port {port}/TCP (orders)"][1].startswith("Video Home listens here")
    assert not findings.keys() & {"certificate", "model", f"port {node.settings.https_port}/TCP (https)"}


def test_the_doctor_says_why_a_node_is_not_reached(node: Node, tmp_path: Path) -> None:
    port = node.place.port

    def settings(name: str, address: str, tls: Path | None = None) -> Settings:
        made = Settings(data_dir=tmp_path / new_id(), nodes={name: address}, s3_endpoint="store.test:9000")
        (made.data_dir / "tls").mkdir(parents=True, exist_ok=True)
        for file in CLIENT_FILES:
            shutil.copy((tls or node.main.data_dir / "tls") / file, made.data_dir / "tls")
        return made

    ours = ensure_authority(node.main.data_dir / "tls", NOW)
    stranger = calling_as(tmp_path / "s", issue_node(ensure_authority(tmp_path / "f", NOW), "x", NOW, calls=True), b"")
    (stranger / "ca.crt").write_bytes(ours.pem)
    for made, words in (
        (settings("west", f"{HOST}:{port}"), "its certificate is refused (Hostname mismatch"),
        (settings("east", f"{HOST}:{port}", stranger), "it refuses our certificate"),
        (settings("east", f"{HOST}:1"), "Connection refused; look whether videohome serve runs there."),
        (settings("east", node.store["s3_endpoint"]), "it refuses our certificate, or speaks no TLS"),
    ):
        state, sentence = told(made)
        assert state == "fail" and words in sentence, sentence
    assert list(doctor_nodes.nodes(Settings(data_dir=tmp_path / "none"))) == []
    ((_, state, sentence),) = doctor_nodes.nodes(
        Settings(data_dir=tmp_path / "none", nodes={"east": "h:1"}, s3_endpoint="s:1")
    )
    assert state == "warn" and "start Video Home first" in sentence
