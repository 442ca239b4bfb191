# SPDX-License-Identifier: Apache-2.0
"""When something is due to a transport: each in its time, once, by the last word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.agenda import Agenda
from mediaserver.sfu.ports import Port

STEPS = st.lists(
    st.tuples(st.sampled_from(("wait", "due", "down", "up", "forget")), st.integers(0, 3), st.integers(0, 9))
)


@given(STEPS)
def test_each_is_due_once_in_its_time_by_the_last_word(steps: list[tuple[str, int, int]]) -> None:
    ports, agenda, now = [Port(str(n), "p", "recv", up=True) for n in range(4)], Agenda(), 0
    expected: dict[int, int] = {}
    for what, which, number in steps:
        if what == "wait":
            agenda.wait(ports[which], number)
            expected[which] = number
        elif what == "forget":
            agenda.forget(ports[which])
            expected.pop(which, None)
        elif what == "due":
            now = number
            come = {n for n, at in expected.items() if at <= now}
            found = agenda.due(now)
            assert [port.transport_id for port in found] == [*dict.fromkeys(port.transport_id for port in found)]
            assert {int(port.transport_id) for port in found} == {n for n in come if ports[n].up}
            for one in come:
                del expected[one]
        else:
            ports[which].up = what == "up"
    for port in ports:
        agenda.forget(port)
    assert not agenda
