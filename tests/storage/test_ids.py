# SPDX-License-Identifier: Apache-2.0
"""What may stand in an object's key: exactly what the program makes, and no line end behind it."""

from __future__ import annotations

import pytest

from storage import layout
from storage.ids import is_county, is_id, new_id


def test_what_is_made_is_one() -> None:
    assert is_id(new_id()) and len({new_id() for _ in range(1_000)}) == 1_000
    assert is_county("yong-an-2")


@pytest.mark.parametrize("text", ["", "0" * 25, "0" * 27, "0" * 25 + "u", "0" * 25 + "A", "0" * 26 + "\n"])
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize("text", ["", "a" * 33, "A", "a/b", "..", "a\n"])
def test_what_is_no_county(text: str) -> None:
    assert not is_county(text)
    with pytest.raises(layout.KeyFault):
        layout.session_folder(text, new_id())


@pytest.mark.parametrize("name", ["p-cam\n", "", "-cam", "a/b"])
def test_a_track_is_spelled_in_one_way(name: str) -> None:
    with pytest.raises(layout.KeyFault):
        layout.track_folder("c", new_id(), name)
    with pytest.raises(layout.KeyFault):
        layout.parse_key(f"c/sessions/{new_id()}/tracks/{name}/e001-s00000.webm")
