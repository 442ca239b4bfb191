# SPDX-License-Identifier: Apache-2.0
"""What the pages may ask of the recorder, by HTTP over a Unix socket of mode 0600."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from aiohttp import web

from mediaserver.recorder.core import Recorder
from mediaserver.recorder.session import LiveSession
from mediaserver.recording.state import TrackState
from storage.layout import session_folder

RECORDER = web.AppKey("recorder", Recorder)


def application(recorder: Recorder) -> web.Application:
    """GET /healthz, GET /sessions, DELETE /sessions/{id}."""
    app = web.Application()
    app[RECORDER] = recorder
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/sessions", _sessions)
    app.router.add_delete("/sessions/{session_id}", _forget)
    return app


async def listen(recorder: Recorder, path: Path) -> web.AppRunner:
    """Serve on `path`; the caller cleans the runner up. Raises OSError."""
    runner = web.AppRunner(application(recorder), access_log=None)
    await runner.setup()
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # noqa: ASYNC240 - once, at the start
    await web.UnixSite(runner, str(path)).start()
    path.chmod(0o600)  # noqa: ASYNC240 - once, at the start
    return runner


async def _healthz(request: web.Request) -> web.Response:
    recorder = request.app[RECORDER]
    return web.json_response({"ok": True, "boot_id": recorder.boot_id, "disk_state": recorder.disk_state})


async def _sessions(request: web.Request) -> web.Response:
    return web.json_response(report(request.app[RECORDER]))


async def _forget(request: web.Request) -> web.Response:
    recorder, session_id = request.app[RECORDER], request.match_info["session_id"]
    if session_id not in recorder.sessions:
        return web.json_response({"error": "session_not_found"}, status=404)
    if not await recorder.forget(session_id):
        return web.json_response({"error": "session_not_sealed"}, status=409)
    return web.json_response({})


def report(recorder: Recorder) -> dict[str, Any]:
    """The state of everything that was ever ordered on and is not yet forgotten."""
    common = {"store_ok": recorder.uploader.last_error is None, "disk_state": recorder.disk_state}
    sessions = [live for live in recorder.sessions.values() if live.wanted != "off"]
    return {
        **common,
        "copy": _copy(recorder),
        "free_bytes": recorder.free_bytes,
        "sessions": [{**_session(recorder, live), **common} for live in sessions],
    }


def _copy(recorder: Recorder) -> dict[str, Any] | None:
    """The second store, None where none is configured."""
    if recorder.copier is None:
        return None
    waiting = recorder.copier.waiting()
    return {"ok": recorder.copier.last_error is None, "waiting": waiting.uploads, "waiting_bytes": waiting.bytes}


def session_state(live: LiveSession) -> str:
    """recording, paused, finishing, uploading, sealed or error."""
    if live.state.done:
        return "sealed"
    if live.fault in ("seal_failed", "own_key_missing") or (live.suspended and live.wanted != "stopped"):
        return "error"
    if live.wanted == "stopped":
        return "uploading" if live.state.recording == "stopped" and not live.unsealed else "finishing"
    return "paused" if live.wanted == "paused" else "recording"


def _session(recorder: Recorder, live: LiveSession) -> dict[str, Any]:
    state = live.state
    manifest = state.manifest or {}
    waiting = recorder.uploader.waiting(session_folder(live.spool.county, live.spool.session_id))
    return {
        "session_id": live.spool.session_id,
        "county": live.spool.county,
        "state": session_state(live),
        "error": "disk_full" if live.suspended and not state.done else live.fault or None,
        "origin_utc_ms": live.origin_utc_ms,
        "waiting_uploads": waiting.uploads,
        "waiting_bytes": waiting.bytes,
        "manifest_key": live.spool.manifest_key if state.done else None,
        "complete": manifest.get("complete"),
        "duration_ms": manifest.get("duration_ms"),
        "tracks": [_track(live, track) for track in state.tracks.values()],
    }


def _track(live: LiveSession, track: TrackState) -> dict[str, Any]:
    return {
        "track_id": track.track_id,
        "peer_id": track.peer_id,
        "source": track.source,
        "kind": track.kind,
        "sealed_to_ms": track.durable_ms,
        "uploaded_to_ms": live.uploaded_to_ms(track),
        "bytes": track.bytes,
        "packets": track.packets,
        "lost": track.lost,
        "last_packet_utc_ms": track.last_packet_utc_ms,
    }
