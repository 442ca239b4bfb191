# SPDX-License-Identifier: Apache-2.0
"""A copy from the asking to the fetching, with a real store; refused, cancelled, without room, and killed half-way."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from storage import layout
from storage.cli import verify as verify_command
from storage.database.models import Session, Transcript, TranscriptLine
from storage.ids import new_id
from storage.keyed_format import MAGIC
from storage.objects import open_store
from storage.own_keys import new_own_key
from tests.recordings import Sound, put_recording, write_silence
from tests.web.front import Browser, Reply
from tests.web.sessions.house import House, eventually
from tests.web.sessions.test_playback import read
from web.api.copies import MAKER
from web.api.core import DATABASE
from web.api.custody_shapes import CopyList, CopyShape
from web.casework.copies import KEPT_MS

ASKED = {"purpose": "移送法院", "recipient": "永安法庭"}
SAID = "</script>是我家的地。"
PLAYER = "<!doctype html><title>x</title><!--record--><script>1</script>"


@pytest.fixture
async def stored(tmp_path: Path, ui_folder: Path) -> AsyncIterator[House]:
    """Web and the store; the pages have an offline player."""
    (ui_folder / "offline").mkdir()
    (ui_folder / "offline" / "player.html").write_text(PLAYER, "utf-8")
    made = House(tmp_path / "data", ui_folder)
    await made.start_store()
    await made.start_web()
    yield made
    await made.close()


async def recorded(house: House, browser: Browser, tmp_path: Path, *, own_key: bool = False) -> str:
    """A session of two microphones, 32 and 12 seconds long: four and two segments."""
    session_id = await house.session(browser, "田埂纠纷 <b>")
    for name, length_ms in (("long", 32_000), ("short", 12_000)):
        write_silence(tmp_path / f"{name}.opus", length_ms)
    sounds = [Sound("p1", "永安派出所", tmp_path / "long.opus"), Sound("p2", "信访办", tmp_path / "short.opus", 8_000)]
    store = open_store(house.settings)
    if own_key:
        text = new_own_key(house.settings.secrets_dir, session_id, may_make=True)
        name = layout.own_key_key(house.settings.county, session_id)
        await asyncio.to_thread(store.put_bytes, name, text.encode())
    await asyncio.to_thread(put_recording, house.settings, store, session_id, sounds)
    async with house.front.app[DATABASE].begin() as db:
        row = await db.get_one(Session, session_id)
        row.state, row.recording, row.recording_started_utc_ms, row.ended_utc_ms = "ended", "stopped", 1, 2
        row.manifest_key, row.complete, row.duration_ms = (
            layout.manifest_key(house.settings.county, session_id),
            True,
            32_000,
        )
    return session_id


async def ask(clerk: Browser, session_id: str, **more: Any) -> Reply:
    return await clerk.post(f"/api/sessions/{session_id}/copies", {**ASKED, **more})


async def state(browser: Browser, copy_id: str) -> dict[str, Any]:
    found = CopyList.model_validate((await browser.get("/api/copies")).body)
    return next(copy.model_dump() for copy in found.copies if copy.id == copy_id)


async def in_state(browser: Browser, copy_id: str, wanted: str) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        found = await state(browser, copy_id)
        return found if found["state"] == wanted else None

    found: dict[str, Any] = await eventually(there, 60)
    return found


async def done_with(clerk: Browser, session_id: str) -> list[str]:
    events = (await clerk.get(f"/api/sessions/{session_id}/custody")).body["events"]
    return [event["action"] for event in reversed(events) if event["action"].startswith("export.")]


def verified(house: House, folder: Path) -> tuple[int, str]:
    out = StringIO()
    status = verify_command.run(house.settings, str(folder), console=Console(file=out, width=400))
    return status, out.getvalue()


@pytest.mark.parametrize("own_key", [False, True])
async def test_a_part_is_asked_for_approved_made_fetched_and_verified(
    stored: House, tmp_path: Path, own_key: bool
) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk", name="赵书记员")
    leader = await stored.front.signed_in("administrator", name="钱科长")
    session_id = await recorded(stored, officer, tmp_path, own_key=own_key)
    lies = open_store(stored.settings).inner.read_bytes(layout.manifest_key(stored.settings.county, session_id))
    assert lies.startswith(MAGIC) == own_key, "whatever lies in the store, a copy holds plain bytes"
    asked = await ask(clerk, session_id, from_ms=12_000, to_ms=19_000, track_ids=["p1-mic"])
    copy = CopyShape.model_validate(asked.body)
    assert (copy.state, copy.can.decide, copy.can.cancel) == ("asked", False, True)
    assert (await state(leader, copy.id))["can"]["decide"]
    assert (await clerk.post(f"/api/copies/{copy.id}/decision", {"approve": True})).status == 403
    approved = await leader.post(f"/api/copies/{copy.id}/decision", {"approve": True, "reason": "同意"})
    assert approved.status == 200, approved.body
    assert (await leader.post(f"/api/copies/{copy.id}/decision", {"approve": False, "reason": "x"})).code
    ready = await in_state(clerk, copy.id, "ready")
    assert (ready["can"]["fetch"], (await state(leader, copy.id))["can"]["fetch"]) == (True, False)
    status, body, headers = await read(clerk, f"/api/copies/{copy.id}/file")
    assert (status, len(body), headers["Content-Type"]) == (200, ready["bytes"], "application/zip")
    with zipfile.ZipFile(io.BytesIO(body)) as pack:
        names = pack.namelist()
        pack.extractall(tmp_path / "copy")
    assert sorted(names) == [
        "copy-certificate.pdf",
        "copy.json",
        "manifest.json",
        "player.html",
        "tracks/p1-mic/e001-s00001.webm",
    ]
    record = (tmp_path / "copy" / "player.html").read_text("utf-8")
    assert "<b>" not in record and "tracks/p1-mic/e001-s00001.webm" in record and "<!--record-->" not in record
    assert record.count('"cause":"not_copied"') == 4, "before and after, of the track and of all"
    assert await done_with(clerk, session_id) == ["export.ask", "export.approve", "export.ready", "export.download"]
    status, said = verified(stored, tmp_path / "copy")
    assert status == 0, said
    for words in ("copy of a part", "1 of 6 segments", "移送法院", "永安法庭", "p2-mic", "Not in the copy"):
        assert words in said, said
    stored.clock.forward(KEPT_MS)
    await stored.front.sign_in(clerk, "account", clerk.id)  # that of yesterday is over
    assert (await clerk.get(f"/api/copies/{copy.id}/file")).code == "copy_not_found"
    stored.front.app[MAKER].hurry()
    await in_state(clerk, copy.id, "expired")
    assert await eventually(lambda: _empty(stored))


async def _empty(house: House) -> bool:
    return not list((house.settings.data_dir / "copies").iterdir())


async def transcribed(house: House, session_id: str) -> None:
    """Three lines of the first endpoint and one of the other, and the engine's result in the store."""
    county, transcript_id = house.settings.county, new_id()
    key = layout.transcript_key(county, session_id, transcript_id)
    result = {"model": {"name": "base", "digest": "ab"}, "options": {}, "libraries": {}, "manifest_sha256": "cd"}
    await asyncio.to_thread(open_store(house.settings).put_bytes, key, json.dumps(result).encode())
    async with house.front.app[DATABASE].begin() as db:
        facts = {"county": county, "session_id": session_id, "state": "done", "language": "zh", "created_utc_ms": 1}
        db.add(Transcript(id=transcript_id, result_key=key, **facts))
        await db.flush()
        said = [(2_000, "p1", "太早。"), (13_000, "p1", SAID), (14_000, "p2", "别人说。"), (25_000, "p1", "太晚。")]
        for n, (at_ms, peer_id, text) in enumerate(said):
            line = {"start_ms": at_ms, "end_ms": at_ms + 900, "peer_id": peer_id, "speaker": peer_id, "flags": []}
            db.add(TranscriptLine(transcript_id=transcript_id, n=n, text=text, **line))


