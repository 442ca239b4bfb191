# SPDX-License-Identifier: Apache-2.0
"""A private talk from end to end with real programs: recorded, sealed and transcribed under a key of its own."""

from __future__ import annotations

import asyncio
import hashlib
import io
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from rich.console import Console

from storage.cli import reconcile
from storage.cli.verify import run as verify_recording
from storage.keyed_format import MAGIC
from storage.layout import manifest_key, own_key_key, session_folder
from storage.objects import ObjectStore, open_store
from storage.own_keys import KEY_NAME
from tests.mediaserver.recorder.media import Stream
from tests.web.front import Browser
from tests.web.sessions.house import House
from tests.web.sessions.meeting import Meeting
from tests.web.sessions.test_playback import plays, read, talk
from web.api.middleware import COOKIE

TALK_S = 12.0
EBML = b"\x1aE\xdf\xa3"
"""How a WebM file begins."""


@pytest.mark.timeout(600)  # the speech model is loaded and run on this machine
async def test_a_private_talk_lies_encrypted_and_is_its_mediators_alone(tmp_path: Path, ui_folder: Path) -> None:
    house = House(tmp_path / "data", ui_folder)
    streams = [Stream("audio", ssrc=3333), Stream("video", ssrc=1111)]  # encoded before anybody waits for packets
    await asyncio.gather(house.start_store(), house.start_mediaserver(), house.start_recorder())
    await house.start_web()
    try:
        meeting = await Meeting(house).open()
        recording = f"/api/sessions/{meeting.session_id}/recording"
        assert (await meeting.host.post(recording, {"step": "start"})).status == 200
        talk_id = await held(meeting, streams)
        await transcribed(house, meeting.host, talk_id)
        assert (await meeting.host.post(f"/api/sessions/{meeting.session_id}/end")).status == 200
        await house.wait(meeting.host, meeting.session_id, lambda d: d["recording"]["state"] == "sealed", 40)
        store = open_store(house.settings).inner
        lies_encrypted(house, store, talk_id)
        main = objects(house, store, meeting.session_id)
        assert not any(data.startswith(MAGIC) for data in main.values()), "the others as ever"
        await played_by_the_mediator_alone(meeting, talk_id)
        await asyncio.to_thread(checked_and_found, house, store, talk_id)
        await not_played_when_damaged(house, store, meeting.host, talk_id)
        assert await asyncio.to_thread(reconcile.run, house.settings, json_out=True) == reconcile.EXIT_FITS
        await without_the_installations_key(house, meeting.host, talk_id)
    finally:
        await house.close()


