# SPDX-License-Identifier: Apache-2.0
"""The list: who sees what (the rule and its SQL are one), filters, pages of it, forms of the answers."""

from __future__ import annotations

import itertools

from sqlalchemy import select

from storage.database.models import Participant, Session
from storage.ids import new_id
from tests.web.front import Front
from web.api.core import DATABASE
from web.api.session_shapes import SessionDetail, SessionList
from web.casework.visibility import Viewer, may_see
from web.sessions.rows import load, visible

NOTHING = dict.fromkeys(("join", "lead", "moderate", "take_over", "read"), False)


async def add(front: Front, **values: object) -> str:
    """A session row; its id."""
    session_id = new_id()
    given = {"title": "调解", "place_id": None, "created_by": "x", "state": "ended", "county": front.settings.county}
    async with front.app[DATABASE].begin() as db:
        db.add(
            Session(
                id=session_id,
                language="zh",
                created_utc_ms=front.clock(),
                recording="off",
                **{**given, **values},
            )
        )
    return session_id


async def add_participant(front: Front, session_id: str, kind: str, subject_id: str, admission: str = "") -> None:
    async with front.app[DATABASE].begin() as db:
        db.add(
            Participant(
                id=new_id(),
                session_id=session_id,
                kind=kind,
                subject_id=subject_id,
                role="station_officer",
                name="王警官",
                place_name="永安派出所",
                present=False,
                admission=admission,
            )
        )


async def test_the_condition_in_sql_is_the_rule(front: Front) -> None:
    place, other_place = await front.add_place("永安派出所"), await front.add_place("陈家坝派出所")
    ids: list[str] = []
    for state, where, creator, county, main in itertools.product(
        ("open", "live", "ended"),
        (None, place, other_place),
        ("me", "x"),
        (front.settings.county, "elsewhere"),
        (None, "m"),
    ):
        given = {"state": state, "place_id": where, "created_by": creator, "county": county, "caucus_of": main}
        ids.append(await add(front, **given))
        ids.append(await add(front, **given))
        await add_participant(front, ids[-1], "account", "me")
        for admission in ("removed", "denied"):
            ids.append(await add(front, **given))
            await add_participant(front, ids[-1], "account", "me", admission)
    county = front.settings.county
    viewers = [
        Viewer(kind, subject, role, county, at)
        for kind, subject in (("account", "me"), ("set", "me"), ("account", "you"))
        for role in ("administrator", "station_officer", "hq_officer", "clerk", "set", "anonymous", "nonsense")
        for at in (None, place)
    ]
    async with front.app[DATABASE].read() as db:
        rows = await load(db, ids)
        for viewer in viewers:
            by_rule = {item.session.id for item in rows if may_see(viewer, item.facts(viewer))}
            by_sql = set(await db.scalars(select(Session.id).where(visible(viewer))))
            assert by_sql == by_rule, viewer
    assert len(rows) == len(ids) == 288


async def test_somebody_elses_session_is_not_there(front: Front) -> None:
    mine = await front.signed_in("station_officer")
    other = await front.signed_in("station_officer")
    session_id = (await mine.post("/api/sessions", {"title": "田埂"})).body["id"]
    never = await other.get(f"/api/sessions/{'0' * 26}")
    foreign = await other.get(f"/api/sessions/{session_id}")
    assert (foreign.status, foreign.body) == (404, never.body), "as an id that never was"
    assert (await other.get("/api/sessions")).body["sessions"] == []
    assert (await other.patch(f"/api/sessions/{session_id}", {"title": "改名"})).status == 404
    assert (await mine.get(f"/api/sessions/{session_id}")).status == 200


