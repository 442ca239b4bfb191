# SPDX-License-Identifier: Apache-2.0
"""The speech worker as it really runs: real weights, real store, real database, killed and restarted."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import layout
from storage.settings import Settings
from tests.acceptance.speech import DATA, Turn, load
from tests.embedded_store import EmbeddedStore, wait
from tests.recordings import Sound, put_recording, write_silence
from tests.speech_scoring import Span, character_error_rate, percentile, spanning, start_errors_s
from tests.transcribe.installation import Database, WorkerProcess
from transcribe.script import simplified
from transcribe.worker import FORGET_AFTER_MS

PROMPT = "以下是普通话的句子"
START_MS = {"hq": 0, "station": 3_000, "villager": 5_000}
"""The peers of the recording join one after another; what they say is that much later on the session clock."""
SHORT_MS = 25_000
"""Each of the three has spoken once by then."""
LIMIT_MS = 81_500
"""So much of the spoken session is enough for times and words; the whole of it is the acceptance test's work, beside
the same model without anything of ours."""
SPOKEN = load(DATA / "synth-a")
TURNS = tuple(turn for turn in SPOKEN.turns if turn.end_s * 1000 < LIMIT_MS)


def sounds(limit_ms: int) -> list[Sound]:
    return [
        Sound(name, f"人 {name}", SPOKEN.folder / f"{name}.opus", start, limit_ms, 40.0 if name == "station" else 0.0)
        for name, start in START_MS.items()
    ]


def spoken_on_the_clock(turn: Turn) -> Span:
    add_s = START_MS[turn.track] / 1000
    return Span(turn.start_s + add_s, turn.end_s + add_s)


@pytest.mark.timeout(600)
def test_a_whole_session(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    write_silence(tmp_path / "silent.opus", 60_000)
    everything = [*sounds(LIMIT_MS), Sound("muted", "静", tmp_path / "silent.opus")]
    session_id = database.new_session()
    put_recording(store.settings, store.opened(), session_id, everything)
    transcript_id = database.order(session_id)
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log"))
    row = database.wait_for(transcript_id)
    lines = database.lines(transcript_id)
    assert workers[0].stop() == 0

    assert row["model"] == "base"
    assert (row["progress"], row["step"], row["error_code"]) == (1.0, "done", None)
    assert abs(time.time() * 1000 - row["finished_utc_ms"]) < 600_000
    assert row["finished_utc_ms"] > row["created_utc_ms"]
    assert {line["peer_id"]: line["speaker"] for line in lines} == {name: f"人 {name}" for name in START_MS}
    assert [line["n"] for line in lines] == list(range(len(lines)))
    text = "".join(line["text"] for line in lines)
    assert simplified(text) == text
    assert PROMPT not in text
    check_times(lines)
    check_words(lines)
    check_result(store, database, transcript_id, lines)
    took_s = sum(event["took_s"] for event in workers[0].events("window_recognised"))
    print(f"\nreal-time factor {took_s / (3 * LIMIT_MS / 1000 + 60):.3f} ({took_s:.0f} s)")


def check_times(lines: list[dict[str, Any]]) -> None:
    errors: list[float] = []
    for track in START_MS:
        turns = [spoken_on_the_clock(turn) for turn in TURNS if turn.track == track]
        spans = [Span(item["start_ms"] / 1000, item["end_ms"] / 1000) for item in lines if item["peer_id"] == track]
        assert spanning(spans, turns) == []
        found = start_errors_s(turns, spans)
        assert None not in found, f"a turn of {track} has no line"
        errors += [error for error in found if error is not None]
        inside = [any(span.shared_s(Span(t.start_s - 1, t.end_s + 1)) == span.end_s - span.start_s for t in turns)
                  for span in spans]  # fmt: skip
        assert sum(inside) >= 0.95 * len(inside), f"lines of {track} lie where nobody spoke"
    print(f"\nstart errors median {percentile(errors, 0.5):.2f} s, p95 {percentile(errors, 0.95):.2f} s")
    assert sum(error <= 1.0 for error in errors) >= 0.95 * len(errors)


def check_words(lines: list[dict[str, Any]]) -> None:
    for track in START_MS:
        wanted = "".join(turn.text for turn in TURNS if turn.track == track)
        rate = character_error_rate(wanted, "".join(line["text"] for line in lines if line["peer_id"] == track))
        print(f"\n{track}: character error rate {rate:.3f}")
        assert rate < 0.25


def check_result(store: EmbeddedStore, database: Database, transcript_id: str, lines: list[dict[str, Any]]) -> None:
    row = database.row(transcript_id)
    assert row["result_key"] == layout.transcript_key(store.settings.county, row["session_id"], transcript_id)
    result = json.loads(store.opened().read_bytes(row["result_key"]))
    assert [line["text"] for line in result["lines"]] == [line["text"] for line in lines]
    assert result["model"]["pinned"] is True
    assert result["options"]["prompt"] == PROMPT + "。"
    assert result["libraries"]["faster-whisper"]
    assert all(track["words"] for track in result["tracks"] if track["peer_id"] != "muted")
    assert [track["words"] for track in result["tracks"] if track["peer_id"] == "muted"] == [[]]
    assert all(track["bad"] == 0 for track in result["tracks"])


def short_job(store: EmbeddedStore, database: Database) -> str:
    session_id = database.new_session()
    put_recording(store.settings, store.opened(), session_id, sounds(SHORT_MS))
    return database.order(session_id)


def tracks_recognised(worker: WorkerProcess) -> list[int]:
    return [event["track"] for event in worker.events("window_recognised")]


def steps_kept(settings: Settings, transcript_id: str) -> list[str]:
    """The steps whose results lie in the jobs database."""
    with closing(sqlite3.connect(settings.data_dir / "db" / "jobs.sqlite")) as link:
        rows = link.execute(
            "select function_name from operation_outputs where workflow_uuid = ? order by function_id", (transcript_id,)
        )
        return [str(row[0]) for row in rows]


@pytest.mark.timeout(300)
def test_a_killed_worker_goes_on_at_the_last_finished_step(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    transcript_id = short_job(store, database)
    workers.append(WorkerProcess(store.settings, tmp_path / "first.log"))
    wait(lambda: tracks_recognised(workers[0]), 90, "the first window")
    wait(lambda: "recognise" in steps_kept(store.settings, transcript_id), what="the first window kept")
    workers[0].kill()
    assert steps_kept(store.settings, transcript_id)[:3] == ["prepare", "windows", "recognise"]
    assert tracks_recognised(workers[0]) == [0]
    assert database.row(transcript_id)["state"] == "running"
    workers.append(WorkerProcess(store.settings, tmp_path / "second.log"))
    database.wait_for(transcript_id)
    assert tracks_recognised(workers[1]) == [1, 2]
    assert steps_kept(store.settings, transcript_id) == ["prepare", *["windows", "recognise"] * 3, "finish"]
    assert {line["peer_id"] for line in database.lines(transcript_id)} == set(START_MS)
    wait(lambda: not any((store.settings.data_dir / "work" / "worker-1").iterdir()), what="decoded sound removed")
    with closing(sqlite3.connect(store.settings.data_dir / "db" / "jobs.sqlite", timeout=20)) as link:
        ended = "update workflow_status set updated_at = updated_at - ? where workflow_uuid = ? and status = 'SUCCESS'"
        assert link.execute(ended, (FORGET_AFTER_MS, transcript_id)).rowcount == 1
        link.commit()
    wait(lambda: not steps_kept(store.settings, transcript_id), what="an hour later the words are in the store alone")
    assert database.row(transcript_id)["state"] == "done"


@pytest.mark.timeout(300)
def test_another_worker_takes_over_the_job_of_a_dead_one(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    workers.append(WorkerProcess(store.settings, tmp_path / "first.log"))
    wait(lambda: workers[0].events("worker_started"), what="the first worker")
    transcript_id = short_job(store, database)
    wait(lambda: "recognise" in steps_kept(store.settings, transcript_id), 90, "the first window kept")
    os.kill(workers[0].process.pid, signal.SIGSTOP)  # alive, so its seat stays taken, but it beats no more
    workers.append(WorkerProcess(store.settings, tmp_path / "second.log"))
    wait(lambda: workers[1].events("worker_started"), what="the second worker")
    workers[0].kill()
    database.wait_for(transcript_id)
    assert [event["transcript_id"] for event in workers[1].events("job_taken_over")] == [transcript_id]
    assert [event["worker_id"] for worker in workers for event in worker.events("worker_started")] == [
        "worker-1",
        "worker-2",
    ]
    assert tracks_recognised(workers[0]) == [0]
    assert tracks_recognised(workers[1]) == [1, 2]


@pytest.mark.timeout(300)
def test_a_worker_that_is_stopped_in_the_middle_leaves_the_job_to_the_next_one(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    transcript_id = short_job(store, database)
    workers.append(WorkerProcess(store.settings, tmp_path / "first.log"))
    wait(lambda: "recognise" in steps_kept(store.settings, transcript_id), 90, "the first window kept")
    assert workers[0].stop() == 0
    assert database.row(transcript_id)["state"] == "running"
    workers.append(WorkerProcess(store.settings, tmp_path / "second.log"))
    database.wait_for(transcript_id)
    assert tracks_recognised(workers[1]) == [1, 2]


@pytest.mark.timeout(300)
def test_a_failed_job_says_why_and_a_new_order_does_it_again(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    session_id = database.new_session()
    transcript_id = database.order(session_id)
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log"))
    row = database.wait_for(transcript_id, "failed")
    assert (row["error_code"], row["step"]) == ("manifest_missing", "failed")
    assert row["finished_utc_ms"]
    write_silence(tmp_path / "silent.opus", 5_000)
    put_recording(store.settings, store.opened(), session_id, [Sound("muted", "静", tmp_path / "silent.opus")])
    database.set_state(transcript_id, "queued")
    row = database.wait_for(transcript_id)
    assert (row["error_code"], database.lines(transcript_id)) == (None, [])


@pytest.mark.timeout(300)
def test_a_job_whose_steps_were_lost_begins_again(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    """The row says that somebody works on it, the jobs database knows nothing: as after a restored backup."""
    write_silence(tmp_path / "silent.opus", 5_000)
    session_id = database.new_session()
    put_recording(store.settings, store.opened(), session_id, [Sound("muted", "静", tmp_path / "silent.opus")])
    transcript_id = database.order(session_id)
    database.set_state(transcript_id, "running")
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log"))
    assert database.wait_for(transcript_id)["progress"] == 1.0


@pytest.mark.timeout(300)
def test_a_model_that_is_not_there_fails_the_job_and_nothing_takes_its_place(
    store: EmbeddedStore, database: Database, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    write_silence(tmp_path / "silent.opus", 5_000)
    session_id = database.new_session()
    put_recording(store.settings, store.opened(), session_id, [Sound("muted", "静", tmp_path / "silent.opus")])
    transcript_id = database.order(session_id)
    workers.append(WorkerProcess(store.settings, tmp_path / "worker.log", VIDEOHOME_WHISPER_MODEL="large-v3-turbo"))
    row = database.wait_for(transcript_id, "failed")
    assert (row["error_code"], row["model"]) == ("model_missing", None)
