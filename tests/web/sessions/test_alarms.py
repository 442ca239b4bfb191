# SPDX-License-Identifier: Apache-2.0
"""Alarms: of a source from the publisher's word or the room's own count, of disk and store; begun and ended, on the
page and outside, in time."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from mediaserver.rtp import packet as rtp
from storage.database.models import WebhookDelivery
from storage.objects import ObjectMissing, StoreAway
from tests.mediaserver.shell.endpoint import until
from tests.sim.call import audio_parameters
from tests.web.sessions.house import FrontPage, House
from web.api.core import DATABASE
from web.api.tracks import TrackList
from web.sessions.alarms import Alarms
from web.sessions.store_probe import AGAIN_S, EVERY_S, WITHIN_S, StoreProbe
from web.sessions.tracks import live_tracks
from web.sessions.watch import SourceAlarm

WITHIN_ALL_S = 5.0
"""What the technician is promised."""


async def outside(house: House) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of the alarms of sources that were put into the queue."""
    async with house.front.app[DATABASE].read() as db:
        rows = list(await db.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))
    events = [json.loads(row.body) for row in rows]
    return [(one["type"], one["data"]) for one in events if one["type"].startswith("alarm.") and one["session"]]


class Talker:
    """Sends a packet of sound every 20 ms while `on`."""

    def __init__(self, page: FrontPage) -> None:
        self.page, self.on, self.sent = page, True, 0
        self.task = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        while True:
            if self.on:
                self.sent += 1
                packet = rtp.build(
                    payload_type=111, sequence_number=self.sent, timestamp=self.sent * 960, ssrc=3333, payload=b"xx"
                )
                self.page.wires["send"].send_rtp(bytes(packet))
            await asyncio.sleep(0.02)


async def test_a_source_from_its_fault_to_its_end(lonely: House) -> None:
    await lonely.start_mediaserver()
    await until(lambda: lonely.running.media.up)
    lonely.running.delivery.outbox.urls = ("http://127.0.0.1:9/",)
    host = await lonely.front.signed_in("station_officer", name="王警官")
    session_id = await lonely.session(host)
    await lonely.consented(host, session_id, "甲")
    page = await lonely.enter(host, session_id)
    transport = page.wires["send"].described["id"]
    await page.good(
        "produce",
        {"transport_id": transport, "source": "mic", "kind": "audio", "rtp_parameters": audio_parameters()},
    )
    talker = Talker(page)
    report = {"version": 1, "source": "mic", "trouble": "silent"}
    await page.good("report_source", report)
    found = await lonely.wait(host, session_id, lambda d: d["alarms"])
    me = page.joined["peer_id"]
    told = {name: found["alarms"][0][name] for name in ("name", "peer_id", "source")}
    assert told == {"name": "mic_silent", "peer_id": me, "source": "mic"}
    assert any(note["type"] == "troubles" and note["data"]["troubles"] for note in page.notes)
    assert (await page.ask("report_source", {**report, "trouble": "black"}))["error"]["code"] == "bad_trouble"
    assert (await page.ask("report_source", {**report, "source": "cam"}))["error"]["code"] == "bad_trouble"
    (track,) = (await host.get(f"/api/sessions/{session_id}/tracks")).body["tracks"]
    TrackList.model_validate({"tracks": [track]})
    assert {name: track[name] for name in ("peer_id", "source", "kind", "sent", "alarm", "recorded")} == {
        "peer_id": me, "source": "mic", "kind": "audio", "sent": "on", "alarm": "mic_silent", "recorded": None,
    }  # fmt: skip
    assert track["bytes"] > 0
    assert abs(time.time() * 1000 - track["last_packet_utc_ms"]) < 5_000
    talker.on = False
    stalled = lambda: [a.name for a in lonely.running.alarms.watch(session_id).sources] == ["track_stalled"]  # noqa: E731
    await until(stalled)
    talker.on = True
    await until(lambda: [a.name for a in lonely.running.alarms.watch(session_id).sources] == ["mic_silent"])
    talker.task.cancel()
    events = await outside(lonely)
    for name in ("mic_silent", "track_stalled"):
        said = [kind.partition(".")[2] for kind, data in events if data["name"] == name]
        assert said[:2] == ["raised", "cleared"]
        assert said[1::2] == ["cleared"] * len(said[1::2]), "a beginning and an end in turn"
    assert {(data["peer_id"], data["peer_name"], data["source"]) for _, data in events} == {(me, "王警官", "mic")}


