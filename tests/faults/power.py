# SPDX-License-Identifier: Apache-2.0
"""The power fails at any moment of a recording: at most one part of each track is lost, and the record says so."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from mediaserver.recorder import core
from storage.layout import manifest_key, own_key_key
from tests.faults.disk_log import Entry, LoggedDisk, after_power_cut
from tests.faults.recording import (
    COMMIT_MS,
    COUNTY,
    PART_MS,
    SESSION,
    Clock,
    Script,
    Sent,
    assert_green,
    assert_nothing_left,
    finish,
    last,
    packets_of,
    record,
    settings_of,
    surroundings,
)
from tests.faults.store import FolderStore

TRACKS = {1: "p-mic", 2: "p-cam"}


@dataclass
class Logged:
    """A recording whose every change of the disk is known."""

    entries: list[Entry]
    sent: dict[int, Sent]
    commit_every_ms: int
    secrets: dict[str, bytes]
    own_key: bool


async def logged(folder: Path, commit_every_ms: int = COMMIT_MS, *, own_key: bool = False) -> Logged:
    """Record once, and write down what happens on the disk. A slow disk takes more at a time, and less often."""
    settings = settings_of(folder)
    log = LoggedDisk(settings.spool_dir)
    store = FolderStore(folder / "objects", log=log)
    script = await record(folder, store, log, commit_every_ms, own_key=own_key)
    assert_nothing_left(folder)
    made = assert_green(folder, store, own_key=own_key)
    for number, name in TRACKS.items():
        assert packets_of(made, name) == script.sent[number].kept(script.numbers[number])
    secrets = {path.name: path.read_bytes() for path in settings.secrets_dir.iterdir()}
    return Logged(log.entries, script.sent, commit_every_ms, secrets, own_key)


async def cut(recording: Logged, seed: str, folder: Path) -> str:
    """Let the power fail at a moment by the seed, start again, and hold everything against the promise. Returns what
    was found, in a word. Raises AssertionError."""
    chance = random.Random(seed)
    entries = recording.entries[: chance.randint(0, len(recording.entries))]
    settings = settings_of(folder)
    settings.spool_dir.mkdir(parents=True)
    settings.secrets_dir.mkdir(parents=True)
    for name, secret in recording.secrets.items():
        (settings.secrets_dir / name).write_bytes(secret)
    after_power_cut(entries, chance, settings.spool_dir)
    store = FolderStore(folder / "objects")
    for entry in entries:
        if entry.what == "put":
            key, data = entry.facts
            (store.folder / key).parent.mkdir(parents=True, exist_ok=True)
            (store.folder / key).write_bytes(data)
    own_key = store.folder / own_key_key(COUNTY, SESSION)
    first_key = own_key.read_bytes() if own_key.exists() else b""
    acknowledged = last(entries, "acknowledged")
    clock = Clock()
    clock.ms = 1_000_000
    with surroundings(store, clock):
        recorder = core.Recorder(settings)
        recorder.start()
        live = recorder.sessions.get(SESSION)
        durable = {} if live is None else {number: found.acknowledged for number, found in live.state.feed.items()}
        gone = (store.folder / manifest_key(COUNTY, SESSION)).exists()
        if not gone:
            for number in TRACKS:
                _check_loss(recording, entries, number, durable.get(number, 0), acknowledged.get(number, 0))
        recorder.welcome("boot-2")
        if not gone:  # web orders again what it has not yet seen sealed
            Script(recorder, clock, None, own_key=recording.own_key).order("stopped", version=99)
        await finish(recorder, clock)
        await recorder.close()
    assert_nothing_left(folder)
    assert not first_key or own_key.read_bytes() == first_key, "a second key for what the first one opens"
    if not (store.folder / manifest_key(COUNTY, SESSION)).exists():
        assert not any(acknowledged.get(number) for number in TRACKS), "what was acknowledged is nowhere"
        return "nothing"
    made = assert_green(folder, store, own_key=recording.own_key)
    if live is not None and not gone:
        for number, name in TRACKS.items():
            expected = recording.sent[number].kept(durable.get(number, 0))
            assert packets_of(made, name) == expected, f"{name}: the record and what was acknowledged differ"
        missing = any(recording.sent[n].kept(durable.get(n, 0)) < recording.sent[n].kept(1 << 40) for n in TRACKS)
        assert not (missing and made.complete and live.state.recording != "stopped"), "a loss that is not listed"
    return "sealed before" if gone else "recovered"


def _check_loss(recording: Logged, entries: list[Entry], number: int, durable: int, acknowledged: int) -> None:
    assert durable >= acknowledged, f"track {number}: {acknowledged} was acknowledged, {durable} is there"
    taken = last(entries, "taken").get(number, 0)
    sent = recording.sent[number]
    if durable:
        lost_ms = sent.lost_ms(durable, taken)
        assert lost_ms <= PART_MS + recording.commit_every_ms, f"track {number}: {lost_ms} ms were lost"
