# SPDX-License-Identifier: Apache-2.0
"""Cameras as an administrator sets them up: the list, passwords that never come out, test pictures of real servers."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from typing import Any

import av
import pytest
from sqlalchemy import select

from storage.camera_passwords import KEY_FILE, open_password
from storage.database.models import AuditEvent, Camera
from tests.mediaserver.cameras import servers
from tests.mediaserver.cameras.servers import PASSWORD, USER, RtspServer, gstreamer
from tests.ports import free_port
from tests.web.front import Browser, Front
from web.api.core import DATABASE


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    made = gstreamer({"live": f"{servers.H264} {servers.ALAW}", "h265": servers.H265})
    made.switch_on()
    yield made
    made.switch_off()


async def fields(front: Front, **more: Any) -> dict[str, Any]:
    place = await front.add_place(f"place {time.monotonic_ns()}")
    given = {"name": "摄像机 1", "place_id": place, "address": "rtsp://192.168.1.64/live", "username": USER}
    return {**given, "password": PASSWORD, **more}


async def add(admin: Browser, **more: Any) -> dict[str, Any]:
    reply = await admin.post("/api/cameras", await fields(admin.front, **more))
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.body
    return found


async def row(front: Front, camera_id: str) -> Camera | None:
    async with front.app[DATABASE].read() as db:
        return await db.get(Camera, camera_id)


async def test_a_camera_is_added_changed_and_removed(front: Front) -> None:
    admin = await front.signed_in("administrator")
    made = await add(admin)
    assert (made["address"], made["username"], made["has_password"]) == ("rtsp://192.168.1.64/live", USER, True)
    assert (made["transport"], made["sound"], made["state"]) == ("tcp", False, "")
    path = f"/api/cameras/{made['id']}"
    changed = await admin.patch(path, {"name": "大厅", "transport": "udp", "sound": True})
    assert (changed.body["name"], changed.body["transport"], changed.body["sound"]) == ("大厅", "udp", True)
    assert (await admin.get("/api/cameras")).body == {"cameras": [changed.body]}
    assert (await admin.ask("DELETE", path)).status == 200
    assert (await admin.get("/api/cameras")).body == {"cameras": []}
    assert (await admin.ask("DELETE", path)).code == "camera_not_found"


async def test_a_password_goes_in_and_never_comes_out(front: Front) -> None:
    admin = await front.signed_in("administrator")
    made = await add(admin)
    path = f"/api/cameras/{made['id']}"
    kept = await row(front, made["id"])
    assert kept is not None
    assert open_password(front.settings.secrets_dir, kept.id, kept.password_sealed) == PASSWORD
    await admin.patch(path, {"name": "x", "username": "other"})
    still = await row(front, made["id"])
    assert still is not None and still.password_sealed == kept.password_sealed, "not named, not changed"
    shown = str((await admin.get("/api/cameras")).body)
    async with front.app[DATABASE].read() as db:
        shown += str([event.data for event in await db.scalars(select(AuditEvent))])
    raw = (front.settings.data_dir / "db" / "videohome.sqlite").read_bytes()
    assert PASSWORD not in shown and kept.password_sealed not in shown and PASSWORD.encode() not in raw
    gone = await admin.patch(path, {"password": ""})
    assert gone.body["has_password"] is False


async def test_a_password_whose_key_was_lost_is_asked_for_again(front: Front) -> None:
    admin = await front.signed_in("administrator")
    made = await add(admin)
    (front.settings.secrets_dir / KEY_FILE).unlink()
    assert (await admin.post("/api/cameras/picture", {"camera_id": made["id"]})).code == "camera_password_lost"
    assert (await admin.patch(f"/api/cameras/{made['id']}", {"password": "new"})).status == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"address": "rtsp://admin:secret@192.168.1.64/live"}, 409, "camera_address_has_password"),
        ({"address": "http://192.168.1.64/"}, 409, "camera_address_invalid"),
        ({"password": "密" * 20}, 409, "camera_sign_in_too_long"),
        ({"password": "x" * 65}, 400, "input_invalid"),
        ({"username": "a:b"}, 409, "camera_user_name_invalid"),
        ({"transport": "http"}, 400, "input_invalid"),
        ({"address": "rtsp://two words/"}, 400, "input_invalid"),
        ({"place_id": "0" * 26}, 404, "place_not_found"),
    ],
)
async def test_what_is_refused(front: Front, change: dict[str, str], status: int, code: str) -> None:
    admin = await front.signed_in("administrator")
    wrong = await admin.post("/api/cameras", await fields(front, **change))
    assert (wrong.status, wrong.code) == (status, code)
    made = await add(admin)
    changed = await admin.patch(f"/api/cameras/{made['id']}", change)
    assert (changed.status, changed.code) == (status, code)


async def test_a_name_is_taken_once_in_a_place(front: Front) -> None:
    admin = await front.signed_in("administrator")
    given = await fields(front)
    assert (await admin.post("/api/cameras", given)).status == 200
    assert (await admin.post("/api/cameras", given)).code == "name_taken"
    assert (await admin.post("/api/cameras", await fields(front))).status == 200, "another place has its own 1"


async def test_a_test_picture_before_anything_is_saved(front: Front, server: RtspServer) -> None:
    admin = await front.signed_in("administrator")
    asked = {"address": server.address("live"), "username": USER, "password": PASSWORD, "transport": "tcp"}
    reply = await admin.post("/api/cameras/picture", asked)
    assert reply.status == 200, reply.body
    assert (reply.body["width"], reply.body["height"]) == (320, 180)
    assert (reply.body["profile"], reply.body["sound_codec"]) == ("High", "pcm_alaw")
    with av.open(io.BytesIO(base64.b64decode(reply.body["jpeg"]))) as picture:
        frame = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert frame.shape == (180, 320, 3)
    assert frame[20, 10].min() > 150, "white on the left of the test card"
    assert frame[20, 310].tolist()[:2] < [60, 60] and frame[20, 310][2] > 150, "and blue on its right"


async def test_a_test_of_a_saved_camera_says_how_it_is(front: Front, server: RtspServer) -> None:
    admin = await front.signed_in("administrator")
    made = await add(admin, address=server.address("live"))
    assert (await admin.post("/api/cameras/picture", {"camera_id": made["id"]})).status == 200
    [listed] = (await admin.get("/api/cameras")).body["cameras"]
    assert (listed["state"], listed["width"], listed["state_utc_ms"]) == ("works", 320, front.clock())
    other = {"camera_id": made["id"], "address": server.address("h265")}
    assert (await admin.post("/api/cameras/picture", other)).code == "camera_codec_not_usable"
    [listed] = (await admin.get("/api/cameras")).body["cameras"]
    assert listed["state"] == "works", "what was only tried says nothing of what is kept"
    assert (await admin.patch(f"/api/cameras/{made['id']}", {"password": "wrong"})).status == 200
    assert (await admin.post("/api/cameras/picture", {"camera_id": made["id"]})).code == "camera_wrong_password"
    [listed] = (await admin.get("/api/cameras")).body["cameras"]
    assert listed["state"] == "wrong_password"


@pytest.mark.parametrize(
    ("path", "change", "code"),
    [
        ("live", {"password": "wrong"}, "camera_wrong_password"),
        ("none", {}, "camera_no_such_stream"),
        ("h265", {}, "camera_codec_not_usable"),
    ],
)
async def test_why_there_is_no_picture(front: Front, server: RtspServer, path: str, change: Any, code: str) -> None:
    admin = await front.signed_in("administrator")
    asked = {"address": server.address(path), "username": USER, "password": PASSWORD, **change}
    reply = await admin.post("/api/cameras/picture", asked)
    assert (reply.status, reply.code) == (502, code)
    if code == "camera_codec_not_usable":
        assert "H.265" in reply.body["error"]["message"]


async def test_what_is_no_camera(front: Front) -> None:
    admin = await front.signed_in("administrator")
    nobody = f"rtsp://127.0.0.1:{free_port()}/live"
    assert (await admin.post("/api/cameras/picture", {"address": nobody})).code == "camera_unreachable"
    itself = f"rtsp://127.0.0.1:{front.url.port}/live"
    assert (await admin.post("/api/cameras/picture", {"address": itself})).code in ("camera_not_rtsp", "camera_lost")
