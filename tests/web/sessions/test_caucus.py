# SPDX-License-Identifier: Apache-2.0
"""Private talks in a real room: who begins one, what those outside get of it (nothing), and who sees its record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from sqlalchemy import select, update

from storage.database.models import AuditEvent, Session, WebhookDelivery
from tests.web.access import all_rows
from tests.web.conftest import make_ui_folder
from tests.web.front import Browser
from tests.web.sessions.house import House, until
from tests.web.sessions.meeting import Meeting, publish, say, settled
from web.api.core import DATABASE
from web.casework.sessions import EMPTY_GRACE_MS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One web, mediaserver and recorder for all tests here: each has a session and people of its own."""
    folder = tmp_path_factory.mktemp("caucus")
    webhooks = {"webhook_urls": ("http://127.0.0.1:9/hook",), "webhook_secret": "a-secret-of-this-test"}
    made = House(folder / "data", make_ui_folder(folder), **webhooks)
    await made.start_mediaserver()
    await made.start_recorder()
    await made.start_web()
    yield made
    await made.close()


async def test_nothing_reaches_those_outside_and_the_main_room_wakes_up_again(house: House) -> None:
    meeting = await Meeting(house).open()
    say(meeting.pages["guest"], 1)
    await until(lambda: meeting.heard("host") == 10 and meeting.heard("other") == 10)
    talk = await meeting.begun()
    # From now on nothing of the main room, whoever speaks in it: a second microphone may stand at the same table.
    for page in meeting.pages.values():
        say(page, 11)
    inside = {name: await house.enter(meeting.people[name], talk) for name in ("host", "guest")}
    for page in inside.values():
        await publish(page)
    say(inside["guest"], 1)
    await until(lambda: len(inside["host"].wires["recv"].media) == 10)
    await settled(*meeting.pages.values(), *inside.values())
    assert [meeting.heard(name) for name in meeting.pages] == [10, 0, 10]
    rooms = await house.rooms()
    assert {peer["peer_id"] for peer in rooms[talk]["peers"]} == {page.joined["peer_id"] for page in inside.values()}
    assert rooms[meeting.session_id]["moderation"]["resting_since_utc_ms"] > 0
    told = [note["data"] for note in meeting.pages["other"].notes if note["type"] == "moderation"]
    assert told[-1]["resting_since_utc_ms"] > 0
    # Somebody who comes in meanwhile hears nothing either, nor does a page that is loaded anew.
    await meeting.pages["other"].close()
    meeting.pages["other"] = again = await house.enter(meeting.other, meeting.session_id)
    assert again.joined["moderation"]["resting_since_utc_ms"] > 0
    say(meeting.pages["guest"], 21)
    await settled(again, meeting.pages["guest"])
    assert meeting.heard("other") == 0
    reply = await meeting.host.post(f"/api/sessions/{talk}/end")
    assert reply.status == 200, reply.body
    detail = await meeting.wait(lambda d: d["caucuses"][0]["to_utc_ms"])
    kept = [event["type"] for event in detail["events"] if "caucus" in event["type"]]
    assert kept == ["caucus_started", "caucus_ended"]
    say(meeting.pages["guest"], 31)
    await until(lambda: meeting.heard("other") == 10)
    assert talk not in await house.rooms()