async def held(meeting: Meeting, streams: list[Stream]) -> str:
    """Host and guest talk alone, and agree that it is recorded; the session, sealed."""
    house, talk_id = meeting.house, await meeting.begun()
    inside = {name: await house.enter(meeting.people[name], talk_id) for name in ("host", "guest")}
    await house.wait(meeting.host, talk_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    for name in ("host", "guest"):
        own = next(p for p in (await house.detail(meeting.people[name], talk_id))["participants"] if p["me"])
        assert (await house.say(meeting.people[name], talk_id, own["attendees"][0]["id"], True)).status == 200
    assert (await meeting.host.post(f"/api/sessions/{talk_id}/recording", {"step": "start"})).status == 200
    await talk(inside["guest"], TALK_S, streams)
    assert (await meeting.host.post(f"/api/sessions/{talk_id}/end")).status == 200
    await house.wait(meeting.host, talk_id, lambda d: d["recording"]["state"] == "sealed", 40)
    return talk_id


async def transcribed(house: House, host: Browser, talk_id: str) -> None:
    """By the worker as it really runs."""
    await house.start("transcribe")
    detail = await house.wait(host, talk_id, lambda d: d["transcript"]["state"] in ("done", "failed"), 400)
    assert detail["transcript"]["state"] == "done", detail["transcript"]
    assert (await host.get(f"/api/sessions/{talk_id}/transcript")).status == 200
    for name in [name for name in house.processes if name == "transcribe"]:
        await house.kill(name)


def objects(house: House, store: ObjectStore, session_id: str) -> dict[str, bytes]:
    """What lies in the bucket, as it lies there."""
    folder = session_folder(house.settings.county, session_id)
    return {item.key: store.read_bytes(item.key) for item in store.list(folder)}


def lies_encrypted(house: House, store: ObjectStore, talk_id: str) -> None:
    found = objects(house, store, talk_id)
    own = found.pop(own_key_key(house.settings.county, talk_id))
    kinds = {key.split("/")[3] for key in found}
    assert {"manifest.json", "tracks", "transcripts"} <= kinds, kinds
    assert all(data.startswith(MAGIC) for data in found.values())
    names = [b'"session_id"', b'"tracks"', b'"lines"', talk_id.encode(), "吴发明".encode()]
    for data in found.values():
        assert EBML not in data and not any(name in data for name in names)
    opened, keyed = open_store(house.settings), [key for key in found if key.endswith(".webm")]
    assert keyed and all(opened.read_bytes(key).startswith(EBML) for key in keyed), "the look finds what is there"
    assert (house.settings.secrets_dir / KEY_NAME).read_bytes().hex().encode() not in own
    left = [path for path in (house.settings.spool_dir / house.settings.county / "sessions").glob("*")]
    assert talk_id not in {path.name for path in left}


async def played_by_the_mediator_alone(meeting: Meeting, talk_id: str) -> None:
    house = meeting.house
    reply = await meeting.host.get(f"/api/sessions/{talk_id}/playback")
    assert reply.status == 200, reply.body
    tracks = {track["kind"]: track["epochs"][0]["segments"] for track in reply.body["tracks"]}
    assert set(tracks) == {"audio", "video"}
    for segments in tracks.values():
        await plays(meeting.host, segments)
    url = tracks["video"][0]["url"]
    _, whole, _ = await read(meeting.host, url)
    for start, end in ((0, 0), (len(whole) // 2, len(whole) // 2 + 9), (len(whole) - 1, len(whole) - 1)):
        status, some, _ = await read(meeting.host, url, Range=f"bytes={start}-{end}")
        assert (status, some) == (206, whole[start : end + 1])
    strangers = [await house.front.signed_in(role) for role in ("administrator", "clerk", "hq_officer")]
    for browser in (meeting.guest, meeting.other, *strangers):
        for path in (url, f"/api/sessions/{talk_id}/playback", f"/api/sessions/{talk_id}/transcript"):
            status, body, _ = await read(browser, path)
            assert status in (403, 404) and EBML not in body, path


def checked_and_found(house: House, store: ObjectStore, talk_id: str) -> None:
    """`videohome verify` is green, and names whatever is not as it was sealed."""
    status, text = verify(house, talk_id)
    assert status == 0 and "opened with the session's own key" in text, text
    found = objects(house, store, talk_id)
    first, second = sorted(key for key in found if key.endswith(".webm"))[:2]
    manifest, plain = manifest_key(house.settings.county, talk_id), open_store(house.settings).read_bytes(first)
    flipped = bytearray(found[first])
    flipped[len(flipped) // 2] ^= 1
    for key, data, words in (
        (first, bytes(flipped), f"Segment {first} was changed, or is another object"),
        (first, found[second], f"Segment {first} was changed, or is another object"),
        (first, plain, f"Segment {first} is not encrypted, although its session has a key of its own"),
        (manifest, found[second], f"The manifest {manifest} was changed, or is another object"),
        (manifest, b"{}", f"The manifest {manifest} is not encrypted"),
    ):
        store.put_bytes(key, data)
        status, text = verify(house, talk_id)
        assert status == 1 and words in text, text
        store.put_bytes(key, found[key])
    assert verify(house, talk_id)[0] == 0


def verify(house: House, session_id: str) -> tuple[int, str]:
    out = io.StringIO()
    return verify_recording(house.settings, session_id, console=Console(file=out, width=400)), out.getvalue()


async def not_played_when_damaged(house: House, store: ObjectStore, host: Browser, talk_id: str) -> None:
    found = await asyncio.to_thread(objects, house, store, talk_id)
    first = next(key for key in sorted(found) if key.endswith(".webm"))
    _, track, name = first.rsplit("/", 2)
    url = f"/api/sessions/{talk_id}/segments/{track}/1/{int(name[6:11])}"
    plain = await asyncio.to_thread(open_store(house.settings).read_bytes, first)
    await asyncio.to_thread(store.put_bytes, first, plain)
    reply = await host.get(url)
    assert (reply.status, reply.code) == (500, "record_damaged")
    await asyncio.to_thread(store.put_bytes, first, found[first])
    _, whole, _ = await read(host, url)
    assert hashlib.sha256(whole).hexdigest() == hashlib.sha256(plain).hexdigest()


async def without_the_installations_key(house: House, host: Browser, talk_id: str) -> None:
    """After a restart on a machine that lost it: said in a sentence by the command and by the pages."""
    path = house.settings.secrets_dir / KEY_NAME
    key = path.read_bytes()
    path.unlink()
    status, text = await asyncio.to_thread(verify, house, talk_id)
    assert status == 1 and f"The key file {path} is missing; put it back from your backup." in text
    signed_in, page = host.cookie(), f"/api/sessions/{talk_id}/playback"
    await house.stop_web()
    await house.start_web()
    same = house.front.browser()
    same.http.cookie_jar.update_cookies(SimpleCookie(f"{COOKIE}={signed_in}; Path=/; Secure"), house.front.url)
    reply = await same.get(page)
    assert (reply.status, reply.code) == (500, "recording_key_missing")
    path.write_bytes(key)
    assert (await asyncio.to_thread(verify, house, talk_id))[0] == 0
    reply = await same.get(page)
    assert reply.status == 200, "as soon as it is back"
