# SPDX-License-Identifier: Apache-2.0
"""Markers and sections through the API in a real room, down to what the recorder has on disk for the seal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from storage.database.models import AuditEvent, Participant, Session, SessionEvent, WebhookDelivery
from storage.ids import new_id
from tests.web.conftest import make_ui_folder
from tests.web.front import Browser, Reply
from tests.web.sessions.house import House, until
from web.api.core import DATABASE
from web.api.session_shapes import MarkPut, SessionDetail
from web.casework.marks import LONGEST_LABEL, MOST_EVENTS

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKS = ("marker", "section", "section_ended", "mark_labelled", "mark_removed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One web, mediaserver and recorder for all tests here: each has a session of its own."""
    folder = tmp_path_factory.mktemp("marks")
    webhooks = {"webhook_urls": ("http://127.0.0.1:9/hook",), "webhook_secret": "a-secret-of-this-test"}
    made = House(folder / "data", make_ui_folder(folder), **webhooks)
    await made.start_mediaserver()
    await made.start_recorder()
    await made.start_web()
    checks = asyncio.create_task(stay(made))
    yield made
    checks.cancel()
    await made.close()


async def stay(house: House) -> None:
    """The checks by which a browser tells that it is still there: nobody leaves however slow the machine is."""
    while True:
        for page in house.pages:
            for wire in page.wires.values():
                wire.check()
        await asyncio.sleep(1)


async def put(browser: Browser, session_id: str, kind: str, label: str = "") -> Reply:
    return await browser.post(f"/api/sessions/{session_id}/marks", {"kind": kind, "label": label})


async def good(browser: Browser, session_id: str, kind: str, label: str = "") -> str:
    reply = await put(browser, session_id, kind, label)
    assert reply.status == 200, reply.body
    return MarkPut.model_validate(reply.body).id


