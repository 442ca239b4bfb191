# SPDX-License-Identifier: Apache-2.0
"""A station's IP camera in its session: taken in, covered by the station's consent, gone when the station is."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.camera_passwords import seal_password
from storage.database.models import Camera
from storage.ids import new_id
from storage.layout import manifest_key
from storage.manifest import Manifest, from_bytes
from storage.objects import open_store
from tests.mediaserver.cameras import servers
from tests.mediaserver.cameras.servers import PASSWORD, USER, RtspServer, gstreamer
from tests.web.front import Browser
from tests.web.sessions.house import House, eventually
from web.api.core import DATABASE
from web.casework.cameras import MOST_IN_SESSION
from web.casework.sessions import EMPTY_GRACE_MS

TALK_S = 12.0


@pytest.fixture
async def server() -> AsyncIterator[RtspServer]:
    made = gstreamer({"live": servers.H264})
    await made.start()
    yield made
    await made.kill()


async def add_camera(house: House, place_id: str, address: str, name: str = "摄像机 1", *, sound: bool = False) -> str:
    """A camera; its id."""
    camera_id = new_id()
    sealed = seal_password(house.settings.secrets_dir, camera_id, PASSWORD)
    camera = Camera(id=camera_id, county=house.settings.county, place_id=place_id, name=name, address=address)
    camera.username, camera.password_sealed, camera.transport, camera.created_utc_ms = USER, sealed, "tcp", 1
    camera.sound = sound
    async with house.front.app[DATABASE].begin() as db:
        db.add(camera)
    return camera_id


async def station(house: House) -> tuple[Browser, str]:
    """An officer of a station; the station's id."""
    place = await house.front.add_place("青石镇派出所")
    return await house.front.signed_in("station_officer", place_id=place), place


def camera_in(detail: dict[str, Any]) -> dict[str, Any] | None:
    """The camera's endpoint, while it is in the room."""
    return next((p for p in detail["participants"] if p["kind"] == "camera" and p["present"]), None)


async def test_a_camera_comes_with_its_station_and_goes_with_it(house: House, server: RtspServer) -> None:
    officer, place = await station(house)
    camera = await add_camera(house, place, server.address())
    session = await house.session(officer)
    path = f"/api/sessions/{session}/cameras"
    assert (await officer.get(path)).body["cameras"][0] | {"state": ""} == {
        "id": camera, "name": "摄像机 1", "on": False, "state": "", "detail": "",
    }  # fmt: skip
    chosen = await officer.put(path, {"camera_ids": [camera]})
    assert chosen.body["cameras"][0]["on"] is True
    assert camera_in(await house.detail(officer, session)) is None, "nobody is there yet"
    await house.consented(officer, session, "吴发明")
    page = await house.enter(officer, session)
    detail = await house.wait(officer, session, camera_in, 30)
    found = camera_in(detail)
    assert found is not None and (found["name"], found["place_name"]) == ("摄像机 1", "青石镇派出所")
    assert detail["missing_consents"] == [], "it shows the people of the station, who agreed"
    assert "摄像机 1" not in detail["people"]
    assert (await officer.post(f"/api/sessions/{session}/recording", {"step": "start"})).status == 200
    await eventually(lambda: state_of(officer, path, "running"))
    await page.good("leave", {})
    detail = await house.wait(officer, session, lambda d: camera_in(d) is None, 30)
    house.clock.forward(EMPTY_GRACE_MS)
    await house.wait(officer, session, lambda d: d["state"] == "ended", 20)


async def state_of(browser: Browser, path: str, wanted: str) -> bool:
    return bool((await browser.get(path)).body["cameras"][0]["state"] == wanted)


async def test_a_camera_alone_keeps_no_session_open(house: House, server: RtspServer) -> None:
    """What its process says last, after everybody has left, is not somebody coming in."""
    officer, place = await station(house)
    camera = await add_camera(house, place, server.address())
    session = await house.session(officer)
    await officer.put(f"/api/sessions/{session}/cameras", {"camera_ids": [camera]})
    page = await house.enter(officer, session)
    found = camera_in(await house.wait(officer, session, camera_in, 30))
    assert found is not None
    await page.good("leave", {})
    await house.wait(officer, session, lambda d: camera_in(d) is None, 30)
    event = {"type": "peer_joined", "room": session, "peer_id": found["peer_id"], "utc_ms": house.clock()}
    await house.running.keeper.on_event(event)
    house.clock.forward(EMPTY_GRACE_MS)
    await house.wait(officer, session, lambda d: d["state"] == "ended", 20)


