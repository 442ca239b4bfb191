# SPDX-License-Identifier: Apache-2.0
"""A burst that is handed out receiver by receiver leaves a room as its packets do one by one, to the last bit."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.sfu.bandwidth.history import SLOTS, SendHistory
from mediaserver.sfu.direct import runs
from mediaserver.sfu.room import Room
from mediaserver.sfu.twcc import TICKS_PER_S
from mediaserver.shell import native_port
from tests.mediaserver.sfu.test_relay import OTHER, Publisher, room, state

LIMITED = ("rate", "limited", "probing", "target", "up", "timer", "silence", "view")


@pytest.fixture(autouse=True)
def in_python() -> None:
    native_port.use(None)


def disturb(made: Room, what: str, now: float) -> None:
    """Something that a receiver has to be decided about."""
    receiver = made._bandwidth.receivers["b-recv"]
    match what:
        case "rate":
            receiver.pacer.set_rate(100_000 if receiver.pacer._byte_s < 8e-5 else 1e7)
        case "limited":
            receiver.limited = not receiver.limited
        case "probing":
            receiver.sender.prober.consider(1e5, 1e6, now)
            receiver.meter.probing = receiver.sender.prober.sending
        case "target":
            pictures = [d for d in receiver.port.downlinks.values() if d.rtx_ssrc is not None]
            made.set_target(pictures[0], 0, 1 if pictures[0].temporal > 1 else 9, None, now)
        case "up":
            made.transport_up("c-recv", now)
        case "timer":
            made.handle_timer(now)
        case "silence":
            producer = next(iter(made._ports["a-send"].producers.values()))
            made.silence_producer(producer.producer_id, not producer.silenced, now)
        case "view":
            made.record(not made._tap.on, now)


class Left:
    """What leaves a room: by transport and stream, in its order, how much of it as a burst, and what is told."""

    def __init__(self, made: Room) -> None:
        bursts, packets, self.events = made.drain()
        self.burst = sum(map(len, bursts.values()))
        self.packets: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
        for transport_id, copies in bursts.items():
            for copy in copies:
                self.packets[transport_id, bytes(copy[8:12])].append(bytes(copy))
        for transport_id, packet, is_rtcp in packets:
            self.packets[transport_id, b"" if is_rtcp else bytes(packet[8:12])].append(bytes(packet))


def steps(seed: int, bursts: list[int], disturbed: dict[int, str]) -> Iterator[tuple[float, list[bytes], str]]:
    publisher, now = Publisher(seed), 5.0
    for step, count in enumerate(bursts):
        now += 0.015
        yield now, [publisher.packet(now) for _ in range(count)], disturbed.get(step, "")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**9),
    st.lists(st.integers(1, 12), min_size=30, max_size=60),
    st.dictionaries(st.integers(0, 59), st.sampled_from(LIMITED), max_size=12),
)
def test_a_burst_leaves_as_its_packets_do(seed: int, bursts: list[int], disturbed: dict[int, str]) -> None:
    direct, reference = room(), room()
    for now, packets, what in steps(seed, bursts, disturbed):
        for made in (direct, reference):
            if what:
                disturb(made, what, now)
        burst = [("d-send" if int.from_bytes(data[8:12]) == OTHER else "a-send", data, now) for data in packets]
        direct.receive_burst(list(burst), now)
        for packet in burst:
            reference.receive_rtp(*packet)
        ours, theirs = Left(direct), Left(reference)
        assert (ours.packets, ours.events) == (theirs.packets, theirs.events) and not theirs.burst
        assert state(direct, now) == state(reference, now)
        meters: list[Any] = [made._bandwidth.receivers["b-recv"].meter for made in (direct, reference)]
        assert meters[0]._times == meters[1]._times and meters[0]._states == meters[1]._states
        assert meters[0].next_number == meters[1].next_number and meters[0].sent_bytes == meters[1].sent_bytes


def test_an_ordinary_burst_is_handed_out_at_once() -> None:
    made, publisher, now = room(), Publisher(3), 5.0
    bursts = whole = 0
    for _ in range(200):
        now += 0.03
        made.receive_burst([("a-send", publisher.packet(now), now) for _ in range(4)], now)
        left = Left(made)
        bursts, whole = bursts + left.burst, whole + sum(len(packets) for packets in left.packets.values())
    assert bursts > 0.5 * whole


def test_packets_of_one_stream_in_a_row_are_one_run() -> None:
    class Shared:
        def __init__(self, extended: int, size: int) -> None:
            self.extended, self.packet, self.spatial, self.temporal = extended, bytes(18) + bytes(size), 0, extended % 3
            self.frame_end = self.marker = False

    pictures: Any = (object(),)
    sound: Any = (object(),)
    held: Any = [
        (pictures, Shared(1, 9)),
        (pictures, Shared(2, 5)),
        (sound, Shared(7, 1)),
        ((), Shared(8, 1)),
        (pictures, Shared(3, 4)),
    ]
    found = runs(held)
    assert [(one.downlinks is pictures, [stored.extended for stored in one.packets]) for one in found] == [
        (True, [1, 2]),
        (False, [7]),
        (True, [3]),
    ]
    first = found[0]
    assert (first.size_bytes, list(first.sizes), first.spatial, first.temporal) == (50, [27, 23], 0, 2)


@given(st.integers(1, 3 * SLOTS), st.lists(st.integers(1, 1500), min_size=1, max_size=64), st.booleans())
def test_a_run_is_remembered_as_its_packets_are(before: int, sizes: list[int], probing: bool) -> None:
    whole, single = SendHistory(), SendHistory()
    for history in (whole, single):
        history.next_number = before
        history.probing = 5 if probing else 0
    first = whole.sent_run(array("I", sizes), array("d", (2.5,)) * len(sizes), sum(sizes))
    assert [single.sent(size, 2.5) for size in sizes] == [(first + n) & 0xFFFF for n in range(len(sizes))]
    assert vars(whole) == vars(single)


def test_a_publisher_is_told_when_its_packets_came_and_not_when_they_were_taken() -> None:
    made, publisher, now = room(), Publisher(5), 5.0
    came = [now - 0.015, now - 0.01, now - 0.001]
    made.receive_burst([("a-send", publisher.packet(now), at) for at in came], now)
    pending = made._ports["a-send"].twcc.pending
    assert set(pending.values()) <= {int(at * TICKS_PER_S) for at in came} and pending
    meter = made._bandwidth.receivers["b-recv"].meter
    assert isinstance(meter, SendHistory) and meter.last_sent_s in (None, now)
