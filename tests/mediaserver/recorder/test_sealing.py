# SPDX-License-Identifier: Apache-2.0
"""The seal of a long session: made in a process of its own, the same as here, and holding up nobody's recording."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from mediaserver.recorder import core, manifest_making, sealing
from mediaserver.recorder.manifest_making import Made, SealRefused
from mediaserver.recorder.spool import JOURNAL, SessionSpool
from mediaserver.recording import feed
from storage.manifest import from_bytes
from storage.seal import verify
from tests.faults.recording import Clock, Script, assert_green, assert_nothing_left, packets_of, record, settings_of
from tests.faults.recording import surroundings as surroundings_of
from tests.faults.store import FolderStore
from tests.mediaserver.recorder.studio import until

TRACKS = {1: "p-mic", 2: "p-cam"}


async def test_a_recording_sealed_by_the_child_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "IN_PROCESS_BYTES", 0)
    monkeypatch.setattr(manifest_making, "make", None)  # not here
    store = FolderStore(tmp_path / "objects")
    script = await record(tmp_path, store)
    assert_nothing_left(tmp_path)
    made = assert_green(tmp_path, store)
    assert made.complete and made.software.startswith("videohome")
    for number, name in TRACKS.items():
        assert packets_of(made, name) == script.sent[number].kept(script.numbers[number])


async def test_here_and_in_the_child_the_same_is_made(tmp_path: Path) -> None:
    spool = SessionSpool(tmp_path, "default", "0" * 26)
    spool.folder.mkdir(parents=True)
    order = '{"t":"order","c":%d,"recording":"%s","version":%d,"utc_ms":%d,"reason":"所"}\n'
    lines = [order % (1, "on", 1, 1_000), order % (2, "stopped", 2, 9_000), '{"t":"event","half a line']
    session = f'{{"t":"session","county":"default","session":"{spool.session_id}","room":"r"}}\n'
    (spool.folder / JOURNAL).write_text(session + "".join(lines), "utf-8")
    here = manifest_making.make(spool, tmp_path / "secrets")
    child = await manifest_making.make_in_child(spool, tmp_path / "secrets")
    mine, its = from_bytes(here.data), from_bytes(child.data)
    assert mine.seal is not None and its.seal is not None
    verify(its, mine.seal.public_key)
    assert (mine.events, mine.ended_utc_ms, mine.origin_utc_ms) == (its.events, 9_000, 1_000)
    assert (here.complete, here.duration_ms) == (child.complete, child.duration_ms)
    (spool.folder / JOURNAL).write_text(session + '{"t":"order"}\n', "utf-8")
    with pytest.raises(SealRefused, match="lacks or garbles 'recording'"):
        await manifest_making.make_in_child(spool, tmp_path / "secrets")
    (spool.folder / JOURNAL).unlink()
    with pytest.raises(OSError, match="ended with status 1"):
        await manifest_making.make_in_child(spool, tmp_path / "secrets")


async def test_while_one_session_is_being_sealed_another_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(spool: SessionSpool, secrets_dir: Path) -> Made:
        begun.set()
        await go_on.wait()
        return await asyncio.to_thread(manifest_making.make, spool, secrets_dir)

    monkeypatch.setattr(sealing, "IN_PROCESS_BYTES", 0)
    monkeypatch.setattr(manifest_making, "make_in_child", slow)
    clock, store, stop = Clock(), FolderStore(tmp_path / "objects"), asyncio.Event()
    with surroundings_of(store, clock):
        recorder = core.Recorder(settings_of(tmp_path))
        told: dict[int, int] = {}
        recorder.on_acknowledge = told.update
        recorder.start()
        recorder.welcome("boot")
        running = asyncio.create_task(recorder.run(stop))
        first = Script(recorder, clock, None)
        first.order("on")
        first.order("stopped")
        await asyncio.wait_for(begun.wait(), 30)
        for number in itertools.count(3):  # another session, spoken of while the first one's seal takes its time
            reference = feed.SessionRef("default", "1" * 26, "1" * 26)
            body = {"session": feed.session_json(reference), "type": "marker", "data": {}, "utc_ms": number}
            first.take(feed.encode_json(feed.Kind.EVENT, feed.CONTROL_TRACK, number, body))
            await until(lambda number=number: told.get(feed.CONTROL_TRACK, 0) >= number)
            if number == 5:
                break
        assert not go_on.is_set() and not recorder.sessions["0" * 26].state.done
        go_on.set()
        await until(lambda: recorder.sessions["0" * 26].state.done)
        stop.set()
        await running
        await recorder.close()