async def test_what_is_over_without_a_word(lonely: House) -> None:
    """A room that is gone, or whose mediaserver began anew, keeps no alarm."""
    host = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(host)
    keeper, alarms = lonely.running.keeper, lonely.running.alarms
    trouble = {"peer_id": "p", "source": "cam", "trouble": "black", "since_utc_ms": 5}
    event = {
        "type": "troubles",
        "room": session_id,
        "troubles": [trouble, {**trouble, "trouble": "of a newer version"}],
    }
    await keeper.on_event(event)
    assert [alarm["name"] for alarm in (await lonely.detail(host, session_id))["alarms"]] == ["camera_black"]
    # A web program that starts anew learns it from the mediaserver's snapshot, and so does one that missed the end.
    snapshot = {"room": session_id, "peers": [], "troubles": [{**trouble, "trouble": "stalled"}]}
    here = SimpleNamespace(has=lambda _: True)
    await keeper.on_snapshot("boot", [snapshot], here)  # type: ignore[arg-type]
    assert [alarm.name for alarm in alarms.watch(session_id).sources] == ["track_stalled"]
    await alarms.only({session_id}, lambda _: True)
    await alarms.only(set(), lambda _: False)
    assert alarms.watch(session_id).sources, "another mediaserver's room"
    await alarms.only(set(), lambda _: True)
    assert (await lonely.detail(host, session_id))["alarms"] == []


class Store:
    """Answers as a test says; `waits` holds its answers back."""

    def __init__(self) -> None:
        self.well, self.waits, self.asked = True, asyncio.Event(), 0
        self.waits.set()

    async def stat(self, key: str) -> None:
        self.asked += 1
        await self.waits.wait()
        raise ObjectMissing(key) if self.well else StoreAway("refused")


async def test_a_store_is_away_or_back_when_it_says_so_twice() -> None:
    store = Store()
    probe = StoreProbe(store.stat)
    said = [(True, False), (False, False), (True, False), (False, False), (False, True), (True, True), (False, True)]
    for number, (well, away) in enumerate([*said, (True, True), (True, False)]):
        store.well = well
        await probe.look()
        assert probe.away is away, number


async def test_a_store_that_hangs_is_asked_once() -> None:
    assert EVERY_S + 2 * WITHIN_S + AGAIN_S < WITHIN_ALL_S
    store = Store()
    store.waits.clear()
    probe = StoreProbe(store.stat, within_s=0.01)
    assert [await probe.look() for _ in range(3)] == [False, True, False]
    assert (probe.away, store.asked) == (True, 1)
    store.waits.set()
    probe_long = StoreProbe(store.stat)
    assert not await probe_long.look()
    while probe.away:
        await probe.look()
    assert store.asked >= 3


def answer(**of: Any) -> Any:
    entries = [SimpleNamespace(raw={"error": of.pop("error", None)})]
    return SimpleNamespace(**{"disk_state": "ok", "store_ok": True, "entries": entries, **of})


@pytest.mark.parametrize(
    ("said", "away", "names"),
    [
        ({}, False, set()),
        ({"disk_state": "full", "error": "disk_full"}, False, {"disk_full"}),
        ({"disk_state": "low"}, False, {"disk_low"}),
        ({"error": "disk_full"}, False, {"disk_failed"}),
        ({"error": "seal_failed"}, False, set()),
        ({"store_ok": False}, False, {"store_away"}),
        ({}, True, {"store_away"}),
    ],
)
async def test_alarms_of_the_installation(said: dict[str, Any], away: bool, names: set[str]) -> None:
    media, recorder = SimpleNamespace(all_up=True), SimpleNamespace(away=False, last=answer(**said))
    alarms = Alarms(None, media, recorder, store_away=lambda: away)  # type: ignore[arg-type]
    assert alarms.found() == names


def test_a_track_has_what_room_and_recorder_say() -> None:
    layers = [{"bytes": 700, "bitrates_bps": [40_000, 90_000]}, {"bytes": 300, "bitrates_bps": [10_000]}]
    cam = {"peer_id": "a", "source": "cam", "kind": "video", "off": False, "silent_s": 0.5, "layers": layers}
    stats = {"utc_s": 1_000.0, "producers": [{**cam, "level_dbov": None}]}
    kept = {"bytes": 9, "lost": 1, "sealed_to_ms": None, "uploaded_to_ms": 4, "last_packet_utc_ms": 7}
    recorded = [
        {**kept, "peer_id": "a", "source": "cam", "kind": "video"},
        {**kept, "peer_id": "b", "source": "mic", "kind": "audio"},
    ]
    rows = live_tracks(stats, recorded, [SourceAlarm("camera_black", "a", "cam", 1)])
    TrackList.model_validate({"tracks": rows})
    assert rows[0]["recorded"] == {"bytes": 9, "lost": 1, "sealed_to_ms": 0, "uploaded_to_ms": 4}
    told = [(row["sent"], row["bytes"], row["kbps"], row["last_packet_utc_ms"], row["alarm"]) for row in rows]
    assert told == [("on", 1_000, 100, 999_500, "camera_black"), ("ended", 0, 0, 7, None)]
