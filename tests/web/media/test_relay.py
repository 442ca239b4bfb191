# SPDX-License-Identifier: Apache-2.0
"""Signalling through the web program: both directions, close codes both ways, wrong messages, wrong people."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House, until
from web.media.relay import MAX_MESSAGE_BYTES, _code_to_media, _code_to_page


async def joined(house: House) -> tuple[Browser, str, FrontPage]:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    return officer, session_id, page


async def socket_of(house: House, browser: Browser, session_id: str) -> aiohttp.ClientWebSocketResponse:
    page = house.page(browser, session_id)
    await page.open()
    assert page.socket is not None
    return page.socket


async def close_code(house: House, browser: Browser, session_id: str) -> tuple[int | None, str]:
    """How a socket is turned away."""
    async with browser.http.ws_connect(
        house.front.url.with_path(f"/api/sessions/{session_id}/ws"),
        headers={"Origin": str(house.front.url.origin())},
    ) as socket:
        message = await socket.receive(5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        return message.data, str(message.extra)


async def test_a_closed_page_has_left_and_a_lost_socket_has_not(house: House) -> None:
    officer, session_id, page = await joined(house)
    await page.drop()
    (room,) = (await house.rooms()).values()
    assert len(room["peers"]) == 1
    await asyncio.sleep(0.3)
    assert len((await house.rooms())[session_id]["peers"]) == 1, "a lost socket is not leaving"
    await page.open()
    await page.good("resume", {"version": 1, "resume_token": page.joined["resume_token"]})
    assert page.socket is not None
    await page.socket.close(code=1001)
    await house.wait(officer, session_id, lambda d: not d["participants"][0]["present"])


async def test_the_mediaservers_close_codes_reach_the_page(house: House) -> None:
    officer, session_id, page = await joined(house)
    reply = await officer.post(f"/api/sessions/{session_id}/join")
    again = house.page(officer, session_id)
    await again.join(reply.body["token"])
    assert await page.closed_with() == 4001, "replaced"
    other = house.page(officer, session_id)
    await other.open()
    refused = await other.ask("hello", {"version": 1, "token": "nonsense"})
    assert refused["error"]["code"] == "token_invalid"
    assert await other.closed_with() == 4003


async def test_wrong_messages_get_the_mediaservers_answer_and_are_counted(house: House) -> None:
    officer, session_id, _ = await joined(house)
    for send, code in (
        (lambda socket: socket.send_str("{"), 4000),
        (lambda socket: socket.send_bytes(b"\x00\x01"), 4000),
        (lambda socket: socket.send_str("x" * MAX_MESSAGE_BYTES), 4000),  # just read, and refused as no JSON
        (lambda socket: socket.send_str("x" * (MAX_MESSAGE_BYTES + 1)), 1009),
        (lambda socket: socket.send_str("字" * (MAX_MESSAGE_BYTES // 3 + 1)), 1009),
    ):
        socket = await socket_of(house, officer, session_id)
        await send(socket)
        await until(lambda socket=socket: socket.closed)
        assert socket.close_code == code
    status = await (await house.front.signed_in("administrator")).get("/api/status")
    assert status.body["counters"]["media_protocol_faults"] >= 3
    assert status.body["counters"]["web_signalling_too_large"] == 2
    assert status.body["counters"]["web_signalling_closed_4000"] == 3


async def test_who_has_no_place_in_the_session_gets_no_socket(house: House) -> None:
    officer, session_id, _ = await joined(house)
    assert await close_code(house, officer, "0" * 26) == (4004, "session_not_found")
    stranger = await house.front.signed_in("station_officer")
    assert await close_code(house, stranger, session_id) == (4004, "session_not_found")
    expert = await house.front.signed_in("hq_officer")
    assert await close_code(house, expert, session_id) == (4004, "session_not_found"), "sees it, but never joined"
    await officer.post(f"/api/sessions/{session_id}/end")
    assert await close_code(house, officer, session_id) == (1000, "session_ended")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await officer.http.ws_connect(
            house.front.url.with_path(f"/api/sessions/{session_id}/ws"), headers={"Origin": "https://elsewhere.test"}
        )
    assert refused.value.status == 403


async def test_while_the_mediaserver_is_dead_pages_are_told_to_come_back(house: House) -> None:
    officer, session_id, page = await joined(house)
    await house.kill("mediaserver")
    assert await page.closed_with() == 1012
    assert await close_code(house, officer, session_id) == (1012, "media_away")


async def test_signing_out_leaves_the_call(house: House) -> None:
    officer, session_id, page = await joined(house)
    watching = await house.front.signed_in("administrator")
    assert (await officer.post("/api/sign-out")).status == 200
    assert await page.closed_with() == 4002, "removed"
    await house.wait(watching, session_id, lambda d: not d["participants"][0]["present"])


@pytest.mark.parametrize(
    ("code", "told"), [(1001, 1001), (1000, 1000), (4000, 4000), (None, 4010), (1006, 4010), (1012, 4010), (1009, 4010)]
)
def test_only_the_pages_own_goodbye_reaches_the_mediaserver_as_one(code: int | None, told: int) -> None:
    assert _code_to_media(code) == told


@pytest.mark.parametrize(
    ("code", "told"), [(4001, 4001), (1000, 1000), (1012, 1012), (1006, 1012), (1005, 1012), (None, 1012), (999, 1012)]
)
def test_a_code_that_may_not_be_sent_becomes_come_back(code: object, told: int) -> None:
    assert _code_to_page(code) == told
