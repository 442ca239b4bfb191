# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random instants of the four programs as they really run, while people are in a recorded call.

The people's media are numbered, and what is in the store is read by another reader: so each packet that is missing is
known, and held against the kills and against what the record itself says of its gaps.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from yarl import URL

from storage import manifest
from storage.cli import reconcile, verify, verify_audit
from storage.database.engine import open_database
from storage.database.upgrade import upgrade_database
from storage.layout import manifest_key, own_key_key, session_folder
from storage.objects import open_store
from tests.faults.numbered import NumberedTrack, Sent, numbers_in
from tests.faults.speaker import Speaker
from tests.web.front import Browser, Front
from tests.web.sessions.house import House, eventually
from web.api.core import DATABASE

PROGRAMS = ("mediaserver", "mediaserver.recorder", "web", "storage.embedded")
KILLS_EACH = 12
"""Kills in one call, as many of each program."""
PART_MS = 1_000
EDGE_MS = 150.0
"""So far a packet's way, and the script's own lateness, may put it beside the end of a gap."""
AFTER_THE_END = 0.15
"""This part of the kills comes when the session has ended: while it is sealed and uploaded."""
MARK_EVERY_S = 0.7
KEPT_FILES = {"feed.json", "uploads.jsonl", "recorder.lock"}
RECORDER_STARTS_MS = 3_000
"""So long after its start the recorder may not have taken yet what waited for it."""
NEAR_MS = 6_000
READY_WITHIN_S = 60.0
SEALED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One program was killed, and started again somewhat later."""

    program: str
    at_utc_ms: float
    again_utc_ms: float


@dataclass
class Told:
    """Markers that people set: those that the server took, and all that were tried."""

    taken: list[str] = field(default_factory=list)
    tried: int = 0


@dataclass
class Outcome:
    """One recording under kills. `faults` is empty when every promise was kept."""

    kills: list[Kill]
    faults: list[str] = field(default_factory=list)
    sent: int = 0
    recorded: int = 0
    missing: int = 0
    most_lost_ms: float = 0.0
    """Time before a kill of the mediaserver, with the recorder alive, from which packets are missing."""
    gaps: int = 0
    joins: int = 0
    resumes: int = 0
    markers: int = 0

    def add(self, other: Outcome) -> None:
        """Another recording's, too."""
        self.kills += other.kills
        self.faults += other.faults
        for name in ("sent", "recorded", "missing", "gaps", "joins", "resumes", "markers"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_lost_ms = max(self.most_lost_ms, other.most_lost_ms)

    def as_json(self) -> dict[str, Any]:
        """For the result file."""
        named = {program: sum(kill.program == program for kill in self.kills) for program in PROGRAMS}
        return {
            "kills": named, "packets_sent": self.sent, "packets_recorded": self.recorded,
            "packets_missing": self.missing, "most_lost_before_a_kill_ms": round(self.most_lost_ms),
            "gaps_listed": self.gaps, "joins": self.joins, "resumes": self.resumes, "markers": self.markers,
            "faults": self.faults,
        }  # fmt: skip


@contextlib.asynccontextmanager
async def household(folder: Path, *, own_key: bool) -> AsyncIterator[House]:
    """All four programs, each a process, and the pages' address; recordings get keys of their own, or none."""
    house = House(folder / "data", folder, recording_keys="all" if own_key else "off")
    house.settings.data_dir.mkdir(parents=True)
    upgrade_database(house.settings)
    database = open_database(house.settings)
    try:
        await house.start_store()
        await house.start_mediaserver()
        await house.start_recorder()
        await house.start("web", house.settings.data_dir / "tls" / "server.crt")
        trust = ssl.create_default_context(cafile=str(house.settings.data_dir / "tls" / "ca.crt"))
        url = URL(f"https://127.0.0.1:{house.settings.https_port}/")
        house.front = Front(house.settings, house.clock, {DATABASE: database}, None, url, trust)  # type: ignore[arg-type]
        await all_answer(house)
        yield house
    finally:
        if hasattr(house, "front"):
            await house.front.close()
        for module in list(house.processes):
            await house.kill(module)
        await database.close()


async def all_answer(house: House) -> None:
    """Wait until the pages say that everything they need is there."""

    async def answers() -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            return (await house.front.browser().get("/readyz")).status == 200
        return False

    await eventually(answers, READY_WITHIN_S)
    await eventually(lambda: asyncio.to_thread(house._store_answers), READY_WITHIN_S)


async def run(folder: Path, seed: int, count: int) -> Outcome:
    """One recorded call of two people under so many kills, by an odd seed under a key of its own."""
    chance = random.Random(seed)
    programs = [PROGRAMS[place % len(PROGRAMS)] for place in range(count)]
    chance.shuffle(programs)
    before_the_end = count - round(count * AFTER_THE_END)
    outcome, told = Outcome([]), Told()
    async with household(folder, own_key=seed % 2 == 1) as house:
        session_id, speakers = await _begin(house, chance)
        marking = asyncio.create_task(_mark(speakers[0].browser, session_id, told))
        for program in programs[:before_the_end]:
            await asyncio.sleep(chance.uniform(0.1, 4.0))
            outcome.kills.append(await _kill(house, program, chance))
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        await all_answer(house)
        await eventually(lambda: _back(house, session_id), READY_WITHIN_S)
        marking.cancel()
        await asyncio.gather(marking, return_exceptions=True)
        await asyncio.sleep(2.0)
        ended_utc_ms = time.time() * 1000
        await _insist(speakers[0].browser, f"/api/sessions/{session_id}/end")
        for speaker in speakers:
            await speaker.leave()
        for program in programs[before_the_end:]:
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            outcome.kills.append(await _kill(house, program, chance))
        await all_answer(house)
        await _sealed(house, speakers[0].browser, session_id)
        await _hold(house, session_id, speakers, told, ended_utc_ms, outcome)
    left = [process.cmdline() for process in psutil.Process().children(recursive=True) if process.is_running()]
    outcome.faults += [f"a process is left: {' '.join(line)}" for line in left if "-m" in line]
    return outcome


async def _begin(house: House, chance: random.Random) -> tuple[str, list[Speaker]]:
    host = await house.front.signed_in("station_officer", name="刘卫国")
    other = await house.front.signed_in("hq_officer", name="周敏")
    session_id = await house.session(host)
    speakers = []
    for browser, name in ((host, "吴发明"), (other, "周敏")):
        await house.consented(browser, session_id, name)
        speaker = Speaker(house, browser, session_id, random.Random(chance.randrange(1 << 32)))
        await speaker.enter()
        speakers.append(speaker)
    await house.wait(host, session_id, lambda d: sum(p["present"] for p in d["participants"]) == 2)
    reply = await host.post(f"/api/sessions/{session_id}/recording", {"step": "start"})
    assert reply.status == 200, reply.body
    return session_id, speakers


async def _kill(house: House, program: str, chance: random.Random) -> Kill:
    """kill -9, and a start that nobody waits for: the next kill may find it half ready."""
    at = time.time() * 1000
    await house.kill(program)
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0.0, 2.5))))
    again = time.time() * 1000
    await house.start(program)
    return Kill(program, at, again)


