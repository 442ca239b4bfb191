# SPDX-License-Identifier: Apache-2.0
"""What the pages say of a recording: worked out from order and report, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from web.casework.progress import RecorderReport, recording_state, uploaded_to_ms, warning_code
from web.casework.sessions import RecordingOrder

REPORT = RecorderReport("recording", 20_000, 10_000, 1, 500, True, "ok", None, None, True)


@pytest.mark.parametrize(
    ("order", "started", "report", "state"),
    [
        ("off", False, None, "off"),
        ("off", False, "recording", "off"),  # what the recorder says of a session that web never started
        ("on", True, None, "on"),
        ("on", True, "recording", "on"),
        ("on", True, "paused", "on"),  # the order is newer than the report
        ("on", True, "error", "error"),
        ("paused", True, "recording", "paused"),
        ("stopped", True, None, "stopped"),
        ("stopped", True, "recording", "stopped"),
        ("stopped", True, "finishing", "uploading"),
        ("stopped", True, "uploading", "uploading"),
        ("stopped", True, "sealed", "sealed"),
        ("stopped", True, "error", "error"),
        ("stopped", False, None, "off"),
    ],
)
def test_the_state_that_pages_show(order: str, started: bool, report: str | None, state: str) -> None:
    assert recording_state(RecordingOrder(order), started, report) == state


@pytest.mark.parametrize(
    ("store_ok", "disk", "warning"),
    [
        (True, "ok", None),
        (True, "low", "disk_low"),
        (False, "low", "store_away"),
        (False, "full", "disk_full"),
        (True, "full", "disk_full"),
    ],
)
def test_the_worst_is_said(store_ok: bool, disk: str, warning: str | None) -> None:
    assert warning_code(replace(REPORT, store_ok=store_ok, disk_state=disk)) == warning


def test_an_alarm_of_the_installation_is_said_before_the_recorder_notices() -> None:
    assert warning_code(None, {"store_away", "mediaserver_away"}) == "store_away"
    assert warning_code(REPORT, {"disk_failed", "store_away"}) == "disk_failed"
    assert warning_code(replace(REPORT, disk_state="full"), {"disk_failed"}) == "disk_full"


@pytest.mark.parametrize(
    ("tracks", "reached"),
    [
        ([], 0),
        ([(30_000, 20_000)], 20_000),
        ([(30_000, 30_000)], 30_000),
        ([(120_000, 120_000), (300_000, 290_000)], 290_000),  # who left early does not hold the bar back
        ([(300_000, 250_000), (300_000, 290_000)], 250_000),
        ([(None, None), (10_000, 10_000)], 10_000),
    ],
)
def test_up_to_where_everything_is_in_the_store(tracks: list[tuple[int | None, int | None]], reached: int) -> None:
    assert uploaded_to_ms([{"sealed_to_ms": sealed, "uploaded_to_ms": there} for sealed, there in tracks]) == reached