async def test_the_main_recording_pauses_for_it_and_goes_on_by_itself(house: House) -> None:
    meeting = await Meeting(house).open()
    path = f"/api/sessions/{meeting.session_id}/recording"
    assert (await meeting.host.post(path, {"step": "start"})).status == 200
    talk = await meeting.begun()
    detail = await meeting.wait(lambda d: d["recording"]["state"] == "paused")
    assert detail["recording"]["reason"] == "caucus"
    for browser in (meeting.host, meeting.other):
        reply = await browser.post(path, {"step": "resume"})
        assert (reply.status, reply.code) == (409, "caucus_running")
    assert (await meeting.host.post(path, {"step": "pause", "reason": "caucus"})).status == 400, "the rule's alone"
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    await meeting.wait(lambda d: d["recording"]["state"] == "on")
    # A break that somebody made before stays one.
    assert (await meeting.host.post(path, {"step": "pause", "reason": "rest"})).status == 200
    talk = await meeting.begun()
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    detail = await meeting.wait(lambda d: all(each["to_utc_ms"] for each in d["caucuses"]))
    assert (detail["recording"]["state"], detail["recording"]["reason"]) == ("paused", "rest")
    # And who did not agree meanwhile is not recorded.
    assert (await meeting.host.post(path, {"step": "resume"})).status == 200
    talk = await meeting.begun()
    mine = next(p for p in (await house.detail(meeting.other, meeting.session_id))["participants"] if p["me"])
    await house.say(meeting.other, meeting.session_id, mine["attendees"][0]["id"], False)
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    detail = await meeting.wait(lambda d: all(each["to_utc_ms"] for each in d["caucuses"]))
    assert detail["recording"]["state"] == "paused"