async def test_a_camera_is_recorded_as_it_came_with_its_sound(tmp_path: Path, ui_folder: Path) -> None:
    """By the same path as everybody's: H264 untouched, sound as Opus, sealed, and whole for another reader."""
    server = gstreamer({"live": f"{servers.H264} {servers.ALAW}"})
    house = House(tmp_path / "data", ui_folder)
    await asyncio.gather(house.start_store(), house.start_mediaserver(), house.start_recorder(), server.start())
    await house.start_web()
    try:
        made = await recorded_with_camera(house, server)
        for source, codec in (("cam", "h264"), ("mic", "opus")):
            (track,) = [one for one in made.tracks if one.source == source]
            (epoch,) = track.epochs
            assert (epoch.codec, {peer.name for peer in made.peers}) == (codec, {"摄像机 1", "station officer"})
            assert epoch.end_ms - epoch.start_ms > TALK_S * 1000 - 1_500
            assert [gap for gap in made.gaps if gap.track_id == track.track_id] == []
            for number, segment in enumerate(epoch.segments):
                path = tmp_path / f"{source}-{number}.webm"
                path.write_bytes(await asyncio.to_thread(open_store(house.settings).read_bytes, segment.key))
                whole = subprocess.run(
                    ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True
                )
                assert (whole.returncode, whole.stderr) == (0, b"")
    finally:
        await server.kill()
        await house.close()


async def recorded_with_camera(house: House, server: RtspServer) -> Manifest:
    """A session of an officer and the station's camera, recorded for a while; its sealed manifest."""
    place = await house.front.add_place("青石镇派出所")
    officer = await house.front.signed_in("station_officer", place_id=place, name="station officer")
    camera = await add_camera(house, place, server.address(), sound=True)
    session = await house.session(officer)
    await officer.put(f"/api/sessions/{session}/cameras", {"camera_ids": [camera]})
    await house.consented(officer, session, "吴发明")
    page = await house.enter(officer, session)
    await house.wait(officer, session, camera_in, 30)
    assert (await officer.post(f"/api/sessions/{session}/recording", {"step": "start"})).status == 200
    for _ in range(60):
        for wire in page.wires.values():
            wire.check()  # as a browser does, to stay
        if ((await house.detail(officer, session))["recording"]["recorded_to_ms"] or 0) > TALK_S * 1000:
            break
        await asyncio.sleep(1)
    await page.good("leave", {})
    assert (await officer.post(f"/api/sessions/{session}/end")).status == 200
    await house.wait(officer, session, lambda d: d["recording"]["state"] == "sealed", 60)
    stored = await asyncio.to_thread(
        open_store(house.settings).read_bytes, manifest_key(house.settings.county, session)
    )
    return from_bytes(stored)


async def test_after_a_killed_mediaserver_the_camera_is_there_again(house: House, server: RtspServer) -> None:
    officer, place = await station(house)
    camera = await add_camera(house, place, server.address())
    session = await house.session(officer)
    await officer.put(f"/api/sessions/{session}/cameras", {"camera_ids": [camera]})
    await house.enter(officer, session)
    await house.wait(officer, session, camera_in, 30)
    await house.kill("mediaserver")
    await house.start_mediaserver()
    await house.wait(officer, session, lambda d: camera_in(d) is None, 20)
    await house.enter(officer, session)
    await house.wait(officer, session, camera_in, 30)
    await officer.put(f"/api/sessions/{session}/cameras", {"camera_ids": []})
    await house.wait(officer, session, lambda d: camera_in(d) is None, 20)


async def test_a_removed_camera_leaves_the_room(house: House, server: RtspServer) -> None:
    officer, place = await station(house)
    camera = await add_camera(house, place, server.address())
    session = await house.session(officer)
    await officer.put(f"/api/sessions/{session}/cameras", {"camera_ids": [camera]})
    await house.enter(officer, session)
    await house.wait(officer, session, camera_in, 30)
    admin = await house.front.signed_in("administrator")
    assert (await admin.ask("DELETE", f"/api/cameras/{camera}")).status == 200
    await house.wait(officer, session, lambda d: camera_in(d) is None, 20)
    assert (await officer.get(f"/api/sessions/{session}/cameras")).body == {"cameras": []}


async def test_only_cameras_of_the_own_place_and_only_so_many(lonely: House) -> None:
    officer, place = await station(lonely)
    other = await lonely.front.add_place("别的派出所")
    foreign = await add_camera(lonely, other, "rtsp://192.168.9.9/live")
    own = [await add_camera(lonely, place, "rtsp://192.168.1.9/live", f"{n}") for n in range(MOST_IN_SESSION + 1)]
    session = await lonely.session(officer)
    path = f"/api/sessions/{session}/cameras"
    assert (await officer.put(path, {"camera_ids": [foreign]})).code == "camera_not_found"
    refused = await officer.put(path, {"camera_ids": own})
    assert (refused.code, refused.body["error"]["params"]) == ("too_many_cameras", {"most": MOST_IN_SESSION})
    assert (await officer.put(path, {"camera_ids": own[:-1]})).status == 200
    headquarters = await lonely.front.signed_in("hq_officer")
    assert (await headquarters.get(path)).body == {"cameras": []}
    assert (await headquarters.put(path, {"camera_ids": own[:1]})).code == "camera_not_found"