async def test_what_was_said_goes_along_as_far_as_it_was_copied(stored: House, tmp_path: Path) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk", name="赵书记员")
    leader = await stored.front.signed_in("administrator", name="钱科长")
    session_id = await recorded(stored, officer, tmp_path)
    part = {"from_ms": 12_000, "to_ms": 19_000, "track_ids": ["p1-mic"], "formats": ["docx", "srt", "json"]}
    assert (await ask(clerk, session_id, **part)).code == "transcript_not_ready"
    await transcribed(stored, session_id)
    copy_id = CopyShape.model_validate((await ask(clerk, session_id, **part)).body).id
    assert (await leader.post(f"/api/copies/{copy_id}/decision", {"approve": True})).status == 200
    await in_state(clerk, copy_id, "ready")
    _, body, _ = await read(clerk, f"/api/copies/{copy_id}/file")
    with zipfile.ZipFile(io.BytesIO(body)) as pack:
        pack.extractall(tmp_path / "copy")
    copy = tmp_path / "copy"
    assert SAID in (copy / "transcript.srt").read_text("utf-8-sig")
    assert [line["text"] for line in json.loads((copy / "transcript.json").read_bytes())["lines"]] == [SAID]
    assert (copy / "transcript.docx").read_bytes()[:2] == b"PK"
    page = (copy / "player.html").read_text("utf-8")
    assert "\\u003c/script>是我家的地。" in page and page.count("</script>") == 2, "no line ends the page's script"
    for path in [copy / "transcript.srt", copy / "player.html"]:
        assert not any(word in path.read_text("utf-8") for word in ("太早", "太晚", "别人说"))
    status, said = verified(stored, copy)
    assert status == 0 and "Not covered" not in said, said
    (copy / "transcript.srt").write_bytes((copy / "transcript.srt").read_bytes().replace(b"13", b"14"))
    assert verified(stored, copy)[0] == 1


