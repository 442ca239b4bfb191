# SPDX-License-Identifier: Apache-2.0
"""From a real call to what a player gets, with real mediaserver, recorder and store; and whatever may be wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from sqlalchemy import select, update

from storage import layout
from storage.database.models import AuditEvent, Session, Transcript, TranscriptLine
from storage.ids import new_id
from storage.integrity_code import integrity_code
from storage.manifest import Clock, Epoch, Event, Gap, Manifest, Part, Peer, Segment, Track
from storage.objects import open_store
from storage.seal import load_key, next_chain, seal
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.shell.endpoint import Wire
from tests.sim.call import audio_parameters, video_parameters
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House
from web.api.core import DATABASE

TALK_S = 12.0


@pytest.fixture
async def stored(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Web and the store."""
    made = House(tmp_path / "data", ui_folder)
    await made.start_store()
    await made.start_web()
    yield made
    await made.close()


async def talk(page: FrontPage, seconds: float, streams: list[Stream]) -> None:
    """A microphone and a camera in real time, with the checks that a browser sends to stay."""
    wire = page.wires["send"]
    for source, kind, parameters in (
        ("mic", "audio", audio_parameters(ssrc=3333)),
        ("cam", "video", video_parameters()),
    ):
        data = {"transport_id": wire.described["id"], "source": source, "kind": kind, "rtp_parameters": parameters}
        await page.good("produce", data)
    started_s = checked_s = time.monotonic()
    while (passed_ms := (time.monotonic() - started_s) * 1000) < seconds * 1000:
        if time.monotonic() - checked_s > 2:
            checked_s = time.monotonic()
            for each in page.wires.values():
                each.check()
        for stream in streams:
            send_due(wire, stream, passed_ms)
        await asyncio.sleep(0.01)


def send_due(wire: Wire, stream: Stream, passed_ms: float) -> None:
    while stream.at_ms <= passed_ms:
        for packet in stream.next():
            wire.send_rtp(packet)


