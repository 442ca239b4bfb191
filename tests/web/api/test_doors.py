# SPDX-License-Identifier: Apache-2.0
"""Doors through the web program: who opens them, what their tokens are worth, consent, other origins, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.mediaserver.shell.offers import offer
from tests.web.front import Browser
from tests.web.sessions.house import House, house_with_media

SDP = "application/sdp"
CAMERA = {"name": "文件摄像头", "right": "publish", "people": [{"name": "陈红", "kind": "officer"}]}
WALL = {"name": "大屏", "right": "watch"}


@pytest.fixture
async def house(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Web, mediaserver and recorder."""
    async with house_with_media(tmp_path / "data", ui_folder) as made:
        yield made


async def opened(browser: Browser, session_id: str, door: dict[str, Any]) -> dict[str, Any]:
    reply = await browser.post(f"/api/sessions/{session_id}/doors", door)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.body
    return found


async def knock(
    house: House, method: str, path: str, token: str = "", body: str = "", **more: str
) -> tuple[int, Any, str]:
    """As a program without cookies and from a foreign page does it: status, headers, error code."""
    headers = {"Origin": "https://elsewhere.test", "Content-Type": SDP, **more}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    stranger = house.front.browser().http
    async with stranger.request(method, house.front.url.with_path(path), data=body, headers=headers) as reply:
        error = (await reply.json())["error"]["code"] if reply.content_type == "application/json" else ""
        return reply.status, reply.headers, error


async def test_a_device_comes_in_once_its_people_have_agreed_and_goes_when_its_door_is_closed(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    page = await house.enter(officer, session_id)
    await house.consented(officer, session_id, "王秀英")
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    assert (await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})).status == 200
    door = await opened(officer, session_id, CAMERA)
    detail = await house.detail(officer, session_id)
    device = next(p for p in detail["participants"] if p["kind"] == "door")
    assert (device["peer_id"], device["present"]) == (door["peer_id"], False)
    assert (await knock(house, "POST", door["path"], door["token"], offer()))[::2] == (403, "consent_required")
    attendee_id = device["attendees"][0]["id"]
    assert (await house.say(officer, session_id, attendee_id, True)).status == 200
    status, headers, _ = await knock(house, "POST", door["path"], door["token"], offer())
    assert status == 201
    assert headers["Location"].startswith(f"/whip/{session_id}/")
    assert headers["Content-Type"] == SDP
    assert headers["ETag"]
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert {"Location", "ETag", "Link"} <= set(headers["Access-Control-Expose-Headers"].split(", "))
    found = await house.wait(officer, session_id, lambda d: all(p["present"] for p in d["participants"]))
    assert found["recording"]["state"] == "on", "everybody has agreed"
    listed = (await officer.get(f"/api/sessions/{session_id}/doors")).body["doors"]
    assert [(d["peer_id"], d["present"]) for d in listed] == [(door["peer_id"], True)]
    closed = await officer.ask("DELETE", f"/api/sessions/{session_id}/doors/{door['peer_id']}")
    assert closed.body == {"doors": []}
    await house.wait(officer, session_id, lambda d: [p["present"] for p in d["participants"]].count(True) == 1)
    assert (await knock(house, "POST", door["path"], door["token"], offer()))[::2] == (403, "door_closed")
    await page.close()


async def test_a_wall_that_watches_is_seen_but_asked_for_no_consent_and_keeps_no_session_alive(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    door, wall = await opened(officer, session_id, CAMERA), await opened(officer, session_id, WALL)
    path = wall["path"].replace("PEER", door["peer_id"])
    wanted = offer(direction="recvonly")
    status, headers, error = await knock(house, "POST", path, wall["token"], wanted)
    assert (status, error, headers["Retry-After"]) == (409, "not_published", "5")
    assert (await knock(house, "POST", door["path"], door["token"], offer()))[0] == 201
    status, headers, _ = await knock(house, "POST", path, wall["token"], wanted)
    assert status == 201
    found = await house.wait(officer, session_id, lambda d: all(p["present"] for p in d["participants"]))
    assert found["missing_consents"] == ["陈红"], "nobody sits before a wall"
    assert (await knock(house, "DELETE", headers["Location"], wall["token"]))[0] == 200
    assert (await knock(house, "PATCH", headers["Location"], wall["token"], "x"))[::2] == (404, "visit_not_found")


async def test_only_the_token_decides_and_every_refusal_is_plain(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id, other = await house.session(officer), await house.session(officer, "另一件")
    door = await opened(officer, session_id, CAMERA)
    path, token = door["path"], door["token"]
    for asked, bearer, body, more, wanted in (
        (path, "", offer(), {}, (401, "door_token_invalid")),
        (path, token[:-2], offer(), {}, (401, "door_token_invalid")),
        (f"/whip/{other}", token, offer(), {}, (403, "door_token_elsewhere")),
        (f"/whep/{session_id}/x", token, offer(), {}, (403, "door_token_elsewhere")),
        (path, token, "v=1", {}, (400, "sdp_invalid")),
        (path, token, "v=0", {}, (422, "offer_unsupported")),
        (path, token, offer(), {"Content-Type": "text/plain"}, (415, "sdp_expected")),
        (path, token, "v=0\n" + "a=x\n" * 16_384, {}, (413, "sdp_too_large")),
    ):
        assert (await knock(house, "POST", asked, bearer, body, **more))[::2] == wanted
    assert (await knock(house, "GET", path, token))[0] == 405
    status, headers, _ = await knock(house, "OPTIONS", path)
    assert (status, headers["Accept-Post"]) == (204, SDP)
    assert "PATCH" in headers["Access-Control-Allow-Methods"]
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert (await officer.post(f"/api/sessions/{session_id}/end")).status == 200
    assert (await knock(house, "POST", path, token, offer()))[::2] == (404, "session_ended")
    await house.kill("mediaserver")
    door = await opened(officer, other, CAMERA)
    status, headers, error = await knock(house, "POST", door["path"], door["token"], offer())
    assert (status, error, headers["Retry-After"]) == (503, "media_away", "5")


async def test_who_opens_doors(house: House) -> None:
    officer = await house.front.signed_in("station_officer")
    administrator = await house.front.signed_in("administrator")
    session_id = await house.session(officer)
    doors = f"/api/sessions/{session_id}/doors"
    assert (await administrator.post(doors, WALL)).status == 200
    assert (await (await house.front.signed_in("hq_officer")).post(doors, WALL)).code == "forbidden"
    for wrong in (
        {**CAMERA, "people": []},
        {**WALL, "people": CAMERA["people"]},
        {**WALL, "life_minutes": 0},
        {**WALL, "life_minutes": 24 * 60 + 1},
    ):
        assert (await officer.post(doors, wrong)).code == "input_invalid"
    for _ in range(15):
        assert (await officer.post(doors, {**WALL, "life_minutes": 24 * 60})).status == 200
    assert (await officer.post(doors, WALL)).code == "too_many_doors"
    house.clock.forward(24 * 3_600_000 + 1000)
    await house.front.sign_in(officer, "account", officer.id)
    assert (await officer.get(doors)).body == {"doors": []}, "what has run out is no open door"
