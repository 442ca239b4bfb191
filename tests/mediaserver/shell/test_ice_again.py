# SPDX-License-Identifier: Apache-2.0
"""Checks of the way in use are answered without a whole reading: by the same bytes, and only when nothing is new."""

from __future__ import annotations

from typing import Any

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.shell import ice_lite
from mediaserver.shell.ice_lite import CheckResult, Credentials, IceAgent, Verdict

OURS = Credentials("0123456789ab", "c" * 36)
HERE = ("192.0.2.7", 40_000)


def check(key: str = OURS.password, name: str = f"{OURS.ufrag}:page", **more: Any) -> bytes:
    """As a page sends them."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=bytes(range(12)))
    message.attributes.update({"USERNAME": name, "ICE-CONTROLLING": 77, "PRIORITY": 5, **more})
    message.add_message_integrity(key.encode())
    return bytes(message)


def agent(previous: Credentials | None = None) -> IceAgent[Any]:
    """With a way in use."""
    made: IceAgent[Any] = IceAgent(OURS)
    made.check(check(), HERE, HERE, 1.0)
    made.previous = previous
    return made


def whole(data: bytes, mapped: tuple[str, int]) -> CheckResult[Any]:
    """Read as a whole, since another credential might still be meant."""
    made = agent(Credentials("another", "d" * 36))
    made.credentials, made.previous = made.previous or OURS, OURS
    return made.check(data, HERE, mapped, 2.0)


@pytest.mark.parametrize("mapped", [HERE, ("2001:db8::7", 40_000)])
@pytest.mark.parametrize("more", [{}, {"USE-CANDIDATE": None}])
def test_a_repeated_check_gets_the_same_answer_by_the_short_way(mapped: tuple[str, int], more: dict[str, Any]) -> None:
    data, made = check(**more), agent()
    assert ice_lite._only_repeats(data, OURS)
    result = made.check(data, HERE, mapped, 2.0)
    assert result == whole(data, mapped) and result.verdict is Verdict.VALID
    assert made.last_check_s == 2.0 and made.selected == HERE


def test_what_says_something_new_is_read_as_a_whole() -> None:
    for data in (
        check(key="wrong"),
        check(name="nobody:page"),
        check(name=OURS.ufrag),
        check(**{"ICE-CONTROLLED": 1}),
        check(SOFTWARE="x"),
        check()[:-8],
        b"",
    ):
        assert not ice_lite._only_repeats(data, OURS)
        assert agent().check(data, HERE, HERE, 2.0) == whole(data, HERE)
    made = agent()
    assert made.check(check(**{"USE-CANDIDATE": None}), ("192.0.2.8", 1), HERE, 2.0).path_changed, "another way"


@given(at=st.integers(0, 200), value=st.integers(0, 255))
def test_no_changed_byte_passes(at: int, value: int) -> None:
    data = bytearray(check())
    at %= len(data)
    if data[at] != value:
        data[at] = value
        assert not ice_lite._only_repeats(bytes(data), OURS)