async def read(browser: Browser, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async with browser.http.get(browser.front.url.with_path(path), headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def audited(house: House, action: str) -> int:
    async with house.front.app[DATABASE].read() as db:
        return len(list(await db.scalars(select(AuditEvent.id).where(AuditEvent.action == action))))


async def test_a_call_is_recorded_sealed_queued_for_the_worker_and_played(tmp_path: Path, ui_folder: Path) -> None:
    house = House(tmp_path / "data", ui_folder)
    # Encoding the clips takes long: before anybody waits for packets.
    streams = [Stream("audio", ssrc=3333), Stream("video", ssrc=1111)]
    await asyncio.gather(house.start_store(), house.start_mediaserver(), house.start_recorder())
    await house.start_web()
    try:
        await record_and_play(house, streams)
    finally:
        await house.close()


async def record_and_play(house: House, streams: list[Stream]) -> None:
    officer = await house.front.signed_in("station_officer")
    clerk = await house.front.signed_in("clerk")
    session_id = await house.session(officer)
    await house.consented(officer, session_id, "吴发明")
    page = await house.enter(officer, session_id)
    await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
    early = await clerk.get(f"/api/sessions/{session_id}/playback")
    assert (early.status, early.code) == (409, "recording_not_ready")
    await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    await talk(page, TALK_S, streams)
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["recorded_to_ms"] > 5_000, "told while it happens"
    await officer.post(f"/api/sessions/{session_id}/marks", {"kind": "section", "label": "宣读协议"})
    await officer.post(f"/api/sessions/{session_id}/marks", {"kind": "marker"})
    await officer.post(f"/api/sessions/{session_id}/end")
    detail = await house.wait(clerk, session_id, lambda d: d["recording"]["state"] == "sealed", 40)
    assert detail["duration_ms"] == pytest.approx(TALK_S * 1000, abs=1_500)
    assert detail["recording"]["complete"] is True
    assert detail["transcript"]["state"] == "queued", "once, and without being asked"
    assert [event["type"] for event in detail["events"]].count("recording_sealed") == 1
    reply = await clerk.get(f"/api/sessions/{session_id}/playback")
    assert reply.status == 200, reply.body
    consents = [event for event in reply.body["events"] if event["type"] == "consent"]
    assert [event["data"]["name"] for event in consents] == ["吴发明"], "the consent stands in the sealed record"
    (section,), (marker,) = reply.body["sections"], reply.body["markers"]
    assert (section["label"], section["to_ms"]) == ("宣读协议", None)
    assert TALK_S * 1000 - 500 < section["from_ms"] <= marker["at_ms"], "on the session clock"
    assert [event["data"]["people"] for event in reply.body["events"] if event["type"] == "roster"] == [
        [{"name": "吴发明", "kind": "party"}]
    ]
    assert {track["kind"] for track in reply.body["tracks"]} == {"audio", "video"}
    for track in reply.body["tracks"]:
        (epoch,) = track["epochs"]
        assert len(epoch["segments"]) >= 2
        await plays(clerk, epoch["segments"])
    assert await audited(house, "session.play") == 1, "one viewing, however many reads"
    # The recorder has been told to forget it, and does.
    await house.running.recorder.ask()
    assert all(entry.session_id != session_id for entry in (await house.running.recorder.ask()).entries)
    assert await audited(house, "recording.started") == 1
    async with house.front.app[DATABASE].read() as db:
        assert len(list(await db.scalars(select(Transcript.id).where(Transcript.session_id == session_id)))) == 1


async def test_a_store_that_is_away_during_the_call_costs_nothing_and_the_pages_say_so(
    tmp_path: Path, ui_folder: Path
) -> None:
    house = House(tmp_path / "data", ui_folder)
    streams = [Stream("audio", ssrc=3333), Stream("video", ssrc=1111)]
    await asyncio.gather(house.start_store(), house.start_mediaserver(), house.start_recorder())
    await house.start_web()
    try:
        officer = await house.front.signed_in("station_officer")
        session_id = await house.session(officer)
        await house.consented(officer, session_id, "吴发明")
        page = await house.enter(officer, session_id)
        await house.wait(officer, session_id, lambda d: d["participants"][0]["present"])
        await officer.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
        await house.kill("storage.embedded")
        await talk(page, TALK_S, streams)

        def away(details: dict[str, Any]) -> bool:  # it may be known before the first upload has to wait
            told = details["recording"]
            return told["warning"] == "store_away" and told["waiting_uploads"] > 0

        assert (await house.wait(officer, session_id, away, 20))["recording"]["state"] == "on"
        await officer.post(f"/api/sessions/{session_id}/end")
        await house.start_store()
        sealed = await house.wait(officer, session_id, lambda d: d["recording"]["state"] == "sealed", 40)
        assert sealed["recording"]["warning"] is None
        reply = await officer.get(f"/api/sessions/{session_id}/playback")
        assert reply.body["duration_ms"] == pytest.approx(TALK_S * 1000, abs=1_500)
    finally:
        await house.close()


async def plays(clerk: Browser, segments: list[dict[str, Any]]) -> None:
    """Each segment is a file that decodes; parts are ranges of it."""
    for segment in segments:
        status, whole, headers = await read(clerk, segment["url"])
        assert (status, len(whole)) == (200, segment["bytes"])
        digest = base64.b64encode(hashlib.sha256(whole).digest()).decode()
        assert headers["Repr-Digest"] == f"sha-256=:{digest}:"
        with av.open(io.BytesIO(whole)) as opened:
            assert sum(1 for _ in opened.decode()) > 0
        part = segment["parts"][-1]
        span = f"bytes={part['offset']}-{part['offset'] + part['bytes'] - 1}"
        status, some, headers = await read(clerk, segment["url"], Range=span)
        assert (status, some) == (206, whole[part["offset"] : part["offset"] + part["bytes"]])
        assert headers["Content-Range"] == f"bytes {span.removeprefix('bytes=')}/{segment['bytes']}"


# A sealed recording made by hand, to change one thing at a time


def sealed_by_hand(house: House, session_id: str, data: bytes, **changes: Any) -> Manifest:
    """A manifest of one audio segment, sealed with this installation's key."""
    sha256 = hashlib.sha256(data).hexdigest()
    county, key = house.settings.county, load_key(house.settings.secrets_dir)
    name = layout.segment_key(county, session_id, "p1-mic", 1, 0)
    parts = (Part(10, len(data) - 10, 40, True),)
    segment = Segment(name, 0, 40, 9_990, len(data), 10, sha256, "0" * 64, next_chain("", sha256), parts, 500, 0)
    epoch = Epoch(1, "opus", 48_000, 0, 40, 9_990, Clock(-12.5, 3.0, 4), (segment,))
    values: dict[str, Any] = {
        "version": 1,
        "county": county,
        "session_id": session_id,
        "room": session_id,
        "origin_utc_ms": 1_795_510_800_000,
        "ended_utc_ms": None,
        "software": "test",
        "server_boots": ("b",),
        "peers": (Peer("p1", "永安派出所 调解室", "永安派出所"),),
        "tracks": (Track("p1-mic", "p1", "mic", "audio", (epoch,)),),
        "gaps": (Gap("p1-mic", 500, 900, "loss", 1, 20, 20),),
        "events": (Event(0, 1, "recording_started", {}),),
        "complete": False,
    }
    return seal(Manifest(**{**values, **changes}), changes.pop("key", key), 1_795_510_900_000)


async def put_by_hand(house: House, browser: Browser, data: bytes, *, manifest: bytes | None = None) -> str:
    """A session whose sealed recording lies in the store; its id."""
    session_id = await house.session(browser)
    county = house.settings.county
    key = layout.manifest_key(county, session_id)
    store = open_store(house.settings)
    stored = manifest if manifest is not None else sealed_by_hand(house, session_id, data).to_bytes()
    await asyncio.to_thread(store.put_bytes, key, stored)
    await asyncio.to_thread(store.put_bytes, layout.segment_key(county, session_id, "p1-mic", 1, 0), data)
    values = {"state": "ended", "recording": "stopped", "recording_started_utc_ms": 1, "ended_utc_ms": 2}
    async with house.front.app[DATABASE].begin() as db:
        done = update(Session).where(Session.id == session_id)
        await db.execute(done.values(**values, manifest_key=key, complete=False, duration_ms=9_990))
    return session_id


async def test_the_description_says_where_what_lies(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    session_id = await put_by_hand(stored, officer, b"x" * 3_000)
    reply = await officer.get(f"/api/sessions/{session_id}/playback")
    body = reply.body
    (track,) = body["tracks"]
    (epoch,) = track["epochs"]
    assert (epoch["timestamp_offset_ms"], epoch["rate_ppm"], epoch["origin_ms"]) == (-12.5, 3.0, 0)
    assert epoch["mime"] == 'audio/webm; codecs="opus"'
    (segment,) = epoch["segments"]
    assert segment["url"] == f"/api/sessions/{session_id}/segments/p1-mic/1/0"
    assert segment["parts"] == [{"offset": 10, "bytes": 2_990, "start_ms": 40, "keyframe": True}]
    assert body["gaps"] == [{"track_id": "p1-mic", "from_ms": 500, "to_ms": 900, "cause": "loss", "packets": 20}]
    assert body["peers"] == [{"peer_id": "p1", "name": "永安派出所 调解室", "place": "永安派出所"}]
    assert body["public_key"] == load_key(stored.settings.secrets_dir).public_key().public_bytes_raw().hex()
    assert body["integrity_code"] == integrity_code(body["manifest_sha256"])
    stranger = await stored.front.signed_in("station_officer")
    for path in ("playback", "segments/p1-mic/1/0", "transcript"):
        assert (await stranger.get(f"/api/sessions/{session_id}/{path}")).code == "session_not_found"


async def test_the_certificate_says_what_is_missing_and_is_taken_out_for_the_file(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    session_id = await put_by_hand(stored, officer, b"x" * 3_000)
    path = f"/api/sessions/{session_id}/certificate"
    body = (await officer.get(path)).body
    assert body["complete"] is False
    (missing,) = [item for item in body["sentences"] if item["section"] == "missing"]
    assert missing["from_ms"] == 500 and "永安派出所 调解室" in missing["text"]
    assert await audited(stored, "certificate.download") == 0
    status, text, headers = await read(officer, f"{path}.txt")
    assert status == 200 and body["integrity_code"] in text.decode("utf-8-sig")
    assert f"certificate-{session_id}.txt" in headers["Content-Disposition"]
    status, word, headers = await read(officer, f"{path}.docx")
    assert status == 200 and word.startswith(b"PK")
    assert await audited(stored, "certificate.download") == 2
    stranger = await stored.front.signed_in("station_officer")
    for ending in ("", ".docx", ".txt"):
        assert (await stranger.get(path + ending)).code == "session_not_found"
    early = await stored.session(officer)
    assert (await officer.get(f"/api/sessions/{early}/certificate")).code == "recording_not_ready"


async def test_ranges_at_their_edges(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    data = bytes(range(256)) * 3_000  # three blocks of the store's reader
    session_id = await put_by_hand(stored, officer, data)
    path = f"/api/sessions/{session_id}/segments/p1-mic/1/0"
    size = len(data)
    for asked, status, body, told in (
        (None, 200, data, None),
        ("bytes=0-0", 206, data[:1], f"bytes 0-0/{size}"),
        (f"bytes={size - 1}-", 206, data[-1:], f"bytes {size - 1}-{size - 1}/{size}"),
        ("bytes=-300", 206, data[-300:], f"bytes {size - 300}-{size - 1}/{size}"),
        (f"bytes=5-{size + 100}", 206, data[5:], f"bytes 5-{size - 1}/{size}"),
        (f"bytes={size}-", 416, b"", f"bytes */{size}"),
        ("bytes=-0", 416, b"", f"bytes */{size}"),
        ("bytes=0-1,4-5", 200, data, None),
    ):
        found = await read(officer, path, **({} if asked is None else {"Range": asked}))
        assert (found[0], found[1], found[2].get("Content-Range")) == (status, body, told), asked
    etag = found[2]["ETag"]
    assert (await read(officer, path, **{"Range": "bytes=0-0", "If-Range": etag}))[0] == 206
    assert (await read(officer, path, **{"Range": "bytes=0-0", "If-Range": '"other"'}))[0] == 200
    for wrong in ("segments/p1-mic/1/1", "segments/p1-mic/2/0", "segments/p2-mic/1/0", "segments/p1-mic/x/0"):
        assert (await read(officer, f"/api/sessions/{session_id}/{wrong}"))[0] == 404
    assert await audited(stored, "session.play") == 1


async def test_what_is_not_what_was_sealed_is_never_played(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    other = sealed_by_hand(stored, "0" * 26, b"x" * 100).to_bytes()
    session_id = await put_by_hand(stored, officer, b"x" * 100, manifest=other)
    reply = await officer.get(f"/api/sessions/{session_id}/playback")
    assert (reply.status, reply.code) == (500, "record_damaged"), "the manifest of another session"
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    good = sealed_by_hand(stored, session_id, b"x" * 100)
    changed = json.loads(good.to_bytes()) | {"complete": True}
    key = layout.manifest_key(stored.settings.county, session_id)
    store = open_store(stored.settings)
    await asyncio.to_thread(store.put_bytes, key, json.dumps(changed).encode())
    assert (await officer.get(f"/api/sessions/{session_id}/playback")).code == "record_damaged"
    await asyncio.to_thread(store.delete, key)
    reply = await officer.get(f"/api/sessions/{session_id}/playback")
    assert (reply.status, reply.code) == (404, "record_missing")
    # A segment with the right size and other bytes: the answer is cut before its end.
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    segment_key = layout.segment_key(stored.settings.county, session_id, "p1-mic", 1, 0)
    await asyncio.to_thread(store.put_bytes, segment_key, b"y" * 100)
    with pytest.raises(aiohttp.ClientError):
        await read(officer, f"/api/sessions/{session_id}/segments/p1-mic/1/0")


async def test_a_store_that_is_away_is_said_in_one_sentence_and_comes_back(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer")
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    await stored.kill("storage.embedded")
    reply = await officer.get(f"/api/sessions/{session_id}/playback")
    assert (reply.status, reply.code) == (503, "store_away")
    status = await (await stored.front.signed_in("administrator")).get("/api/status")
    items = {item["name"]: item for item in status.body["items"]}
    assert (items["store"]["state"], items["store"]["code"]) == ("fail", "store_away")
    await stored.start_store()
    assert (await officer.get(f"/api/sessions/{session_id}/playback")).status == 200


async def test_transcripts_are_read_and_taken_out(stored: House) -> None:
    officer = await stored.front.signed_in("station_officer", name="王警官")
    clerk = await stored.front.signed_in("clerk")
    session_id = await put_by_hand(stored, officer, b"x" * 100)
    none = await clerk.get(f"/api/sessions/{session_id}/transcript")
    assert none.body == {"transcript": None, "lines": []}
    assert (await clerk.get(f"/api/sessions/{session_id}/transcript.docx")).code == "transcript_not_ready"
    queued = await clerk.post(f"/api/sessions/{session_id}/transcript")
    assert queued.body["transcript"]["state"] == "queued"
    assert (await clerk.post(f"/api/sessions/{session_id}/transcript")).code == "transcript_under_way"
    transcript_id = queued.body["transcript"]["id"]
    key = layout.transcript_key(stored.settings.county, session_id, transcript_id)
    result = {
        "model": {"name": "base", "digest": "d0" * 32},
        "options": {"language": "zh"},
        "libraries": {"faster-whisper": "1.2.1"},
        "manifest_sha256": "ab" * 32,
    }
    await asyncio.to_thread(open_store(stored.settings).put_bytes, key, json.dumps(result).encode())
    async with stored.front.app[DATABASE].begin() as db:
        values = {"state": "done", "progress": 1.0, "result_key": key, "model": "base"}
        await db.execute(update(Transcript).where(Transcript.id == transcript_id).values(**values))
        for n, (peer, text) in enumerate((("p1", "你好。"), ("p1", "请坐。"), ("p2", "谢谢。"))):
            where = {"transcript_id": transcript_id, "n": n, "start_ms": n * 1000, "end_ms": n * 1000 + 900}
            db.add(TranscriptLine(**where, peer_id=peer, speaker=f"说话人{peer}", text=text, flags=[]))
    read_back = await clerk.get(f"/api/sessions/{session_id}/transcript")
    assert [(line["n"], line["turn"], line["text"]) for line in read_back.body["lines"]] == [
        (0, 0, "你好。"),
        (1, 0, "请坐。"),
        (2, 1, "谢谢。"),
    ]
    for extension, start in (("docx", b"PK"), ("srt", b"1\n00:00:00,000"), ("json", b"{")):
        status, body, headers = await read(clerk, f"/api/sessions/{session_id}/transcript.{extension}")
        assert (status, body[: len(start)]) == (200, start)
        assert "filename*=UTF-8''" in headers["Content-Disposition"]
        assert headers["Content-Disposition"].isascii()
    assert json.loads(body)["transcript"]["model_sha256"] == "d0" * 32
    assert await audited(stored, "transcript.download") == 3
    again = await clerk.post(f"/api/sessions/{session_id}/transcript")
    assert again.body["transcript"]["id"] != transcript_id, "the old one stays as it is"
    assert new_id() > again.body["transcript"]["id"]
