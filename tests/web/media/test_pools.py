# SPDX-License-Identifier: Apache-2.0
"""The registry over a real database, and figures and answers of several processes as one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from storage.database.engine import Database, open_database
from storage.database.models import MediaNode, RoomPlacement, Session
from storage.settings import Settings
from tests.web.front import Clock
from web.api.health import merged
from web.casework.placement import LEASE_MS
from web.media.line import unix_line
from web.media.recorder_link import Answer, RecorderAway, RecorderLink, answer_from_json
from web.media.recorder_pool import RecorderPool
from web.media.registry import Registry


def database(tmp_path: Path, empty: Path) -> Database:
    (tmp_path / "data" / "db").mkdir(parents=True)
    shutil.copy(empty, tmp_path / "data" / "db")
    return open_database(Settings(data_dir=tmp_path / "data"))


async def test_places_outlive_web_and_leases_run_out(tmp_path: Path, empty_database: Path) -> None:
    db, clock = database(tmp_path, empty_database), Clock()
    first = Registry(db, ("worker-0", "worker-1"), "worker-0", clock)
    await first.load()
    assert await first.place("before anybody was heard", recorded=False) == "worker-0", "home"
    for node_id in first.nodes:
        await first.heard(node_id, "boot", False, {})
    first.came("worker-0", "before anybody was heard", "a")
    assert await first.place("r1", recorded=False) == "worker-1"
    assert await first.place("r2", recorded=True) == "worker-1", "fewest people, not fewest rooms"
    first.came("worker-1", "r1", "b")
    first.came("worker-1", "r1", "c")
    assert await first.place("r3", recorded=False) == "worker-0"

    again = Registry(db, ("worker-0", "worker-1"), "worker-0", clock)
    await again.load()
    assert [again.node_of(room) for room in ("r1", "r2", "r3")] == ["worker-1", "worker-1", "worker-0"]
    for node_id in again.nodes:
        await again.heard(node_id, "boot", False, {})
    clock.forward(LEASE_MS - 1)
    await again.renew("worker-0", "boot")
    assert await again.place("r1", recorded=False) == "worker-1", "its lease has a millisecond left"
    clock.forward(1)
    assert await again.place("r1", recorded=False) == "worker-0"
    assert await again.place("r2", recorded=False) == "worker-1", "where its recording is, also when that is away"
    async with db.read() as rows:
        kept = {row.room: (row.node_id, row.pinned) for row in await rows.scalars(select(RoomPlacement))}
        leases = {row.id: row.lease_until_utc_ms - clock() for row in await rows.scalars(select(MediaNode))}
    assert kept["r1"] == ("worker-0", False) and kept["r2"] == ("worker-1", True)
    assert leases == {"worker-0": LEASE_MS - 1, "worker-1": 0}
    await db.close()


async def test_rooms_are_spread_over_nodes_and_a_lost_one_is_known_when_its_lease_is_over(
    tmp_path: Path, empty_database: Path
) -> None:
    db, clock = database(tmp_path, empty_database), Clock()
    ids = ("worker-0", "east/0", "east/1", "west/0")
    registry = Registry(db, ids, "worker-0", clock)
    await registry.load()
    await registry.heard("worker-0", "boot", False, {"r": {"a", "b"}})
    assert not registry.is_lost("east/0"), "after a start everybody has the time of a lease to be heard"
    clock.forward(LEASE_MS - 1)
    registry.seen("worker-0")
    assert not registry.is_lost("east/0")
    clock.forward(1)
    assert registry.is_lost("east/0") and not registry.is_lost("worker-0")
    for node_id in ids[1:]:
        await registry.heard(node_id, "boot", False, {})
    places = []
    for number in range(3):
        places.append(await registry.place(f"r{number}", recorded=number == 1))
        registry.came(places[-1], f"r{number}", "p")
    assert places == ["east/0", "east/1", "west/0"], "the fewest people first, over all machines"
    clock.forward(LEASE_MS - 1)
    registry.seen("worker-0")
    assert not any(registry.is_lost(node_id) for node_id in ids), "a millisecond of their leases is left"
    clock.forward(1)
    assert [node_id for node_id in ids if registry.is_lost(node_id)] == list(ids[1:])
    assert (registry.movable("east/0"), registry.movable("east/1")) == (["r0"], []), "a recording stays"
    clock.forward(LEASE_MS)
    assert not registry.is_lost("east/0"), "nobody is there to take its rooms"
    await db.close()


async def test_a_place_is_free_when_the_room_is_over_and_later_where_there_is_a_recording(
    tmp_path: Path, empty_database: Path
) -> None:
    db, clock = database(tmp_path, empty_database), Clock()
    registry = Registry(db, ("worker-0",), "worker-0", clock)
    await registry.place("plain", recorded=False)
    await registry.place("recorded", recorded=True)
    for room in ("plain", "recorded", "never placed"):
        await registry.closed_for_good(room)
    assert (registry.node_of("plain"), registry.node_of("recorded")) == (None, "worker-0")
    assert registry.movable("worker-0") == []
    await registry.forget("recorded")
    async with db.read() as rows:
        assert list(await rows.scalars(select(RoomPlacement))) == []
    await db.close()


async def test_places_of_sessions_that_are_over_are_given_up_at_the_start(tmp_path: Path, empty_database: Path) -> None:
    db, clock = database(tmp_path, empty_database), Clock()
    registry = Registry(db, ("worker-0",), "worker-0", clock)
    states = {
        "live": {"state": "live"},
        "over": {"state": "ended"},
        "sealed": {"state": "ended", "recording_started_utc_ms": 1, "manifest_key": "m"},
        "not sealed": {"state": "ended", "recording_started_utc_ms": 1},
    }
    common = {"county": "default", "title": "", "language": "zh", "created_by": "x", "created_utc_ms": 1}
    for room, state in states.items():
        await registry.place(room, recorded=room.endswith("sealed"))
        async with db.begin() as rows:
            rows.add(Session(id=room, recording="off", **common, **state))
    again = Registry(db, ("worker-0",), "worker-0", clock)
    await again.load()
    assert [room for room in states if again.node_of(room)] == ["live", "not sealed"]
    await db.close()


def test_figures_of_several_processes_stand_in_one_family() -> None:
    page = '# HELP x_a a\n# TYPE x_a gauge\nx_a{{worker="{n}"}} {n}.0\n'
    text = merged([page.format(n=0), page.format(n=1)]).decode()
    (family,) = text_string_to_metric_families(text)
    assert [(s.labels["worker"], s.value) for s in family.samples] == [("0", 0.0), ("1", 1.0)]
    assert text.count("# TYPE") == 1
    assert merged([]) == b""


def test_the_worst_of_several_recorders_counts(tmp_path: Path) -> None:
    links = [RecorderLink(unix_line(tmp_path / str(n)), lambda event: None) for n in range(2)]
    pool = RecorderPool({f"worker-{n}": link for n, link in enumerate(links)}, lambda room: None)
    common = {"sessions": [], "free_bytes": 5}
    assert pool.last is None, "none has been heard"
    links[0].last = answer_from_json({"store_ok": True, "disk_state": "low", **common})
    assert pool.last is None, "one has not been heard"
    links[1].last = answer_from_json({"store_ok": False, "disk_state": "ok", **common, "free_bytes": 3})
    assert pool.last is not None
    assert (pool.last.store_ok, pool.last.disk_state, pool.last.free_bytes) == (False, "low", 3)


def recorders(tmp_path: Path) -> tuple[RecorderPool, dict[str, RecorderLink], list[str]]:
    """One here that answers and one on a node that does not; `ours` and `theirs` are rooms of theirs."""
    deleted: list[str] = []

    class Link(RecorderLink):
        @property
        def away(self) -> bool:
            return self.last is None

        async def ask(self) -> Answer:
            if self.last is None:
                raise RecorderAway("silent")
            return self.last

        async def forget(self, session_id: str) -> None:
            deleted.append(session_id)

    places = {"worker-0": Link(unix_line(tmp_path / "a"), str), "east/0": Link(unix_line(tmp_path / "b"), str)}
    common = {"store_ok": True, "disk_state": "ok", "free_bytes": 5}
    entry = {"session_id": "ours", "state": "sealed", "duration_ms": 1, "tracks": [], "manifest_key": "m"}
    more = {"error": None, "origin_utc_ms": 1, "waiting_uploads": 0, "waiting_bytes": 0, "complete": True}
    places["worker-0"].last = answer_from_json({**common, "sessions": [{**common, **entry, **more}]})
    return RecorderPool(places, {"ours": "worker-0", "theirs": "east/0"}.get), dict(places), deleted


async def test_a_recorder_that_is_away_concerns_its_own_rooms_alone(tmp_path: Path) -> None:
    pool, links, deleted = recorders(tmp_path)
    assert pool.away == {"east/0"}
    assert [pool.away_for(room) for room in ("ours", "theirs", "nowhere yet")] == [False, True, False]
    links["east/0"]._seen_s -= 60
    assert [await pool.is_there(room) for room in ("ours", "theirs", "nowhere yet")] == [True, False, True]
    assert pool.last is not None and pool.last.free_bytes == 5
    await pool.forget("ours")
    assert deleted == ["ours"], "who has it is told, whoever else is silent"
    with pytest.raises(RecorderAway):
        await pool.forget("theirs")


async def test_a_full_disk_stops_recording_where_it_is_full(tmp_path: Path) -> None:
    pool, links, _ = recorders(tmp_path)
    full = {"store_ok": True, "disk_state": "full", "free_bytes": 0, "sessions": []}
    links["east/0"].last = answer_from_json(full)
    assert [pool.has_full_disk(room) for room in ("ours", "theirs", "nowhere yet")] == [False, True, True]
