# SPDX-License-Identifier: Apache-2.0
"""The real `python -m mediaserver` process, with endpoints that do ICE, DTLS and SRTP over real sockets."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from storage.access import CloseOrder, RemoveOrder, RoomOrder, RoomToken, mint_order, mint_room_token
from tests.mediaserver.shell.endpoint import Page, Wire, unix_session, until
from tests.ports import free_port
from tests.sim.call import audio_parameters, video_parameters, vp8_payload


@dataclass
class Server:
    http: aiohttp.ClientSession
    secrets: Path
    port: int
    process: asyncio.subprocess.Process

    async def room(self, room: str = "r1", **state: Any) -> aiohttp.ClientResponse:
        order = RoomOrder("c", room, room, state.pop("recording", "off"), state.pop("version", 1), "", **state)
        return await self.http.put(f"http://media/rooms/{room}", json={"order": mint_order(self.secrets, order)})

    def token(self, peer: str, room: str = "r1") -> str:
        return mint_room_token(self.secrets, RoomToken("c", room, room, peer, f"name {peer}", "place"))

    async def page(self, peer: str, room: str = "r1") -> Page:
        page = Page(self.http, room)
        await page.join(self.token(peer, room))
        return page

    async def figures(self) -> str:
        async with self.http.get("http://media/metrics") as answer:
            return await answer.text()


@pytest.fixture(params=["python", "native"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """The program on each plane."""
    if request.param == "native" and (build() is not None or native.load() is None):
        pytest.fail("the compiled plane cannot be built here")
    port = free_port()
    environment = {
        **os.environ,
        "VIDEOHOME_DATA_DIR": str(tmp_path),
        "VIDEOHOME_MEDIA_PORT": str(port),
        "VIDEOHOME_BIND": "127.0.0.1",
        "VIDEOHOME_CONFIG": str(tmp_path / "none.toml"),
        "VIDEOHOME_PLANE": request.param,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mediaserver", env=environment)
    path = tmp_path / "run" / "media.sock"
    await until(path.exists, 30)
    await asyncio.sleep(0.1)
    async with unix_session(path) as http:
        yield Server(http, tmp_path / "secrets", port, process)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 5) == 0


def picture(number: int, *, key: bool) -> bytes:
    return bytes(
        rtp.build(
            payload_type=96,
            sequence_number=number,
            timestamp=number * 3000,
            ssrc=1111,
            payload=vp8_payload(number, key=key),
            marker=True,
        )
    )


async def play(wire: Wire, first: int, count: int) -> None:
    """A camera that answers a PLI with a key frame, as a browser does."""
    asked = len(wire.rtcp)
    for number in range(first, first + count):
        key = number == first or any(
            isinstance(r, rtcp.KeyframeRequest) for data in wire.rtcp[asked:] for r in rtcp.parse(data)[0]
        )
        asked = len(wire.rtcp)
        wire.send_rtp(picture(number, key=key))
        await asyncio.sleep(0.01)


async def test_two_pages_meet_and_packets_flow(server: Server) -> None:
    assert (await server.room()).status == 200
    a, b = await server.page("a"), await server.page("b")
    assert [p["peer_id"] for p in b.joined["peers"]] == ["a"]
    await until(lambda: any(n["type"] == "peer_joined" and n["data"]["peer_id"] == "b" for n in a.notes))
    made = await a.good(
        "produce",
        {
            "transport_id": a.wires["send"].described["id"],
            "source": "cam",
            "kind": "video",
            "rtp_parameters": video_parameters(),
        },
    )
    await until(lambda: any(n["type"] == "new_consumers" for n in b.notes))
    consumer = next(n for n in b.notes if n["type"] == "new_consumers")["data"]["consumers"][0]
    assert consumer["producer_id"] == made["producer_id"]
    await play(a.wires["send"], 65_500, 60)
    received = b.wires["recv"].media
    await until(lambda: len(received) >= 50)
    first = rtp.read_header(received[0])
    assert first is not None
    assert first.ssrc == consumer["rtp_parameters"]["encodings"][0]["ssrc"]
    assert first.payload_type == consumer["rtp_parameters"]["codecs"][0]["payloadType"]
    assert received[0][first.payload_offset + 4] & 1 == 0, "the first packet begins a key frame"
    await until(lambda: any(data[1] == 201 for data in a.wires["send"].rtcp))
    # A receiver asks for a packet again and gets it as RTX.
    lost = rtp.read_header(received[5])
    assert lost is not None
    before = len(received)
    b.wires["recv"].send_rtcp(rtcp.build_nack(1, first.ssrc, [lost.sequence_number]))
    await until(lambda: len(received) > before)
    again = rtp.read_header(received[-1])
    assert again is not None
    assert again.ssrc == consumer["rtp_parameters"]["encodings"][0]["rtx"]["ssrc"]
    assert int.from_bytes(received[-1][again.payload_offset : again.payload_offset + 2]) == lost.sequence_number
    await a.good("leave", {})
    await until(lambda: any(n["type"] == "peer_left" for n in b.notes))
    await a.close()
    await b.close()


async def test_a_lost_websocket_is_not_leaving(server: Server) -> None:
    await server.room()
    a, b = await server.page("a"), await server.page("b")
    await a.good(
        "produce",
        {
            "transport_id": a.wires["send"].described["id"],
            "source": "mic",
            "kind": "audio",
            "rtp_parameters": audio_parameters(),
        },
    )

    def speak(first: int) -> None:
        for number in range(first, first + 10):
            sound = rtp.build(
                payload_type=111, sequence_number=number, timestamp=number * 960, ssrc=3333, payload=b"xx"
            )
            a.wires["send"].send_rtp(bytes(sound))

    speak(1)
    await until(lambda: len(b.wires["recv"].media) == 10)
    await a.drop()
    speak(11)
    await until(lambda: len(b.wires["recv"].media) == 20)
    await a.open()
    resumed = await a.good("resume", {"version": 1, "resume_token": a.joined["resume_token"]})
    assert resumed["peer_id"] == "a"
    speak(21)
    await until(lambda: len(b.wires["recv"].media) == 30)
    assert not any(n["type"] == "peer_left" for n in b.notes)
    await a.close()
    await b.close()


async def test_ice_restart_and_a_change_of_address(server: Server) -> None:
    await server.room()
    a = await server.page("a")
    wire = a.wires["send"]
    old = dict(wire.credentials)
    fresh = await a.good("restart_ice", {"transport_id": wire.described["id"]})
    wire.check()  # the old credentials are honoured until the new ones are used
    await until(lambda: wire.answers == 2)
    wire.credentials = fresh["ice_parameters"]
    wire.move()
    wire.check()
    await until(lambda: wire.answers == 3)
    wire.credentials = old
    wire.check()
    wire.check(password="wrong" * 6)
    await asyncio.sleep(0.1)
    assert wire.answers == 3
    assert "stun_unknown" in await server.figures()
    await a.close()


async def test_wrong_messages_close_the_socket_with_a_code(server: Server) -> None:
    await server.room()
    for text, reason in (
        ("{", "not_json"),
        ("[]", "bad_envelope"),
        ('{"id":1,"type":"dance","data":{}}', "unknown_type"),
        ('{"id":1,"type":"hello","data":{"version":2,"token":"x"}}', "bad_version"),
        ('{"id":1,"type":"hello","data":{"version":1,"token":5}}', "bad_field"),
    ):
        socket_ = await server.http.ws_connect("http://media/rooms/r1/ws")
        await socket_.send_str(text)
        message = await socket_.receive(5)
        while message.type is aiohttp.WSMsgType.TEXT:
            assert message.json()["error"]["code"] == reason
            message = await socket_.receive(5)
        assert socket_.close_code == 4000, reason
    big = await server.http.ws_connect("http://media/rooms/r1/ws")
    await big.send_str("x" * 70_000)
    await big.receive(5)
    assert big.close_code == 1009  # RFC 6455: message too big
    assert 'protocol_faults{worker="0"} 6.0' in await server.figures()


async def test_tokens_and_rooms_are_checked(server: Server) -> None:
    await server.room()
    await server.room("r2")
    nowhere = await server.http.ws_connect("http://media/rooms/nowhere/ws")
    await nowhere.receive(5)
    assert nowhere.close_code == 4004
    for token in ("nonsense", server.token("a", "r2")):
        page = Page(server.http, "r1")
        await page.open()
        answer = await page.ask("hello", {"version": 1, "token": token})
        assert answer["error"]["code"] == "token_invalid"
        assert await page.closed_with() == 4003
    page = Page(server.http, "r1")
    await page.open()
    assert (await page.ask("stats", {}))["error"]["code"] == "not_joined"
    failed = await page.ask("resume", {"version": 1, "resume_token": "x" * 32})
    assert failed["error"]["code"] == "resume_failed"
    await page.close()
    async with server.http.put("http://media/rooms/r1", json={"order": "x"}) as answer:
        assert answer.status == 403
    order = mint_order(server.secrets, RoomOrder("c", "r2", "r2", "off", 1, ""))
    async with server.http.put("http://media/rooms/r1", json={"order": order}) as answer:
        assert answer.status == 403


async def test_the_same_person_again_replaces_the_first_and_a_removed_one_is_told(server: Server) -> None:
    await server.room()
    a, again = await server.page("a"), Page(server.http, "r1")
    await again.join(server.token("a"))
    assert await a.closed_with() == 4001
    order = mint_order(server.secrets, RemoveOrder("r1", "a", ""))
    async with server.http.delete("http://media/rooms/r1/peers/a", json={"order": order}) as answer:
        assert answer.status == 200
    assert await again.closed_with() == 4002
    await a.close()
    await again.close()


async def test_web_sees_who_is_there_and_what_is_recorded(server: Server) -> None:
    await server.room()
    watch = await server.http.ws_connect("http://media/events")
    assert (await watch.receive_json(timeout=5))["type"] == "snapshot"
    a = await server.page("a")
    assert (await watch.receive_json(timeout=5))["type"] == "peer_joined"
    await server.room(recording="on", version=2)
    told = await watch.receive_json(timeout=5)
    assert (told["type"], told["state"]) == ("recording", "on")
    await until(lambda: any(n["type"] == "recording" and n["data"]["state"] == "on" for n in a.notes))
    stale = await (await server.room(recording="off", version=1)).json()
    assert stale["recording"]["state"] == "on"
    assert a.socket is not None
    await a.socket.close(code=1001)  # the page was closed: that is leaving
    assert (await watch.receive_json(timeout=5))["type"] == "peer_left"
    close = mint_order(server.secrets, CloseOrder("r1", ""))
    async with server.http.post("http://media/rooms/r1/close", json={"order": close}) as answer:
        assert answer.status == 200
    kinds = [(await watch.receive_json(timeout=5))["type"] for _ in range(2)]
    assert kinds == ["recording", "room_closed"]
    await watch.close()
    await a.close()


async def test_random_bytes_on_the_port_are_counted_and_hurt_nobody(server: Server) -> None:
    await server.room()
    a = await server.page("a")
    source = random.Random(5)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        for _ in range(2_000):
            stranger.sendto(source.randbytes(source.randrange(0, 200)), ("127.0.0.1", server.port))
            if source.random() < 0.05:
                await asyncio.sleep(0)
    for _ in range(300):
        a.wires["send"].socket.sendto(
            bytes([source.choice((20, 22, 63, 128, 191, 0))]) + source.randbytes(60), a.wires["send"].remote
        )
    a.wires["send"].check()
    await until(lambda: a.wires["send"].answers == 2)
    figures = await server.figures()
    assert "dropped_srtp" in figures
    assert "dropped_unknown_kind" in figures
    await a.close()


async def test_a_lost_server_flight_is_sent_again_at_once(server: Server) -> None:
    """Chromium repeats its ClientHello after 50 ms; OpenSSL alone would wait a second."""
    await server.room()
    page = Page(server.http, "r1")
    await page.open()
    page.joined = await page.good("hello", {"version": 1, "token": server.token("a")})
    wire = page.wires["send"] = Wire(page.joined["send_transport"])
    sent: list[bytes] = []
    wire.send_filter = lambda data: not sent.append(data)  # type: ignore[func-returns-value]
    wire.swallowed = []
    await page.connect("send")
    handshake = asyncio.create_task(wire.up())
    await until(lambda: wire.swallowed)
    hello, wire.swallowed = list(sent), None
    for data in hello:
        wire.socket.sendto(data, wire.remote)
    await until(lambda: wire.dtls.encrypted, 0.9)  # less than the second that OpenSSL would wait
    await asyncio.wait_for(handshake, 5)
    await page.close()
