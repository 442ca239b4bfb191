# SPDX-License-Identifier: Apache-2.0
"""The message by which a page tells what it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediaserver.signalling import messages
from mediaserver.signalling.messages import MAX_PIXELS, MAX_TILES, View, ViewTile

TILE = {"consumer_id": "c1", "width": 1280, "height": 720, "role": "stage"}


def parse(**data: Any) -> messages.Body:
    view = {"tiles": [TILE], "mode": "normal", "cap_kbps": None, **data}
    return messages.parse_request(json.dumps({"id": 1, "type": "view", "data": view})).body


def test_a_view_is_read() -> None:
    assert parse(mode="low", cap_kbps=800) == View((ViewTile("c1", 1280, 720, "stage"),), "low", 800)
    assert parse(tiles=[]) == View((), "normal", None)


@pytest.mark.parametrize(
    ("data", "good"),
    [
        ({"tiles": [TILE] * MAX_TILES}, True),
        ({"tiles": [TILE] * (MAX_TILES + 1)}, False),
        ({"tiles": [{**TILE, "width": MAX_PIXELS}]}, True),
        ({"tiles": [{**TILE, "width": MAX_PIXELS + 1}]}, False),
        ({"tiles": [{**TILE, "height": 0}]}, False),
        ({"tiles": [{**TILE, "height": True}]}, False),
        ({"tiles": [{**TILE, "role": "corner"}]}, False),
        ({"tiles": [{**TILE, "more": 1}]}, False),
        ({"tiles": [{"consumer_id": "c1"}]}, False),
        ({"tiles": ["c1"]}, False),
        ({"tiles": {}}, False),
        ({"mode": "audio"}, True),
        ({"mode": "high"}, False),
        ({"cap_kbps": 1}, True),
        ({"cap_kbps": 0}, False),
        ({"cap_kbps": 1.5}, False),
        ({"cap_kbps": 1_000_001}, False),
    ],
)
def test_what_a_view_may_hold(data: dict[str, Any], good: bool) -> None:
    if good:
        assert isinstance(parse(**data), View)
        return
    with pytest.raises(messages.ProtocolFault) as caught:
        parse(**data)
    assert caught.value.code == "bad_field"