async def test_refused_cancelled_and_impossible_copies_leave_nothing(stored: House, tmp_path: Path) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk")
    other = await stored.front.signed_in("clerk")
    leader = await stored.front.signed_in("administrator")
    session_id = await recorded(stored, officer, tmp_path)
    for wrong, code in (
        ({"from_ms": 5, "to_ms": 5}, "copy_span_empty"),
        ({"from_ms": 90_000}, "copy_nothing_chosen"),
        ({"track_ids": ["nobody-mic"]}, "copy_nothing_chosen"),
        ({"formats": ["docx"]}, "transcript_not_ready"),
        ({"formats": ["exe"]}, "input_invalid"),
        ({"purpose": " "}, "input_invalid"),
    ):
        assert (await ask(clerk, session_id, **wrong)).code == code
    first = (await ask(clerk, session_id)).body["id"]
    assert (await leader.post(f"/api/copies/{first}/decision", {"approve": False})).code == "copy_reason_needed"
    await leader.post(f"/api/copies/{first}/decision", {"approve": False, "reason": "与案件无关"})
    assert (await state(clerk, first))["reason"] == "与案件无关"
    second = (await ask(clerk, session_id)).body["id"]
    await leader.post(f"/api/copies/{second}/decision", {"approve": True})
    await in_state(clerk, second, "ready")
    assert (await other.post(f"/api/copies/{second}/cancel")).code == "copy_not_own"
    assert (await other.get(f"/api/copies/{second}/file")).code == "copy_not_found"
    assert (await clerk.post(f"/api/copies/{second}/cancel")).body["state"] == "cancelled"
    assert (await clerk.get(f"/api/copies/{second}/file")).code == "copy_not_found"
    assert await _empty(stored)


