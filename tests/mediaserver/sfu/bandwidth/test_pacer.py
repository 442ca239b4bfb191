# SPDX-License-Identifier: Apache-2.0
"""Bursts are spread, ordinary frames are not touched, sound passes, and the queue is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.bandwidth.pacer import BURST_S, MAX_QUEUED, MAX_WAIT_S, Kind, Pacer

RATE = 1e6
BURST_BYTES = int(RATE / 8 * BURST_S)


def send(pacer: Pacer[str], name: str, size: int, kind: Kind, now: float) -> bool:
    if pacer.passes(size, kind, now):
        return True
    pacer.queue(name, size, kind)
    return False


def drained(pacer: Pacer[str]) -> list[tuple[float, str]]:
    out = []
    while (at := pacer.next_deadline()) is not None:
        out += [(at, name) for name in pacer.due(at)]
    return out


def test_ordinary_frames_leave_at_once() -> None:
    pacer = Pacer[str](RATE)
    for frame in range(100):  # 80 % of the rate
        for _ in range(3):
            assert send(pacer, "v", int(RATE * 0.8 / 8 / 30 / 3), Kind.VIDEO, frame / 30)
    assert pacer.next_deadline() is None
    assert pacer.waited == 0


def test_a_key_frame_leaves_at_the_rate_and_in_order() -> None:
    pacer = Pacer[str](RATE)
    now = [send(pacer, str(index), 1200, Kind.VIDEO, 5.0) for index in range(30)]
    assert now[:3] == [True] * 3
    waited = drained(pacer)
    assert [name for _, name in waited] == [str(index) for index in range(now.count(True), 30)]
    expected = 5.0 + (30 * 1200 * 8) / RATE - BURST_S
    assert abs(waited[-1][0] - expected) < 0.011
    assert pacer.dropped == 0


def test_sound_passes_and_repairs_go_before_pictures() -> None:
    pacer = Pacer[str](RATE)
    while send(pacer, "v", 1200, Kind.VIDEO, 1.0):
        pass
    assert not send(pacer, "p", 1200, Kind.PADDING, 1.0)
    assert not send(pacer, "r", 1200, Kind.REPAIR, 1.0)
    assert send(pacer, "a", 100, Kind.AUDIO, 1.0)
    assert [name for _, name in drained(pacer)] == ["r", "v", "p"]


def test_the_queue_is_bounded_and_drops_by_the_rule() -> None:
    pacer = Pacer[str](RATE)
    limit = int(MAX_WAIT_S * RATE / 8 / 1200)
    while send(pacer, "first", 1200, Kind.VIDEO, 1.0):
        pass
    pacer.queue("pad", 1200, Kind.PADDING)
    for index in range(limit - 2):
        pacer.queue(f"v{index}", 1200, Kind.VIDEO)
    assert pacer.dropped == 0
    pacer.queue("r", 1200, Kind.REPAIR)
    assert pacer.dropped == 1, "padding first"
    pacer.queue("v", 1200, Kind.VIDEO)
    names = [name for _, name in drained(pacer)]
    assert names[0] == "r"
    assert names[1] == "v0", "then the oldest picture"
    assert "pad" not in names
    tiny = Pacer[str](1e9)
    tiny.passes(10_000_000, Kind.VIDEO, 0.0)
    for index in range(MAX_QUEUED + 1):
        tiny.queue(str(index), 1, Kind.VIDEO)
    assert tiny.dropped == 1


@given(
    st.lists(
        st.tuples(st.floats(0, 0.05), st.integers(1, 1500), st.sampled_from([Kind.VIDEO, Kind.REPAIR, Kind.PADDING])),
        max_size=200,
    )
)
def test_no_window_of_time_gets_more_than_rate_and_burst(packets: list[tuple[float, int, Kind]]) -> None:
    pacer = Pacer[int](RATE)
    now, left = 0.0, []
    for pause, size, kind in packets:
        now += pause
        while (at := pacer.next_deadline()) is not None and at <= now:
            left += [(at, waited) for waited in pacer.due(at)]
        if pacer.passes(size, kind, now):
            left.append((now, size))
        else:
            pacer.queue(size, size, kind)
    while (at := pacer.next_deadline()) is not None:
        left += [(at, waited) for waited in pacer.due(at)]
    assert len(left) + pacer.dropped == len(packets)
    times = [at for at, _ in left]
    assert times == sorted(times)
    for first in range(0, len(left), 7):
        total = 0
        for at, size in left[first:]:
            total += size
            assert total <= RATE / 8 * (at - times[first] + BURST_S) + 1500 + 1


def test_what_waits_can_be_forgotten() -> None:
    pacer = Pacer[str](RATE)
    for _ in range(9):
        send(pacer, "v", 1200, Kind.VIDEO, 0.0)
    pacer.clear()
    assert drained(pacer) == []


@given(
    st.lists(st.integers(1, 1500), min_size=1, max_size=12),
    st.floats(5e4, 1e7),
    st.floats(-0.1, 0.6),
    st.booleans(),
)
def test_a_whole_burst_passes_where_each_of_it_does(
    sizes: list[int], rate: float, full_s: float, waiting: bool
) -> None:
    whole, single = Pacer[str](rate), Pacer[str](rate)
    for pacer in (whole, single):
        pacer._full_until = 5.0 + full_s
        if waiting:
            pacer.queue("w", 10, Kind.VIDEO)
    each = [single.passes(size, Kind.VIDEO, 5.0) for size in sizes]
    before = whole._full_until
    if whole.passes_whole(sum(sizes), sizes[-1], 5.0):
        assert all(each) and abs(whole._full_until - single._full_until) < 1e-9
    else:
        assert whole._full_until == before and not all(each)
