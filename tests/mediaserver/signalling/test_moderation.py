# SPDX-License-Identifier: Apache-2.0
"""State of a room's moderation, and the arrows of those who wait."""

from __future__ import annotations

import itertools

import pytest

from mediaserver.errors import PeerFault
from mediaserver.signalling.messages import ProtocolFault, RaiseHand, Unmute, parse_request
from mediaserver.signalling.moderation import MAX_KNOCKING, Actor, Entry, Moderation
from mediaserver.signalling.session import ARROWS, Arrow, ClientSession, State

HOST = Actor("h", "主持人")


def ordered(**wanted: object) -> Moderation:
    made = Moderation()
    values = {"host": "h", "locked": False, "waiting_room": False, "barred": ()} | wanted
    assert made.order(1, **values)  # type: ignore[arg-type]
    return made


def code(state: Moderation, peer_id: str, admitted: bool = False) -> str:
    with pytest.raises(PeerFault) as fault:
        state.entry(peer_id, admitted)
    return fault.value.code


def test_who_comes_in() -> None:
    assert ordered().entry("a", False) is Entry.IN
    waiting = ordered(waiting_room=True)
    assert waiting.entry("a", False) is Entry.WAIT
    assert waiting.entry("a", True) is Entry.IN
    assert waiting.entry("h", False) is Entry.IN
    locked = ordered(locked=True, waiting_room=True)
    assert code(locked, "a") == "room_locked"
    assert locked.entry("a", True) is Entry.IN
    assert code(ordered(barred=("a",)), "a", True) == "barred"


def test_the_waiting_room_has_room_for_so_many() -> None:
    state = ordered(waiting_room=True)
    for number in range(MAX_KNOCKING):
        assert state.entry(f"p{number}", False) is Entry.WAIT
        state.knock(f"p{number}", "n", "", number)
    assert code(state, "one more") == "waiting_room_full"
    assert state.entry("p0", False) is Entry.WAIT, "who waits already may come back"
    assert state.knock_ended("p1")
    assert state.entry("one more", False) is Entry.WAIT


def test_knocking_again_keeps_the_place_and_only_the_host_hears_it() -> None:
    state = ordered(waiting_room=True)
    state.knock("a", "甲", "所", 5)
    state.knock("a", "甲", "所", 9)
    assert [one["since_utc_ms"] for one in state.describe("h")["knocking"]] == [5]
    told = state.describe("b")
    assert (told["knocking"], told["knocking_count"]) == ([], 1)


def test_an_older_order_changes_nothing() -> None:
    state = ordered()
    assert state.order(3, "h", True, False, ())
    assert not state.order(2, "x", False, False, ())
    assert (state.host, state.locked) == ("h", True)
    assert not state.order(3, "h", True, False, ()), "the same again is no change"


def test_hands_keep_their_order_and_are_lowered_by_oneself_by_the_host_and_by_leaving() -> None:
    state = ordered()
    for at, peer in enumerate(("b", "a", "c")):
        assert state.raise_hand(peer, at)
    assert not state.raise_hand("b", 99), "up already: it keeps its place"
    assert [hand["peer_id"] for hand in state.describe("a")["hands"]] == ["b", "a", "c"]
    assert state.lower_hand("a") == ["a"]
    assert state.left("b")
    assert state.lower_hand("nobody") == []
    assert state.lower_hand("") == ["c"]


def test_a_mute_says_who_did_it_outlives_leaving_and_only_the_owner_ends_it() -> None:
    state = ordered()
    assert state.mute("a", "mic", HOST)
    assert not state.mute("a", "mic", HOST)
    state.left("a")
    assert state.muted_by("a", "mic") == HOST
    assert state.describe("b")["muted"] == [{"peer_id": "a", "source": "mic", "by": {"peer_id": "h", "name": "主持人"}}]
    assert state.unmute("a", "mic") and not state.unmute("a", "mic")


def test_the_stage_is_empty_again_when_the_one_on_it_leaves() -> None:
    state = ordered()
    assert state.put_on_stage("a") and not state.put_on_stage("a")
    assert state.left("a")
    assert state.describe("a")["spotlight"] == ""


def test_every_arrow_of_every_state_is_decided() -> None:
    assert set(ARROWS) == set(itertools.product(State, Arrow))


def test_who_waits_can_be_let_in_and_nothing_else() -> None:
    client = ClientSession()
    client.advance(Arrow.KNOCK)
    assert not client.present
    with pytest.raises(PeerFault, match="while waiting"):
        client.advance(Arrow.REQUEST)
    assert client.advance(Arrow.ADMIT) is State.JOINED
    gone = ClientSession()
    gone.advance(Arrow.KNOCK)
    assert gone.advance(Arrow.SOCKET_LOST) is State.LEFT


def test_what_pages_say_about_themselves() -> None:
    assert parse_request('{"id":1,"type":"raise_hand","data":{"raised":true}}').body == RaiseHand(True)
    assert parse_request('{"id":1,"type":"unmute","data":{"source":"cam"}}').body == Unmute("cam")
    for wrong in ('"raise_hand","data":{"raised":1}', '"unmute","data":{"source":"x"}'):
        with pytest.raises(ProtocolFault, match="wrong form"):
            parse_request('{"id":1,"type":' + wrong + "}")
