# SPDX-License-Identifier: Apache-2.0
"""The message by which a page tells what it measured on its own camera and microphone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediaserver.signalling.capabilities import features
from mediaserver.signalling.messages import ProtocolFault, ReportSource, parse_request


def parse(**data: Any) -> Any:
    whole = {"version": 1, "source": "mic", "trouble": "silent", **data}
    text = json.dumps({"id": 1, "type": "report_source", "data": {k: v for k, v in whole.items() if v != "left out"}})
    return parse_request(text).body


def test_a_report_is_read_and_the_page_is_told_that_it_may_send_one() -> None:
    assert parse() == ReportSource(1, "mic", "silent")
    assert parse(source="cam", trouble=None) == ReportSource(1, "cam", None)
    assert "watch" in features()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"version": 2}, "bad_field"),
        ({"version": True}, "bad_field"),
        ({"version": "left out"}, "missing_field"),
        ({"source": "screen"}, "bad_field"),
        ({"trouble": "stalled"}, "bad_field"),  # the server's own word
        ({"trouble": ""}, "bad_field"),
        ({"trouble": "left out"}, "missing_field"),
        ({"level": 3}, "unknown_field"),
    ],
)
def test_what_is_no_report(data: dict[str, Any], code: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        parse(**data)
    assert caught.value.code == code
