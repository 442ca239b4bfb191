# SPDX-License-Identifier: Apache-2.0
"""Which media process gets a room, and when a room leaves one."""

from __future__ import annotations

import pytest

from web.casework.placement import Node, choose, must_move

NOW = 1_000_000


def node(name: str, peers: int = 0, rooms: int = 0, *, draining: bool = False, lease: int = NOW + 1) -> Node:
    return Node(name, peers, rooms, draining, lease)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], None),
        ([node("a", peers=3), node("b", peers=2)], "b"),
        ([node("a", peers=2, rooms=1), node("b", peers=2, rooms=0)], "b"),
        ([node("b"), node("a")], "a"),
        ([node("a", draining=True), node("b", peers=99)], "b"),
        ([node("a", lease=NOW), node("b", peers=99)], "b"),  # its lease has just run out
        ([node("a", draining=True), node("b", lease=NOW - 1)], None),
    ],
)
def test_the_least_loaded_that_takes_rooms(nodes: list[Node], expected: str | None) -> None:
    assert choose(nodes, NOW) == expected


def test_a_room_stays_where_it_can_and_where_its_recording_is() -> None:
    assert not must_move(node("a"), pinned=False, now_ms=NOW)
    assert must_move(node("a", draining=True), pinned=False, now_ms=NOW)
    assert must_move(node("a", lease=NOW), pinned=False, now_ms=NOW)
    assert must_move(None, pinned=False, now_ms=NOW)
    for gone in (None, node("a", draining=True), node("a", lease=NOW)):
        assert not must_move(gone, pinned=True, now_ms=NOW)