async def _back(house: House, session_id: str) -> bool:
    """Both people are in the room, with sound and picture, and it is recorded."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        room = (await house.rooms()).get(session_id)
        return room is not None and len(room["peers"]) == 2 and room["recording"]["state"] == "on"
    return False


async def _mark(browser: Browser, session_id: str, told: Told) -> None:
    """Somebody presses the button again and again."""
    while True:
        label = f"m{told.tried}"
        told.tried += 1
        with contextlib.suppress(aiohttp.ClientError, OSError):
            reply = await browser.post(f"/api/sessions/{session_id}/marks", {"kind": "marker", "label": label})
            if reply.status == 200:
                told.taken.append(label)
        await asyncio.sleep(MARK_EVERY_S)


async def _insist(browser: Browser, path: str) -> None:
    """Ask until it is granted, as a person does."""

    async def granted() -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            return (await browser.post(path)).status == 200
        return False

    await eventually(granted, READY_WITHIN_S)


async def _sealed(house: House, browser: Browser, session_id: str) -> None:
    """The pages say that it is sealed, and recorder and mediaserver have forgotten it."""

    async def done() -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            detail = await house.detail(browser, session_id)
            return detail["recording"]["state"] == "sealed" and not await house.rooms() and not _spooled(house)
        return False

    await eventually(done, SEALED_WITHIN_S)


def _spooled(house: House) -> list[str]:
    spool = house.settings.spool_dir
    files = {path.relative_to(spool).as_posix() for path in spool.rglob("*") if path.is_file()}
    return sorted(files - KEPT_FILES) + [str(path) for path in spool.glob("*/sessions/*")]


async def _hold(
    house: House, session_id: str, speakers: list[Speaker], told: Told, ended_utc_ms: float, outcome: Outcome
) -> None:
    """Hold what is in the store against what was sent, and against the promises."""
    store, county = open_store(house.settings), house.settings.county
    made = manifest.from_bytes(await asyncio.to_thread(store.read_bytes, manifest_key(county, session_id)))
    outcome.faults += await asyncio.to_thread(_programs_say, house, session_id)
    keys = {item.key for item in store.list(session_folder(county, session_id))}
    known = {segment.key for track in made.tracks for segment in track.segments()} | {manifest_key(county, session_id)}
    if house.settings.recording_keys == "all":
        own_key = own_key_key(county, session_id)
        outcome.faults += [] if own_key in keys else ["it has no key of its own"]
        known.add(own_key)
    outcome.faults += [f"in the store, but not listed: {key}" for key in sorted(keys - known)]
    outcome.faults += [f"left in the spool: {path}" for path in _spooled(house)]
    marks = Counter(event.data.get("label") for event in made.events if event.type == "marker")
    outcome.faults += [f"marker {label} is not there" for label in told.taken if not marks[label]]
    outcome.faults += [f"marker {label} is there {count} times" for label, count in marks.items() if count > 1]
    outcome.markers, outcome.gaps = len(told.taken), len(made.gaps)
    for speaker in speakers:
        outcome.joins += len(speaker.joins)
        outcome.resumes += speaker.resumes
        for source, sent in speaker.tracks.items():
            track_id = f"{speaker.peer_id}-{source}"
            found = next((track for track in made.tracks if track.track_id == track_id), None)
            if found is None:
                outcome.faults.append(f"{track_id} is not in the record")
                continue
            numbers = [
                number for segment in found.segments()
                for number in numbers_in(await asyncio.to_thread(store.read_bytes, segment.key))
            ]  # fmt: skip
            listed = sum(segment.packets for segment in found.segments())
            if listed != len(numbers):
                outcome.faults.append(f"{track_id}: {listed} packets listed, {len(numbers)} found")
            Ledger(made, track_id, sent, numbers, speaker.joins, outcome).hold(ended_utc_ms)


def _programs_say(house: House, session_id: str) -> list[str]:
    """What our own commands find."""
    faults, out = [], io.StringIO()
    console = Console(file=out, width=200)
    if verify.run(house.settings, session_id, console=console) != 0:
        faults.append(f"videohome verify: {out.getvalue()}")
    if verify_audit.run(house.settings, console=console) != 0:
        faults.append(f"videohome verify-audit: {out.getvalue()}")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if reconcile.run(house.settings, json_out=True) != 0:
            faults.append(f"videohome reconcile: {printed.getvalue()}")
    return faults


class Ledger:
    """One track: what was sent, what was found, and what the record says is missing."""

    def __init__(
        self,
        made: manifest.Manifest,
        track_id: str,
        sent: NumberedTrack,
        numbers: list[int],
        joins: list[float],
        outcome: Outcome,
    ) -> None:
        self._made, self._track_id, self._sent = made, track_id, sent
        self._numbers, self._joins, self._outcome = numbers, joins, outcome
        self._gaps = [gap for gap in made.gaps if gap.track_id in (None, track_id)]
        self._origin = made.origin_utc_ms

    def hold(self, ended_utc_ms: float) -> None:
        """Add what does not fit to the outcome's faults."""
        found = set(self._numbers)
        if self._numbers != sorted(found):
            self._fault("packets are there twice or in another order")
        due = [one for one in self._sent.sent if self._origin + EDGE_MS <= one.utc_ms <= ended_utc_ms - EDGE_MS]
        due = due[self._before_the_first_key(due, found) :]
        missing = [one for one in due if one.number not in found]
        self._outcome.sent += len(due)
        self._outcome.recorded += len(found)
        self._outcome.missing += len(missing)
        self._reached(missing)
        self._listed(missing)
        self._true(found)

    def _before_the_first_key(self, due: list[Sent], found: set[int]) -> int:
        """A recording may begin between two key frames: what leans on an earlier one is of no use to it."""
        if self._sent.kind == "audio":
            return 0
        return next((place for place, one in enumerate(due) if one.number in found), len(due))

    def _reached(self, missing: list[Sent]) -> None:
        """Only the mediaserver's death costs anything: at most a part of what it had got, and what came while nobody
        was there to take it."""
        outages = [
            (self._from(kill), kill.at_utc_ms, next((at for at in self._joins if at > kill.at_utc_ms), float("inf")))
            for kill in self._outcome.kills
            if kill.program == "mediaserver"
        ]
        for one in missing:
            span = next((o for o in outages if o[0] - PART_MS - EDGE_MS <= one.utc_ms <= o[2] + EDGE_MS), None)
            if span is None:
                at_ms = one.utc_ms - self._origin
                self._fault(f"packet {one.number}, sent at {at_ms:.0f} ms, is lost without reason; {self._near(at_ms)}")
            elif span[0] == span[1] > one.utc_ms:
                self._outcome.most_lost_ms = max(self._outcome.most_lost_ms, span[0] - one.utc_ms)

    def _from(self, death: Kill) -> float:
        """When the mediaserver's death begins to count: where it found the recorder dead, too, what only the
        mediaserver had is lost with it."""
        for kill in self._outcome.kills:
            away = kill.at_utc_ms <= death.at_utc_ms <= kill.again_utc_ms + RECORDER_STARTS_MS
            if kill.program == "mediaserver.recorder" and away:
                return kill.at_utc_ms
        return death.at_utc_ms

    def _listed(self, missing: list[Sent]) -> None:
        """Whatever is missing stands in the record as a gap."""
        for one in missing:
            at_ms = one.utc_ms - self._origin
            if not any(gap.from_ms - EDGE_MS <= at_ms <= gap.to_ms + EDGE_MS for gap in self._gaps):
                near = self._near(at_ms)
                self._fault(f"packet {one.number}, sent at {at_ms:.0f} ms, is missing and in no gap; {near}")

    def _near(self, at_ms: float) -> str:
        """What happened about that time, for whoever looks for the reason."""
        span = at_ms - NEAR_MS, at_ms + NEAR_MS
        gaps = [(g.from_ms, g.to_ms, g.cause) for g in self._gaps if g.to_ms > span[0] and g.from_ms < span[1]]
        kills = [
            (kill.program, round(kill.at_utc_ms - self._origin), round(kill.again_utc_ms - self._origin))
            for kill in self._outcome.kills
            if kill.again_utc_ms - self._origin > span[0] and kill.at_utc_ms - self._origin < span[1]
        ]
        joins = [round(at - self._origin) for at in self._joins if span[0] < at - self._origin < span[1]]
        epochs = next((t.epochs for t in self._made.tracks if t.track_id == self._track_id), ())
        return f"gaps {gaps}, kills {kills}, joins {joins}, epochs {[(e.start_ms, e.end_ms) for e in epochs]}"

    def _true(self, found: set[int]) -> None:
        """Whatever stands in the record as a gap is missing."""
        for one in self._sent.sent:
            if one.number not in found:
                continue
            at_ms = one.utc_ms - self._origin
            for gap in self._gaps:
                if gap.from_ms + EDGE_MS < at_ms < gap.to_ms - EDGE_MS:
                    self._fault(f"packet {one.number}, sent at {at_ms:.0f} ms, is there in spite of {gap}")
        killed = [kill.at_utc_ms - self._origin for kill in self._outcome.kills if kill.program == "mediaserver"]
        for from_ms, to_ms in _joined(
            (gap.from_ms, gap.to_ms) for gap in self._gaps if gap.cause == "mediaserver_down"
        ):
            if not any(from_ms - PART_MS - EDGE_MS <= at <= to_ms + EDGE_MS for at in killed):
                self._fault(f"no mediaserver was killed between {from_ms} and {to_ms} ms")

    def _fault(self, text: str) -> None:
        if sum(fault.startswith(self._track_id) for fault in self._outcome.faults) < 5:
            self._outcome.faults.append(f"{self._track_id}: {text}")


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans with those that touch as one: until the successor's first order, and from there to its first packet."""
    found: list[tuple[int, int]] = []
    for from_ms, to_ms in sorted(spans):
        if found and from_ms <= found[-1][1]:
            found[-1] = found[-1][0], max(to_ms, found[-1][1])
        else:
            found.append((from_ms, to_ms))
    return found