async def test_the_talk_is_recorded_by_its_own_consents_and_the_main_record_knows_nothing_of_it(house: House) -> None:
    meeting = await Meeting(house).open()
    assert (await meeting.host.post(f"/api/sessions/{meeting.session_id}/recording", {"step": "start"})).status == 200
    talk = await meeting.begun()
    inside = {name: await house.enter(meeting.people[name], talk) for name in ("host", "guest")}
    detail = await house.wait(meeting.host, talk, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    assert sorted(detail["missing_consents"]) == ["guest", "host"], "the same people, and nothing they agreed to before"
    refused = await meeting.host.post(f"/api/sessions/{talk}/recording", {"step": "start"})
    assert (refused.code, sorted(refused.body["error"]["params"]["names"])) == ("consent_missing", ["guest", "host"])
    for name in ("host", "guest"):
        own = next(p for p in (await house.detail(meeting.people[name], talk))["participants"] if p["me"])
        assert (await house.say(meeting.people[name], talk, own["attendees"][0]["id"], True)).status == 200
    assert (await meeting.host.post(f"/api/sessions/{talk}/recording", {"step": "start"})).status == 200
    await publish(inside["guest"])
    say(inside["guest"], 1, 50)
    sessions = house.settings.spool_dir / house.settings.county / "sessions"
    own_peer = inside["guest"].joined["peer_id"]
    await until(lambda: own_peer.encode() in written(sessions / talk), 20)
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    await until(lambda: b"caucus_ended" in written(sessions / meeting.session_id), 20)
    main = written(sessions / meeting.session_id)
    assert b"caucus_started" in main and talk.encode() not in main and own_peer.encode() not in main
    copy = await meeting.guest.post(f"/api/sessions/{talk}/copies", {"purpose": "x", "recipient": "y"})
    assert (copy.status, copy.code) == (404, "session_not_found")


def written(folder: Path) -> bytes:
    """Everything that the recorder keeps of one session."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_only_the_host_begins_one_with_people_who_are_there_and_one_at_a_time(house: House) -> None:
    meeting = await Meeting(house).open()
    for browser in (meeting.guest, meeting.other):
        reply = await meeting.start(browser, "host")
        assert (reply.status, reply.code) == (403, "not_host")
    outsider = await house.front.signed_in("station_officer")
    assert (await meeting.start(outsider)).code == "session_not_found"
    assert (await meeting.start(None, "host")).code == "peer_needed", "nobody but the host"
    unknown = await meeting.host.post(f"/api/sessions/{meeting.session_id}/caucus", {"peer_ids": ["x"]})
    assert unknown.code == "peer_not_found"
    await meeting.pages["other"].good("leave", {})
    await meeting.wait(lambda d: sum(p["present"] for p in d["participants"]) == 2)
    assert (await meeting.start(None, "other")).code == "peer_not_in_room"
    talk = await meeting.begun()
    assert (await meeting.start()).code == "caucus_running"
    take = await meeting.guest.post(f"/api/sessions/{meeting.session_id}/moderation", {"action": "take_over"})
    assert take.code == "caucus_running"
    inside = await house.enter(meeting.host, talk)
    again = await meeting.host.post(f"/api/sessions/{talk}/caucus", {"peer_ids": [inside.joined["peer_id"]]})
    assert again.code == "caucus_running", "none within another"


async def test_nobody_else_finds_it_at_any_endpoint(house: House) -> None:
    """Every address of a session, and every list, as everybody who was not in it."""
    meeting = await Meeting(house).open()
    talk = await meeting.begun()
    roles = ("administrator", "clerk", "hq_officer", "station_officer")
    strangers = [await house.front.signed_in(role) for role in roles] + [meeting.other]
    assert (await meeting.guest.get(f"/api/sessions/{talk}")).status == 200
    lead = [("recording", {"step": "start"}), ("end", None), ("doors", {"name": "x", "right": "watch"})]
    for what, body in lead:
        assert (await meeting.guest.post(f"/api/sessions/{talk}/{what}", body)).status == 403, what
    assert (await meeting.host.post(f"/api/sessions/{talk}/doors", {"name": "x", "right": "watch"})).status == 403
    await seen_by_nobody(talk, strangers)
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    await seen_by_nobody(talk, [*strangers, meeting.guest])
    seen = await house.detail(meeting.host, talk)
    assert seen["caucus_of"] == meeting.session_id and seen["can"]["read"]
    assert [each["session_id"] for each in (await house.detail(meeting.host, meeting.session_id))["caucuses"]] == [talk]
    for browser in (meeting.guest, meeting.other, strangers[0]):
        caucuses = (await house.detail(browser, meeting.session_id))["caucuses"]
        assert [(each["session_id"], each["to_utc_ms"] is not None) for each in caucuses] == [(None, True)]
    async with house.front.app[DATABASE].read() as db:
        told = list(await db.scalars(select(WebhookDelivery.body)))
        viewed = select(AuditEvent.action).where(AuditEvent.object_id == talk, AuditEvent.by_id == meeting.host.id)
        assert "caucus.view" in list(await db.scalars(viewed))
    assert any(meeting.session_id in body for body in told) and not any(talk in body for body in told)


async def seen_by_nobody(talk: str, strangers: list[Browser]) -> None:
    asked = 0
    for browser in strangers:
        for row in all_rows():
            if "{session_id}" not in row.route or row.route.endswith("/ws"):
                continue
            path = re.sub(r"\{(\w+)\}", lambda name: {"session_id": talk, **row.path}.get(name[1], "x"), row.route)  # noqa: B023
            reply = await browser.ask(row.method, path + row.query, row.body)
            assert reply.status in (403, 404) and talk not in str(reply.body), (row.method, path, reply.status)
            asked += reply.status == 404
        stream = await browser.get(f"/api/events?session={talk}")
        assert stream.status == 404
        for path in ("/api/sessions?limit=100", "/api/sessions?state=live,ended", "/api/copies", "/api/keeping"):
            assert talk not in str((await browser.get(path)).body), path
        await no_socket(browser, talk)
    assert asked > 40


async def no_socket(browser: Browser, talk: str) -> None:
    address, ours = browser.front.url.with_path(f"/api/sessions/{talk}/ws"), str(browser.front.url.origin())
    try:
        async with browser.http.ws_connect(address, headers={"Origin": ours}) as socket:
            await socket.receive()
            assert socket.close_code == 4004
    except aiohttp.WSServerHandshakeError as error:
        assert error.status == 403  # a role that joins nothing


async def test_it_ends_with_the_main_session_and_when_one_side_has_gone(house: House) -> None:
    meeting = await Meeting(house).open()
    talk = await meeting.begun()
    inside = {name: await house.enter(meeting.people[name], talk) for name in ("host", "guest")}
    for name in ("host", "guest"):
        await meeting.pages[name].close()
    await house.wait(meeting.host, talk, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    await inside["guest"].good("leave", {})
    await house.wait(meeting.host, talk, lambda d: sum(p["present"] for p in d["participants"]) == 1)
    house.clock.forward(EMPTY_GRACE_MS)
    await house.wait(meeting.host, talk, lambda d: d["state"] == "ended")
    await meeting.wait(lambda d: d["caucuses"][-1]["to_utc_ms"] and d["state"] == "live")
    for name in ("host", "guest"):
        meeting.pages[name] = await house.enter(meeting.people[name], meeting.session_id)
    await meeting.wait(lambda d: sum(p["present"] for p in d["participants"]) == 3)
    second = await meeting.begun()
    early = await meeting.other.post(f"/api/sessions/{meeting.session_id}/end")
    assert (early.status, early.code) == (409, "caucus_running"), "nobody outside ends the talk of others"
    assert (await meeting.host.post(f"/api/sessions/{meeting.session_id}/end")).status == 200
    assert (await house.detail(meeting.host, second))["state"] == "ended"
    late = await meeting.guest.post(f"/api/sessions/{second}/join")
    assert (late.status, late.code) == (404, "session_not_found")


async def test_a_main_session_whose_people_are_all_in_the_talk_does_not_end(house: House) -> None:
    meeting = await Meeting(house).open()
    talk = await meeting.begun()
    for name in ("host", "guest"):
        await house.enter(meeting.people[name], talk)
    for page in meeting.pages.values():
        await page.good("leave", {})
    await meeting.wait(lambda d: not any(p["present"] for p in d["participants"]))
    house.clock.forward(2 * EMPTY_GRACE_MS)
    await house.running.keeper.tick()
    assert (await house.detail(meeting.host, meeting.session_id))["state"] == "live"
    assert (await meeting.host.post(f"/api/sessions/{talk}/end")).status == 200
    await house.running.keeper.tick()
    assert (await house.detail(meeting.host, meeting.session_id))["state"] == "live", "they have time to come back"


async def test_through_a_new_mediaserver_nothing_reaches_those_outside(house: House) -> None:
    meeting = await Meeting(house).open()
    talk = await meeting.begun()
    await house.enter(meeting.host, talk)
    await house.kill("mediaserver")
    assert (await meeting.start(None, "other")).code == "caucus_running"
    await house.start_mediaserver()
    await until(lambda: house.running.media.up, 15)
    for name in ("guest", "other"):
        await meeting.pages[name].close()
        meeting.pages[name] = await house.enter(meeting.people[name], meeting.session_id)
    await publish(meeting.pages["guest"])
    inside = {name: await house.enter(meeting.people[name], talk) for name in ("host", "guest")}
    await publish(inside["guest"])
    say(meeting.pages["guest"], 1)
    say(inside["guest"], 1)
    await until(lambda: len(inside["host"].wires["recv"].media) == 10)
    await settled(meeting.pages["other"])
    assert meeting.heard("other") == 0


async def test_none_begins_while_the_main_room_cannot_be_told_to_rest(house: House) -> None:
    meeting = await Meeting(house).open()
    await house.kill("mediaserver")
    reply = await meeting.start()
    assert (reply.status, reply.code) == (503, "media_away")
    await house.start_mediaserver()
    await until(lambda: house.running.media.up, 15)
    detail = await house.detail(meeting.host, meeting.session_id)
    assert all(each["to_utc_ms"] for each in detail["caucuses"])


async def test_what_a_web_program_left_half_done_is_finished_by_the_next(house: House) -> None:
    """The talk's end is kept, the main session still rests: as after a power cut between the two."""
    meeting = await Meeting(house).open()
    talk = await meeting.begun()
    async with house.front.app[DATABASE].begin() as db:
        await db.execute(update(Session).where(Session.id == talk).values(state="ended", ended_utc_ms=house.clock()))
    await until(lambda: house.running.media.up)
    await house.running.keeper.tick()
    say(meeting.pages["guest"], 1)
    await until(lambda: meeting.heard("other") == 10)