async def test_hq_asks_but_another_approves(stored: House, tmp_path: Path) -> None:
    hq = await stored.front.signed_in("hq_officer", name="孙警官")
    session_id = await recorded(stored, hq, tmp_path)
    copy_id = (await ask(hq, session_id)).body["id"]
    assert (await hq.post(f"/api/copies/{copy_id}/decision", {"approve": True})).code == "copy_own"
    stranger = await stored.front.signed_in("hq_officer")
    assert (await stranger.post(f"/api/copies/{copy_id}/decision", {"approve": True})).code == "copy_not_found"
    assert (await stranger.get("/api/copies")).body == {"copies": []}


async def test_a_full_disk_and_a_damaged_segment_are_said_and_tried_again(
    stored: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk")
    leader = await stored.front.signed_in("administrator")
    session_id = await recorded(stored, officer, tmp_path)
    folder = stored.front.app[MAKER].folder
    monkeypatch.setattr(folder, "_reserve_bytes", 1 << 60)
    copy_id = (await ask(clerk, session_id)).body["id"]
    await leader.post(f"/api/copies/{copy_id}/decision", {"approve": True})
    assert (await in_state(clerk, copy_id, "failed"))["error_code"] == "copy_no_room"
    monkeypatch.setattr(folder, "_reserve_bytes", 0)
    store = open_store(stored.settings)
    key = layout.segment_key(stored.settings.county, session_id, "p1-mic", 1, 3)
    right = await asyncio.to_thread(store.read_bytes, key)
    await asyncio.to_thread(store.put_bytes, key, right[:-1] + bytes([right[-1] ^ 1]))
    await clerk.post(f"/api/copies/{copy_id}/retry")
    assert (await in_state(clerk, copy_id, "failed"))["error_code"] == "record_damaged"
    assert await _empty(stored)
    await asyncio.to_thread(store.put_bytes, key, right)
    await clerk.post(f"/api/copies/{copy_id}/retry")
    await in_state(clerk, copy_id, "ready")
    _, body, _ = await read(clerk, f"/api/copies/{copy_id}/file")
    with zipfile.ZipFile(io.BytesIO(body)) as pack:
        pack.extractall(tmp_path / "whole")
    said = verified(stored, tmp_path / "whole")
    assert said[0] == 0 and "6 of 6 segments" in said[1], said


async def test_what_a_killed_program_left_is_removed_and_made_again(stored: House, tmp_path: Path) -> None:
    officer = await stored.front.signed_in("station_officer")
    clerk = await stored.front.signed_in("clerk")
    leader = await stored.front.signed_in("administrator")
    session_id = await recorded(stored, officer, tmp_path)
    await stored.kill("storage.embedded")
    copy_id = await _asked_without_store(stored, clerk, session_id)
    await leader.post(f"/api/copies/{copy_id}/decision", {"approve": True})
    assert (await in_state(clerk, copy_id, "failed"))["error_code"] == "store_away"
    await stored.start_store()
    left = stored.settings.data_dir / "copies"
    left.mkdir(exist_ok=True)
    (left / f"{copy_id}.part").write_bytes(b"half")
    (left / "0123.zip").write_bytes(b"nobody's")
    await clerk.post(f"/api/copies/{copy_id}/retry")
    await in_state(clerk, copy_id, "ready")
    assert [path.name for path in left.iterdir()] == [f"{copy_id}.zip"]
    assert json.loads(zipfile.ZipFile(left / f"{copy_id}.zip").read("copy.json"))["copy_id"] == copy_id


async def _asked_without_store(house: House, clerk: Browser, session_id: str) -> str:
    """Asking looks at the manifest, so the store must have been there a moment before."""
    reply = await ask(clerk, session_id)
    if reply.code != "store_away":
        return str(reply.body["id"])
    await house.start_store()
    copy_id = str((await ask(clerk, session_id)).body["id"])
    await house.kill("storage.embedded")
    return copy_id
