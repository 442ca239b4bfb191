# SPDX-License-Identifier: Apache-2.0
"""What each step of a transcript does. Knows nothing of the job library, so that each step can be called by hand.

A plan (plain JSON) passes from step to step; all else is found again when a step runs in another process: the manifest
is read anew and compared with the plan's digest, a decoded track is a cache in the work folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from storage import layout, manifest
from storage.objects import DigestMismatch, KeyMissing, ObjectMissing, ObjectStore, StoreAway, StoreError, open_store
from storage.settings import Settings
from transcribe.audio import TrackAudio, decode_track
from transcribe.engine import Engine, EngineOptions, WhisperEngine, Window, library_versions
from transcribe.faults import StoreAwayFault, TranscriptFault
from transcribe.guards import GuardContext
from transcribe.lines import build_lines
from transcribe.models import Model, ModelStore
from transcribe.result import result_json
from transcribe.rows import TranscriptJob, TranscriptRows
from transcribe.script import simplified
from transcribe.turns import TrackLines, assemble
from transcribe.words import Heard, joined

_PROGRESS_EVERY_S = 1.0
_DECODED_SHARE = 0.98
"""Progress when all is recognised; the rest is writing."""

_Answer = TypeVar("_Answer")
_log = structlog.get_logger("transcribe")


def utc_ms() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Running:
    """What one job holds in this process; all of it can be made again."""

    engine: Engine
    recording: manifest.Manifest | None = None
    audio: dict[int, TrackAudio] = field(default_factory=dict)
    told_s: float = 0.0


class Pipeline:
    """The steps of all jobs of one worker. Steps of different jobs run in different threads."""

    def __init__(
        self,
        settings: Settings,
        rows: TranscriptRows,
        work_dir: Path,
        make_engine: Callable[[Path], Engine] = WhisperEngine,
    ) -> None:
        """`work_dir` is this process's alone; what an earlier one left there is removed."""
        self._settings = settings
        self._rows = rows
        self._models = ModelStore(settings)
        self._make_engine = make_engine
        self._work_dir = work_dir
        shutil.rmtree(work_dir, ignore_errors=True)
        self._running: dict[str, _Running] = {}
        self._store: ObjectStore | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    # ---- steps ----

    def prepare(self, transcript_id: str) -> dict[str, Any]:
        """Checks the model and reads the manifest; the plan that all later steps go by."""
        job = self._rows.begin(transcript_id)
        language = job.language or self._settings.language
        model = self._models.verified(self._settings.whisper_model, language)
        data = self._read(layout.manifest_key(job.county, job.session_id), "manifest_missing")
        recording = _parsed(data)
        options = EngineOptions(
            language=language,
            prompt=str(job.options.get("prompt", self._settings.whisper_prompt if language == "zh" else "")),
            hotwords=tuple(str(word) for word in job.options.get("hotwords", ())),
        )
        plan = _plan(job, recording, data, model, options)
        if not plan["tracks"]:
            raise TranscriptFault("no_audio", "Nothing that can be heard was recorded in this session.")
        self._rows.progress(transcript_id, 0.0, "decoding", model=model.name)
        _log.info("transcript_prepared", transcript_id=transcript_id, tracks=len(plan["tracks"]), model=model.name)
        return plan

    def windows(self, transcript_id: str, plan: dict[str, Any], track: int) -> dict[str, Any]:
        """Decodes one track and cuts it into windows for the engine."""
        audio = self._decoded(transcript_id, plan, track)
        found = self._ask(lambda engine: engine.windows(audio.path, audio.ranges_ms), transcript_id, plan)
        return {"windows": [list(window) for window in found], "packets": audio.packets, "bad": audio.packets_bad}

    def recognise(self, transcript_id: str, plan: dict[str, Any], track: int, window: Window, done_ms: int) -> str:
        """Words of one window as JSON text; tells the page how far the job is."""
        audio = self._decoded(transcript_id, plan, track)
        options = EngineOptions(**{**plan["options"], "hotwords": tuple(plan["options"]["hotwords"])})

        def tell(share: float) -> None:
            self._tell(transcript_id, (done_ms + share * (window[1] - window[0])) / max(1, plan["total_ms"]))

        started_s = time.monotonic()
        tell(0.0)
        got = self._ask(lambda engine: engine.recognise(audio.path, window, options, tell), transcript_id, plan)
        if got.hotwords_left_out:
            _log.warning("hotwords_left_out", transcript_id=transcript_id, count=len(got.hotwords_left_out))
        _log.info(
            "window_recognised", transcript_id=transcript_id, track=track, from_ms=window[0], to_ms=window[1],
            words=len(got.heard.words), took_s=round(time.monotonic() - started_s, 1),
        )  # fmt: skip
        return json.dumps({**got.heard.to_json(), "left_out": got.hotwords_left_out}, ensure_ascii=False)

    def finish(
        self,
        transcript_id: str,
        plan: dict[str, Any],
        heard: Sequence[Sequence[str]],
        decoded: Sequence[dict[str, Any]],
    ) -> int:
        """Builds the lines, stores the result, writes the rows. Returns the number of lines."""
        self._rows.progress(transcript_id, _DECODED_SHARE, "writing")
        stretches = [[json.loads(text) for text in texts] for texts in heard]
        whole = [joined([Heard.from_json(data) for data in track]) for track in stretches]
        convert = simplified if plan["options"]["language"] == "zh" else str
        tracks = [
            TrackLines(facts["track_id"], facts["peer_id"], facts["speaker"], tuple(build_lines(words, convert)))
            for facts, words in zip(plan["tracks"], whole, strict=True)
        ]
        spoken = assemble(tracks, GuardContext(plan["options"]["prompt"], tuple(plan["options"]["hotwords"])))
        left_out = sorted({word for track in stretches for data in track for word in data["left_out"]})
        key = layout.transcript_key(plan["county"], plan["session_id"], transcript_id)
        body = result_json(transcript_id, plan, library_versions(), whole, decoded, spoken, left_out)
        self._put(key, json.dumps(body, ensure_ascii=False, sort_keys=True).encode())
        self._rows.finish(transcript_id, key, spoken, utc_ms())
        _log.info("transcript_done", transcript_id=transcript_id, lines=len(spoken))
        return len(spoken)

    def fail(self, transcript_id: str, code: str, sentence: str) -> None:
        """Shows the page that the transcript failed and why; it can be queued again."""
        _log.error("transcript_failed", transcript_id=transcript_id, code=code, sentence=sentence)
        self._rows.fail(transcript_id, code, utc_ms())

    # ---- around the steps ----

    def release(self, transcript_id: str) -> None:
        """Ends the job's engine and removes its decoded sound."""
        with self._lock:
            running = self._running.pop(transcript_id, None)
        if running is not None:
            running.engine.close()
        shutil.rmtree(self._work_dir / transcript_id, ignore_errors=True)

    def stop(self) -> None:
        """Ends all engines. Steps in progress leave no result, so they are done again after the next start."""
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for job in running:
            job.engine.close()

    def _ask(self, question: Callable[[Engine], _Answer], transcript_id: str, plan: dict[str, Any]) -> _Answer:
        try:
            return question(self._job(transcript_id, plan).engine)
        except TranscriptFault:
            if self._stopping.is_set():
                # We killed the engine ourselves. A result, even a fault, would be kept as this step's for ever, so
                # this thread waits until the process ends.
                threading.Event().wait()
            raise

    def _job(self, transcript_id: str, plan: dict[str, Any]) -> _Running:
        with self._lock:
            running = self._running.get(transcript_id)
        if running is None:
            # Another process may have prepared the job; the model that it found must be the one that is here.
            model = self._models.verified(plan["model"]["name"], plan["options"]["language"])
            if model.digest != plan["model"]["digest"]:
                raise TranscriptFault("model_damaged", f"The speech model {model.name} changed during the job.")
            running = _Running(self._make_engine(model.folder))
            with self._lock:
                self._running[transcript_id] = running
        return running

    def _decoded(self, transcript_id: str, plan: dict[str, Any], track: int) -> TrackAudio:
        running = self._job(transcript_id, plan)
        if track in running.audio:
            return running.audio[track]
        for old in running.audio.values():
            old.path.unlink(missing_ok=True)
        running.audio.clear()
        folder = self._work_dir / transcript_id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        recording = self._recording(running, plan)
        wanted = plan["tracks"][track]["track_id"]
        source = next(item for item in recording.tracks if item.track_id == wanted)
        running.audio[track] = decode_track(
            source, lambda key: self._read(key, "segment_missing"), folder / "track.pcm"
        )
        return running.audio[track]

    def _recording(self, running: _Running, plan: dict[str, Any]) -> manifest.Manifest:
        if running.recording is None:
            data = self._read(layout.manifest_key(plan["county"], plan["session_id"]), "manifest_missing")
            if hashlib.sha256(data).hexdigest() != plan["manifest_sha256"]:
                raise TranscriptFault("manifest_invalid", "The manifest changed while the transcript was made.")
            running.recording = _parsed(data)
        return running.recording

    def _read(self, key: str, missing_code: str) -> bytes:
        try:
            return self._opened().read_bytes(key)
        except ObjectMissing:
            raise TranscriptFault(missing_code, f"The store has no object {key}.") from None
        except StoreAway as error:
            self._store = None  # the embedded store may come back at another port
            raise StoreAwayFault(str(error)) from error
        except DigestMismatch as error:
            raise TranscriptFault("segment_damaged", str(error)) from error
        except KeyMissing as error:
            raise TranscriptFault("recording_key_missing", str(error)) from error
        except StoreError as error:
            raise TranscriptFault("store_refused", str(error)) from error

    def _put(self, key: str, data: bytes) -> None:
        try:
            self._opened().put_bytes(key, data, "application/json")
        except StoreAway as error:
            self._store = None
            raise StoreAwayFault(str(error)) from error
        except KeyMissing as error:
            raise TranscriptFault("recording_key_missing", str(error)) from error
        except StoreError as error:
            raise TranscriptFault("store_refused", str(error)) from error

    def _opened(self) -> ObjectStore:
        store = self._store
        if store is None:
            store = self._store = open_store(self._settings)
        return store

    def _tell(self, transcript_id: str, share: float) -> None:
        with self._lock:
            running = self._running.get(transcript_id)
            now = time.monotonic()
            if running is None or now - running.told_s < _PROGRESS_EVERY_S:
                return
            running.told_s = now
        self._rows.progress(transcript_id, min(1.0, share) * _DECODED_SHARE, "recognising")


def _parsed(data: bytes) -> manifest.Manifest:
    try:
        return manifest.from_bytes(data)
    except manifest.ManifestFault as error:
        raise TranscriptFault("manifest_invalid", f"The manifest cannot be read: {error}") from error


def _plan(
    job: TranscriptJob, recording: manifest.Manifest, data: bytes, model: Model, options: EngineOptions
) -> dict[str, Any]:
    names = {peer.peer_id: peer.name for peer in recording.peers}
    heard = [track for track in recording.tracks if track.kind == "audio" and track.segments()]
    return {
        "county": job.county,
        "session_id": job.session_id,
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "model": {"name": model.name, "digest": model.digest, "files": dict(model.digests), "pinned": model.pinned},
        "options": options.to_json(),
        "total_ms": sum(epoch.end_ms - epoch.start_ms for track in heard for epoch in track.epochs),
        "tracks": [
            {
                "track_id": track.track_id,
                "peer_id": track.peer_id,
                "speaker": names.get(track.peer_id, track.peer_id),
                "inputs": [{"key": item.key, "sha256": item.sha256} for item in track.segments()],
            }
            for track in heard
        ],
    }