async def recorded(house: House) -> tuple[Browser, Browser, str]:
    """A host and an officer of headquarters in a session that is being recorded."""
    host = await house.front.signed_in("station_officer", name="刘卫国")
    other = await house.front.signed_in("hq_officer", name="周敏")
    session_id = await house.session(host)
    for browser, name in ((host, "吴发明"), (other, "周敏")):
        await house.consented(browser, session_id, name)
        await house.enter(browser, session_id)
    await house.wait(host, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    reply = await host.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    return host, other, session_id


def on_disk(house: House, session_id: str) -> list[dict[str, Any]]:
    """The events that the recorder has written down; they go into the sealed manifest as they stand here."""
    journal = house.settings.spool_dir / house.settings.county / "sessions" / session_id / "journal.jsonl"
    if not journal.exists():
        return []
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [line for line in lines if line["t"] == "event"]


async def test_markers_and_sections_are_set_named_and_taken_back_and_the_record_keeps_it_all(house: House) -> None:
    host, other, session_id = await recorded(house)
    path = f"/api/sessions/{session_id}/marks"
    await good(host, session_id, "section", "听取陈述")
    mark = await good(other, session_id, "marker")
    named = await other.patch(f"{path}/{mark}", {"label": "争议焦点"})
    SessionDetail.model_validate(named.body)
    wrong = await good(host, session_id, "marker", "按错了")
    assert (await other.ask("DELETE", f"{path}/{wrong}")).code == "not_host", "somebody else's"
    assert (await host.ask("DELETE", f"{path}/{wrong}")).status == 200
    assert (await host.ask("DELETE", f"{path}/{wrong}")).code == "mark_not_found"
    await good(host, session_id, "section", "调解")
    ended = await host.ask("DELETE", f"{path}/section")
    assert ended.status == 200, ended.body
    assert (await host.ask("DELETE", f"{path}/section")).code == "mark_not_found"

    found = (await house.detail(other, session_id))["marks"]
    assert [(m["label"], m["by_name"], m["mine"]) for m in found["markers"]] == [("争议焦点", "周敏", True)]
    assert [section["label"] for section in found["sections"]] == ["听取陈述", "调解"]
    first, second = found["sections"]
    assert first["to_utc_ms"] == second["from_utc_ms"] <= second["to_utc_ms"]

    def kinds() -> list[str]:
        return [line["type"] for line in on_disk(house, session_id) if line["type"] in MARKS]

    set_and_taken = ["section", "marker", "mark_labelled", "marker", "mark_removed", "section", "section_ended"]
    await until(lambda: kinds() == set_and_taken)
    marker = next(line for line in on_disk(house, session_id) if line["type"] == "marker")
    assert marker["data"]["by"]["name"] == "周敏"
    async with house.front.app[DATABASE].read() as db:
        kept = list(await db.scalars(select(SessionEvent).where(SessionEvent.session_id == session_id)))
        query = select(AuditEvent.action).where(AuditEvent.object_id == session_id).order_by(AuditEvent.seq)
        audited = [action for action in await db.scalars(query) if action.split(".")[1] in MARKS]
        outside = "".join(await db.scalars(select(WebhookDelivery.body)))
    assert sum(event.type in MARKS for event in kept) == 7
    assert audited == [f"session.{kind}" for kind in set_and_taken]
    assert "session.started" in outside or "recording.started" in outside
    assert "争议焦点" not in outside and "听取陈述" not in outside, "what was said stays inside"


async def test_the_roster_stands_in_the_record_from_the_start_and_with_every_change(house: House) -> None:
    host, _, session_id = await recorded(house)

    def rosters() -> list[list[str]]:
        told = [line["data"] for line in on_disk(house, session_id) if line["type"] == "roster"]
        return [[person["name"] for person in one["people"]] for one in told]

    await until(lambda: len(rosters()) == 2)
    assert sorted(rosters()) == [["吴发明"], ["周敏"]]
    me = next(one for one in (await house.detail(host, session_id))["participants"] if one["me"])
    people = [{"id": me["attendees"][0]["id"], "name": "吴发明", "kind": "party"}, {"name": "苏长军", "kind": "party"}]
    await host.put(f"/api/sessions/{session_id}/attendees", {"people": people})
    await until(lambda: len(rosters()) == 3)
    assert rosters()[-1] == ["吴发明", "苏长军"]


async def test_who_may_not_and_when_nothing_is_recorded(house: House) -> None:
    host, other, session_id = await recorded(house)
    assert (await put(other, session_id, "section", "调解")).code == "not_host"
    assert (await house.detail(other, session_id))["marks"]["may_mark"] is True
    outsider = await house.front.signed_in("hq_officer")
    assert (await put(outsider, session_id, "marker")).code == "forbidden"
    assert (await house.detail(outsider, session_id))["marks"]["may_mark"] is False
    await host.post(f"/api/sessions/{session_id}/recording", {"step": "pause"})
    assert (await put(host, session_id, "marker")).code == "nothing_recorded"
    await good(host, session_id, "section", "休息之后")
    await host.post(f"/api/sessions/{session_id}/end")
    assert (await put(host, session_id, "marker")).code == "session_ended"


async def test_labels_and_their_number_have_a_limit_and_what_is_there_can_be_taken_back(house: House) -> None:
    host, _, session_id = await recorded(house)
    first = await good(host, session_id, "marker", "字" * LONGEST_LABEL)
    assert (await put(host, session_id, "marker", "字" * (LONGEST_LABEL + 1))).status == 400
    assert (await put(host, session_id, "marker", "a\nb")).status == 400
    assert (await put(host, session_id, "section", " ")).status == 400
    async with house.front.app[DATABASE].begin() as db:
        for n in range(MOST_EVENTS - 2):
            data = {"id": f"m{n}", "label": ""}
            db.add(SessionEvent(id=new_id(), session_id=session_id, type="marker", data=data, utc_ms=n))
    await good(host, session_id, "marker")
    full = await put(host, session_id, "marker")
    assert (full.status, full.code) == (409, "marks_full")
    assert (await host.ask("DELETE", f"/api/sessions/{session_id}/marks/{first}")).status == 200


async def test_a_marker_that_the_record_cannot_take_is_not_set(house: House) -> None:
    host = await house.front.signed_in("station_officer")
    session_id = await house.session(host)
    await house.consented(host, session_id, "吴发明")
    # As the rows stand while the mediaserver of this room is gone and not yet back.
    async with house.front.app[DATABASE].begin() as db:
        await db.execute(update(Participant).where(Participant.session_id == session_id).values(present=True))
        await db.execute(update(Session).where(Session.id == session_id).values(state="live", recording="on"))
    failed = await put(host, session_id, "marker")
    assert (failed.status, failed.code) == (503, "media_away")
    assert (await house.detail(host, session_id))["marks"]["markers"] == []
