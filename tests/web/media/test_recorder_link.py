# SPDX-License-Identifier: Apache-2.0
"""What the recorder says, read strictly; only news is written."""

from __future__ import annotations

from typing import Any

import pytest

from web.media.recorder_link import RecorderSpeaksOtherwise, answer_from_json
from web.sessions.keeper import is_news


def track(**changes: Any) -> dict[str, Any]:
    values = {"track_id": "p-mic", "peer_id": "p", "source": "mic", "kind": "audio", "sealed_to_ms": 10_000}
    more = {"uploaded_to_ms": 0, "bytes": 5, "packets": 500, "lost": 0, "last_packet_utc_ms": 1}
    return {**values, **more, **changes}


def entry(**changes: Any) -> dict[str, Any]:
    values = {
        "session_id": "s",
        "county": "default",
        "state": "recording",
        "error": None,
        "origin_utc_ms": 1,
        "waiting_uploads": 2,
        "waiting_bytes": 300,
        "store_ok": True,
        "disk_state": "ok",
        "manifest_key": None,
        "complete": None,
        "duration_ms": None,
        "tracks": [track()],
    }
    return {**values, **changes}


def answer(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"store_ok": True, "disk_state": "ok", "free_bytes": 5, "sessions": list(entries), **changes}


def test_an_answer_is_understood() -> None:
    found = answer_from_json(answer(entry(duration_ms=10_400)))
    assert (found.entries[0].duration_ms, found.entries[0].report.recorded_to_ms) == (10_400, 10_000)
    assert found.entries[0].report.has_audio


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        answer(entry(), free_bytes="much"),
        answer({"session_id": "s"}),
        answer(entry(tracks=[{"kind": "audio"}])),
        answer(entry(waiting_uploads=None)),
        {**answer(), "sessions": None},
    ],
)
def test_another_version_of_the_recorder_is_a_fault_and_no_guess(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecorderSpeaksOtherwise):
        answer_from_json(wrong)


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (entry(), False),
        (entry(tracks=[track(packets=9_000, bytes=99, lost=3, last_packet_utc_ms=77)]), False),
        (entry(tracks=[track(sealed_to_ms=20_000)]), True),
        (entry(waiting_uploads=3), True),
        (entry(store_ok=False), True),
        (entry(state="finishing"), True),
        (entry(tracks=[track(), track(track_id="q-mic")]), True),
    ],
)
def test_figures_that_always_change_are_no_news(now: dict[str, Any], news: bool) -> None:
    assert is_news(entry(), now) is news
