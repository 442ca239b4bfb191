# SPDX-License-Identifier: Apache-2.0
"""Moderation through the API, in a real room: who may, what the pages hear, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from mediaserver.rtp import packet as rtp
from storage.database.models import AuditEvent, Participant, Place, Session
from tests.sim.call import audio_parameters
from tests.web.conftest import make_ui_folder
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House, until
from web.api.core import DATABASE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One web and one mediaserver for all tests here: each has a session and people of its own."""
    folder = tmp_path_factory.mktemp("moderation")
    made = House(folder / "data", make_ui_folder(folder))
    await made.start_mediaserver()
    await made.start_web()
    yield made
    await made.close()


async def two(house: House) -> tuple[Browser, Browser, str]:
    """A host who opened a session, and an officer of headquarters; nobody is in the room yet."""
    host = await house.front.signed_in("station_officer")
    other = await house.front.signed_in("hq_officer")
    return host, other, await house.session(host)


async def moderate(browser: Browser, session_id: str, action: str, **fields: Any) -> Any:
    return await browser.post(f"/api/sessions/{session_id}/moderation", {"action": action, **fields})


async def done(browser: Browser, session_id: str, action: str, **fields: Any) -> dict[str, Any]:
    reply = await moderate(browser, session_id, action, **fields)
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.body
    return body