async def test_filters_and_pages(front: Front) -> None:
    place = await front.add_place("永安派出所")
    clerk = await front.signed_in("clerk")
    ids = []
    for title in ("田埂纠纷", "借款 100%", "宅基地_边界"):
        ids.append(await add(front, title=title, place_id=place if title.startswith("田") else None))
        front.clock.forward(1_000)
    await add_participant(front, ids[1], "account", "someone")
    live = await add(front, title="正在进行", state="live")

    async def found(query: str) -> list[str]:
        reply = await clerk.get(f"/api/sessions?{query}")
        SessionList.model_validate(reply.body)
        return [item["id"] for item in reply.body["sessions"]]

    assert await found("") == [live, *reversed(ids)]
    assert await found("q=田埂") == [ids[0]]
    assert await found("q=永安派出所") == [ids[0]], "the place's name"
    assert await found("q=王警官") == [ids[1]], "somebody's name"
    assert await found("q=100%25") == [ids[1]] and await found("q=_边") == [ids[2]], "no wildcards of SQL"
    assert await found(f"place_id={place}") == [ids[0]]
    assert await found("state=live") == [live] and await found("state=open,live") == [live]
    start = front.clock() - 3_000
    assert await found(f"from_utc_ms={start + 1_000}&to_utc_ms={start + 2_000}") == [ids[1]]
    first = (await clerk.get("/api/sessions?limit=2")).body
    assert [item["id"] for item in first["sessions"]] == [live, ids[2]] and first["next"] == ids[2]
    assert await found(f"limit=2&before={first['next']}") == [ids[1], ids[0]]
    assert (await clerk.get("/api/sessions?limit=4")).body["next"] is None, "exactly the last ones"
    assert len(await found("limit=0")) == 1
    assert (await clerk.get("/api/sessions?from_utc_ms=yesterday")).code == "input_invalid"


async def test_the_answers_have_the_documented_form(front: Front) -> None:
    officer = await front.signed_in("station_officer", name="王警官")
    reply = await officer.post("/api/sessions", {"title": "  田埂  ", "language": "en"})
    made = SessionDetail.model_validate(reply.body)
    assert (made.title, made.language, made.state, made.recording.state) == ("田埂", "en", "open", "off")
    assert made.can.model_dump() == {
        "join": True,
        "lead": True,
        "moderate": True,
        "take_over": False,
        "read": False,
    }
    people = {"people": [{"name": "吴发明", "kind": "party"}, {"name": "村支书", "kind": "village_cadre"}]}
    seated = await officer.put(f"/api/sessions/{made.id}/attendees", people)
    detail = SessionDetail.model_validate(seated.body)
    assert detail.people == ["吴发明", "村支书"]
    (mine,) = detail.participants
    assert (mine.me, mine.name, mine.role) == (True, "王警官", "station_officer")
    seated = await officer.put(
        f"/api/sessions/{made.id}/attendees",
        {"people": [{"id": mine.attendees[1].id, "name": "村支书", "kind": "witness"}]},
    )
    assert [(a["name"], a["kind"]) for a in seated.body["participants"][0]["attendees"]] == [("村支书", "witness")]
    wrong = {"people": [{"id": "0" * 26, "name": "甲", "kind": "party"}]}
    assert (await officer.put(f"/api/sessions/{made.id}/attendees", wrong)).code == "attendee_not_found"
    for body in (
        {"people": []},
        {"people": [{"name": "甲", "kind": "king"}]},
        {"people": [{"name": "甲\n乙", "kind": "party"}]},
        {"people": [{"name": "甲", "kind": "party"}] * 31},
    ):
        assert (await officer.put(f"/api/sessions/{made.id}/attendees", body)).code == "input_invalid"
    for title in ("", "   ", "长" * 121):
        assert (await officer.post("/api/sessions", {"title": title})).code == "input_invalid"
    renamed = await officer.patch(f"/api/sessions/{made.id}", {"title": "新标题"})
    assert renamed.body["title"] == "新标题"


async def test_only_who_takes_part_leads(front: Front) -> None:
    officer = await front.signed_in("station_officer")
    expert = await front.signed_in("hq_officer")
    session_id = (await officer.post("/api/sessions", {"title": "田埂"})).body["id"]
    seen = (await expert.get(f"/api/sessions/{session_id}")).body
    assert seen["can"] == NOTHING | {"join": True}
    assert (await expert.patch(f"/api/sessions/{session_id}", {"title": "别的"})).code == "forbidden"
    refused = await expert.post(f"/api/sessions/{session_id}/end")
    assert (refused.status, refused.code) == (403, "forbidden")
    clerk = await front.signed_in("clerk")
    assert (await clerk.get(f"/api/sessions/{session_id}")).body["can"] == NOTHING
    ended = await officer.post(f"/api/sessions/{session_id}/end")
    assert ended.body["state"] == "ended" and ended.body["recording"]["state"] == "off"
    assert (await clerk.get(f"/api/sessions/{session_id}")).body["can"]["read"] is True
    assert (await expert.get(f"/api/sessions/{session_id}")).status == 404, "was never part of it"