async def both_in(house: House) -> tuple[Browser, Browser, str, FrontPage, FrontPage]:
    host, other, session_id = await two(house)
    a, b = await house.enter(host, session_id), await house.enter(other, session_id)
    await house.wait(host, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    return host, other, session_id, a, b


def newest(page: FrontPage, kind: str = "moderation") -> dict[str, Any]:
    found = [note["data"] for note in page.notes if note["type"] == kind]
    return found[-1] if found else {}


async def knock(house: House, browser: Browser, session_id: str) -> FrontPage:
    """Join where newcomers wait."""
    reply = await browser.post(f"/api/sessions/{session_id}/join")
    assert reply.status == 200, reply.body
    page = house.page(browser, session_id)
    await page.open()
    page.joined = await page.good("hello", {"version": 1, "token": reply.body["token"]})
    return page


def say(page: FrontPage, first: int, count: int) -> None:
    for number in range(first, first + count):
        sound = rtp.build(payload_type=111, sequence_number=number, timestamp=number * 960, ssrc=3333, payload=b"xx")
        page.wires["send"].send_rtp(bytes(sound))


async def publish_mic(page: FrontPage) -> str:
    answer = await page.good(
        "produce",
        {
            "transport_id": page.wires["send"].described["id"],
            "source": "mic",
            "kind": "audio",
            "rtp_parameters": audio_parameters(),
        },
    )
    return str(answer["producer_id"])


async def test_a_muted_microphone_reaches_nobody_until_its_owner_switches_it_on(house: House) -> None:
    host, _other, session_id, a, b = await both_in(house)
    producer_id = await publish_mic(b)
    say(b, 1, 10)
    await until(lambda: len(a.wires["recv"].media) == 10)
    me, you = a.joined["peer_id"], b.joined["peer_id"]
    detail = await done(host, session_id, "mute", peer_id=you)
    muted = {"peer_id": you, "source": "mic", "by": {"peer_id": me, "name": host_name(detail)}}
    await until(lambda: newest(b).get("muted") == [muted] and newest(a).get("muted") == [muted])
    assert newest(b, "muted") == {"source": "mic", "by": muted["by"]}
    say(b, 11, 10)
    await b.good("pause_producer", {"producer_id": producer_id, "paused": True})
    await b.good("pause_producer", {"producer_id": producer_id, "paused": False})  # lifts no mute
    again = await publish_mic(b)  # nor does a new track
    say(b, 21, 10)
    await b.good("ping", {})
    await asyncio.sleep(0.2)
    assert len(a.wires["recv"].media) == 10
    assert again != producer_id
    await done(host, session_id, "ask_unmute", peer_id=you)
    await until(lambda: newest(b, "unmute_asked") == {"source": "mic", "by": muted["by"]})
    await b.good("unmute", {"source": "mic"})
    await until(lambda: newest(a).get("muted") == [])
    say(b, 31, 10)
    await until(lambda: len(a.wires["recv"].media) == 20)
    detail = await house.wait(host, session_id, lambda d: "unmuted" in [e["type"] for e in d["events"]])
    kept = [(e["type"], e["data"].get("source")) for e in detail["events"] if "mute" in e["type"]]
    assert kept == [("muted", "mic"), ("unmute_asked", "mic"), ("unmuted", "mic")]


def host_name(detail: dict[str, Any]) -> str:
    return str(next(p["name"] for p in detail["participants"] if p["me"]))


async def test_only_the_host_does_it_and_only_while_the_session_runs(house: House) -> None:
    host, other, session_id, a, b = await both_in(house)
    me, you = a.joined["peer_id"], b.joined["peer_id"]
    assert (await house.detail(host, session_id))["can"]["moderate"]
    assert not (await house.detail(other, session_id))["can"]["moderate"]
    for action in ("mute", "ask_unmute", "remove", "allow", "lock", "waiting_room", "admit", "deny", "hand_over"):
        reply = await moderate(other, session_id, action, peer_id=me)
        assert (reply.status, reply.code) == (403, "not_host"), action
    assert (await moderate(other, session_id, "spotlight", peer_id=me)).code == "not_host"
    assert (await moderate(other, session_id, "lower_hand", peer_id=me)).code == "not_host"
    assert (await moderate(other, session_id, "take_over")).code == "host_present"
    assert (await moderate(host, session_id, "remove", peer_id=me)).code == "not_oneself"
    assert (await moderate(host, session_id, "remove")).code == "peer_needed"
    assert (await moderate(host, session_id, "mute", peer_id="0" * 26)).code == "peer_not_found"
    stranger = await house.front.signed_in("station_officer", place_id=await elsewhere(house))
    assert (await moderate(stranger, session_id, "lock")).code == "session_not_found"
    await b.good("leave", {})
    await house.wait(host, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 1)
    assert (await moderate(host, session_id, "mute", peer_id=you)).code == "peer_not_in_room"
    assert (await moderate(host, session_id, "hand_over", peer_id=you)).code == "peer_not_in_room"
    await host.post(f"/api/sessions/{session_id}/end")
    assert (await moderate(host, session_id, "lock")).code == "session_ended"


async def elsewhere(house: House) -> str:
    async with house.front.app[DATABASE].begin() as db:
        db.add(Place(id="z" * 26, county="default", kind="station", name="别处派出所", created_utc_ms=1))
    return "z" * 26


async def test_a_removed_person_stays_out_until_the_host_allows_it(house: House) -> None:
    host, other, session_id, a, b = await both_in(house)
    you = b.joined["peer_id"]
    token = (await other.post(f"/api/sessions/{session_id}/join")).body["token"]  # from before; good for a minute
    await done(host, session_id, "remove", peer_id=you)
    assert await b.closed_with() == 4002
    await until(lambda: any(note["type"] == "peer_left" for note in a.notes))
    refused = await other.post(f"/api/sessions/{session_id}/join")
    assert (refused.status, refused.code) == (409, "removed_from_session")
    late = house.page(other, session_id)
    await late.open()
    assert (await late.ask("hello", {"version": 1, "token": token}))["error"]["code"] == "barred"
    assert await late.closed_with() == 4003
    assert (await other.post(f"/api/sessions/{session_id}/end")).code == "removed_from_session"
    assert (await house.detail(other, session_id))["can"] == {
        "join": False, "lead": False, "moderate": False, "take_over": False, "read": False,
    }  # fmt: skip
    kept_out = (await house.detail(host, session_id))["moderation"]["kept_out"]
    assert [(one["peer_id"], one["why"]) for one in kept_out] == [(you, "removed")]
    assert (await house.detail(other, session_id))["moderation"]["kept_out"] == []
    await done(host, session_id, "allow", peer_id=you)
    back = await house.enter(other, session_id)
    assert back.joined["peer_id"] == you


async def test_a_locked_room_takes_nobody_new_and_everybody_who_was_in(house: House) -> None:
    host, other, session_id, _a, b = await both_in(house)
    third = await house.front.signed_in("hq_officer")
    early = (await third.post(f"/api/sessions/{session_id}/join")).body["token"]  # just before the key turns
    await done(host, session_id, "lock")
    await until(lambda: newest(b).get("locked") is True)
    refused = await third.post(f"/api/sessions/{session_id}/join")
    assert (refused.status, refused.code) == (409, "session_locked")
    page = house.page(third, session_id)
    await page.open()
    assert (await page.ask("hello", {"version": 1, "token": early}))["error"]["code"] == "room_locked"
    await b.close()
    again = await house.enter(other, session_id)
    assert again.joined["peer_id"] == b.joined["peer_id"]
    await done(host, session_id, "lock", on=False)
    assert (await house.enter(third, session_id)).joined["peer_id"]


async def test_newcomers_wait_until_they_are_let_in(house: House) -> None:
    host, other, session_id = await two(house)
    third = await house.front.signed_in("hq_officer")
    a = await house.enter(host, session_id)
    await done(host, session_id, "waiting_room")
    b, c = await knock(house, other, session_id), await knock(house, third, session_id)
    assert b.joined == {"waiting": True, "version": 1, "host_here": True}
    await until(lambda: newest(a).get("knocking_count") == 2)
    names = {one["peer_id"]: one["name"] for one in newest(a)["knocking"]}
    assert len(names) == 2 and all(names.values())
    first, second = (one["peer_id"] for one in newest(a)["knocking"])
    assert (await b.ask("raise_hand", {"raised": True}))["error"]["code"] == "not_admitted"
    assert (await b.ask("ping", {}))["ok"]
    leading = await other.post(f"/api/sessions/{session_id}/recording", {"step": "pause"})
    assert leading.code == "forbidden", "who waits presses no buttons"
    assert (await other.post(f"/api/sessions/{session_id}/end")).code == "forbidden"
    await done(host, session_id, "admit", peer_id=first)
    await until(lambda: newest(b, "admitted"))
    admitted = newest(b, "admitted")
    assert (admitted["peer_id"], "recv_transport" in admitted) == (first, True)
    await until(lambda: any(n["type"] == "peer_joined" and n["data"]["peer_id"] == first for n in a.notes))
    await done(host, session_id, "deny", peer_id=second)
    assert await c.closed_with() == 4005
    assert (await third.post(f"/api/sessions/{session_id}/join")).code == "entry_denied"
    # Somebody who was let in passes, also in a new place.
    await house.wait(host, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    assert "waiting" not in (await knock(house, other, session_id)).joined
    kinds = [e["type"] for e in (await house.detail(host, session_id))["events"]]
    assert kinds.count("knocked") == 2 and {"waiting_room_on", "admitted", "denied"} <= set(kinds)


async def test_whoever_goes_away_while_waiting_is_not_knocking_any_more(house: House) -> None:
    host, other, session_id = await two(house)
    a = await house.enter(host, session_id)
    await done(host, session_id, "waiting_room")
    b = await knock(house, other, session_id)
    await until(lambda: newest(a).get("knocking_count") == 1)
    you = newest(a)["knocking"][0]["peer_id"]
    await b.drop()
    await until(lambda: newest(a)["knocking_count"] == 0)
    await done(host, session_id, "admit", peer_id=you)  # the press crossed the leaving: good for the next time
    assert "waiting" not in (await knock(house, other, session_id)).joined


async def test_opening_the_waiting_room_lets_everybody_in(house: House) -> None:
    host, other, session_id = await two(house)
    await house.enter(host, session_id)
    await done(host, session_id, "waiting_room")
    b = await knock(house, other, session_id)
    await done(host, session_id, "waiting_room", on=False)
    await until(lambda: newest(b, "admitted"))


async def test_hands_in_order_lowered_by_oneself_and_by_the_host(house: House) -> None:
    host, other, session_id, a, b = await both_in(house)
    me, you = a.joined["peer_id"], b.joined["peer_id"]
    await b.good("raise_hand", {"raised": True})
    await done(host, session_id, "raise_hand")  # the same through the API
    await until(lambda: [hand["peer_id"] for hand in newest(b).get("hands", [])] == [you, me])
    await done(host, session_id, "lower_hand", peer_id=you)
    await until(lambda: [hand["peer_id"] for hand in newest(a)["hands"]] == [me])
    await b.good("raise_hand", {"raised": True})
    await done(other, session_id, "lower_hand", peer_id=you)
    await b.good("raise_hand", {"raised": True})
    await done(host, session_id, "lower_hand")
    await until(lambda: newest(b)["hands"] == [])
    live = await host.get(f"/api/sessions/{session_id}/moderation")
    assert (live.status, live.body["hands"], live.body["host"]) == (200, [], me)


async def test_the_stage_for_everybody_ends_when_that_person_leaves(house: House) -> None:
    host, _other, session_id, a, b = await both_in(house)
    you = b.joined["peer_id"]
    await done(host, session_id, "spotlight", peer_id=you)
    await until(lambda: newest(b).get("spotlight") == you)
    await b.good("leave", {})
    await until(lambda: newest(a)["spotlight"] == "")


async def test_the_lead_goes_to_another_and_is_taken_over_from_one_who_is_gone(house: House) -> None:
    host, other, session_id, a, b = await both_in(house)
    me, you = a.joined["peer_id"], b.joined["peer_id"]
    await done(host, session_id, "hand_over", peer_id=you)
    await until(lambda: newest(a).get("host") == you)
    assert (await moderate(host, session_id, "lock")).code == "not_host"
    await done(other, session_id, "lock")
    assert (await moderate(host, session_id, "take_over")).code == "host_present"
    await b.good("leave", {})
    detail = await house.wait(host, session_id, lambda d: d["can"]["take_over"])
    assert detail["moderation"]["host_present"] is False
    await done(host, session_id, "take_over")
    assert (await house.detail(host, session_id))["moderation"]["host_peer_id"] == me
    await done(host, session_id, "lock", on=False)


async def test_lock_waiting_room_host_and_bars_outlive_the_mediaserver(house: House) -> None:
    host, _other, session_id, a, b = await both_in(house)
    you = b.joined["peer_id"]
    await done(host, session_id, "remove", peer_id=you)
    await done(host, session_id, "waiting_room")
    await done(host, session_id, "lock")
    await house.kill("mediaserver")
    await a.closed_with()
    await house.start_mediaserver()
    found = await until_room(house, session_id)
    assert (found["host"], found["locked"], found["waiting_room"]) == (a.joined["peer_id"], True, True)
    assert found["barred"] == [you]


async def until_room(house: House, session_id: str) -> dict[str, Any]:
    async with asyncio.timeout(15):
        while session_id not in (rooms := await house.rooms()):
            await asyncio.sleep(0.05)
    found: dict[str, Any] = rooms[session_id]["moderation"]
    return found


async def test_every_act_is_in_the_audit_with_who_did_it(house: House) -> None:
    host, _other, session_id, _a, b = await both_in(house)
    you = b.joined["peer_id"]
    for action in ("mute", "spotlight", "remove", "allow"):
        await done(host, session_id, action, peer_id=you)
    await done(host, session_id, "lock")
    await done(host, session_id, "lock")  # the second press changes nothing
    async with house.front.app[DATABASE].read() as db:
        query = select(AuditEvent).where(AuditEvent.object_id == session_id).order_by(AuditEvent.id)
        rows = [row for row in await db.scalars(query) if row.action not in ("session.create",)]
        version = await db.scalar(select(Session.moderation_version).where(Session.id == session_id))
    assert [row.action for row in rows] == [
        "session.mute", "session.spotlight", "session.removed", "session.allowed", "session.locked",
    ]  # fmt: skip
    assert {row.by_id for row in rows} == {host.id}
    assert version == 4, "host, out, allowed, locked"


async def test_whoever_signs_out_waits_no_longer(house: House) -> None:
    host, other, session_id = await two(house)
    a = await house.enter(host, session_id)
    await done(host, session_id, "waiting_room")
    b = await knock(house, other, session_id)
    await until(lambda: newest(a).get("knocking_count") == 1)
    await other.post("/api/sign-out")
    assert await b.closed_with() == 4002
    await until(lambda: newest(a)["knocking_count"] == 0)


async def test_a_device_that_nobody_sits_before_is_heard_again_when_the_host_asks(house: House) -> None:
    host, _other, session_id, a, b = await both_in(house)
    you = b.joined["peer_id"]
    await publish_mic(b)
    async with house.front.app[DATABASE].begin() as db:
        await db.execute(update(Participant).where(Participant.id == you).values(kind="camera"))
    await done(host, session_id, "mute", peer_id=you)
    await until(lambda: newest(a).get("muted"))
    await done(host, session_id, "ask_unmute", peer_id=you)
    await until(lambda: newest(a)["muted"] == [])
    say(b, 1, 5)
    await until(lambda: len(a.wires["recv"].media) == 5)
