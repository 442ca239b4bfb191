# SPDX-License-Identifier: Apache-2.0
"""The bookkeeping for each packet in Python and in C: the same numbers, to the last bit, whatever comes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaserver.rtp import codecs, rtcp, transport_feedback
from mediaserver.rtp.transport_feedback import WRAP_TICKS, TransportFeedback
from mediaserver.sfu import allowance
from mediaserver.sfu.bandwidth import meter, outgoing
from mediaserver.sfu.bandwidth.delay import Usage
from mediaserver.sfu.bandwidth.history import SLOTS
from mediaserver.sfu.bandwidth.meter import Meter, Metering
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.ports import Port
from mediaserver.sfu.room import Room
from mediaserver.sfu.stored import extension_block
from mediaserver.sfu.twcc import TwccReceiver
from mediaserver.shell import native_port
from tests.sim.leg import Leg
from tests.sim.network import Link

BOTH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def back_to_python() -> Iterator[None]:
    yield
    native_port.use(None)


def both(compiled: Any) -> tuple[Metering, Metering]:
    meter.use(compiled)
    made = meter.make()
    meter.use(None)
    assert type(made) is compiled.Meter
    return Meter(), made


def state(one: Metering) -> tuple[Any, ...]:
    return (
        one.next_number,
        one.sent_bytes,
        one.unanswered_s,
        one.queue_ms,
        one.arrived_bps(),
        one.offered_bps(),
    )


STEP = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 40), st.integers(20, 1500), st.floats(0, 0.05)),
    st.tuples(st.just("probe"), st.integers(0, 3), st.just(0), st.just(0.0)),
    st.tuples(st.just("pause"), st.just(0), st.just(0), st.floats(0, 2.5)),
    st.tuples(st.just("restart"), st.just(0), st.just(0), st.just(0.0)),
    st.tuples(st.just("calm"), st.integers(0, 1), st.just(0), st.just(0.0)),
    st.tuples(st.just("settle"), st.just(0), st.just(0), st.just(0.0)),
    st.tuples(
        st.just("feedback"),
        st.integers(-60, 20),
        st.lists(st.none() | st.integers(-300, 2000), min_size=1, max_size=50),
        st.integers(0, 3),
    ),
)


@BOTH
@given(first=st.integers(1, 1 << 40), clock=st.integers(0, WRAP_TICKS), steps=st.lists(STEP, max_size=40))
def test_any_history_gives_the_same_summaries(
    compiled: Any, first: int, clock: int, steps: list[tuple[Any, ...]]
) -> None:
    ours, theirs = both(compiled)
    ours.next_number = theirs.next_number = first
    now, ticks, told = 1000.0, clock, 250
    for kind, count, size, gap in steps:
        if kind == "send":
            for _ in range(count):
                assert ours.sent(size, now) == theirs.sent(size, now)
                now += gap / 8
        elif kind == "probe":
            ours.probing = theirs.probing = count
        elif kind == "pause":
            now += gap
        elif kind == "restart":
            ours.restart()
            theirs.restart()
        elif kind == "calm":
            ours.calm = theirs.calm = bool(count)
        elif kind == "settle":
            assert ours.settle() == theirs.settle()
        else:
            arrivals: list[int | None] = []
            for delta in size:
                ticks += delta or 0
                arrivals.append(None if delta is None else ticks % WRAP_TICKS)
            told = (told + (count != 7)) & 0xFF
            report = TransportFeedback(1, 2, ours.next_number + count & 0xFFFF, told, tuple(arrivals))
            ours.awaited = theirs.awaited = gap
            assert ours.take(report, now) == theirs.take(report, now)
        assert state(ours) == state(theirs)


def _feedback(base: int, came: list[bool]) -> bytes:
    """What a receiver of these packets tells, which came every 3 ms."""
    told = TwccReceiver()
    told.arrived(base, 7.0)
    for step, whether in enumerate(came, 1):
        if whether:
            told.arrived(base + step, 7.0 + step * 0.003)
    return told.feedback(1, 2)[0]


def _broken(data: bytes, at: int, value: int, more: bytes) -> bytes:
    """One byte of it is another, and something follows."""
    bytes_ = bytearray(data)
    bytes_[at % len(bytes_)] = value
    return bytes(bytes_) + more


FEEDBACK = st.builds(_feedback, st.integers(0, 70), st.lists(st.booleans(), min_size=1, max_size=60))
MESSAGE = FEEDBACK | st.builds(
    _broken, FEEDBACK, st.integers(0, 60), st.integers(0, 255), st.sampled_from((b"", bytes(4), rtcp.build_pli(1, 2)))
)


@BOTH
@given(messages=st.lists(st.tuples(MESSAGE, st.floats(0, 0.2)), max_size=12), packets_per_s=st.sampled_from((2, 400)))
def test_feedback_that_goes_from_the_datagram_to_the_estimate_is_taken_the_same(
    compiled: Any, messages: list[tuple[bytes, float]], packets_per_s: int
) -> None:
    results = []
    for module in (None, compiled):
        native_port.use(module)
        room = Room("r", new_ssrc=lambda: 7, wallclock_offset_s=0.0)
        room.join("b", "b", "desk", 1.0)
        room.add_transport("t", "b", "recv", now=1.0)
        room.transport_up("t", 1.0)
        port, receiver = room._ports["t"], room._bandwidth.receivers["t"]
        port.limit = allowance.make(allowance.Rate(packets_per_s, 1_000_000))
        now, seen = 5.0, []
        for data, pause in messages:
            for _ in range(8):
                receiver.sender.sent(1000, now)
            now += pause
            lane = room.lane_of("t")
            told = None if module is None else module.take_told(lane, data, now)
            if told is None:
                room.receive_rtcp("t", data, now)
            else:
                for one, news in told:
                    assert one is receiver
                    receiver.told(*news)
            room.handle_timer(now)
            seen.append((state(receiver.meter), receiver.stats(now), port.limit.refused, room.malformed_rtcp))
        results.append((seen, port.dropped, room.drain_packets()))
    assert results[0] == results[1]


def test_feedback_alone_goes_the_short_way_and_nothing_else_does(compiled: Any) -> None:
    native_port.use(compiled)
    room = Room("r", new_ssrc=lambda: 7, wallclock_offset_s=0.0)
    room.join("b", "b", "desk", 1.0)
    for name, direction in (("t", "recv"), ("s", "send")):
        room.add_transport(name, "b", direction, now=1.0)  # type: ignore[arg-type]
        room.transport_up(name, 1.0)
    good, lane = _feedback(0, [True] * 9), room.lane_of("t")
    assert compiled.take_told(lane, good, 2.0)[0][0] is room._bandwidth.receivers["t"]
    assert compiled.take_told(room.lane_of("s"), good, 2.0) is None, "a publisher's"
    for other in (good + good, good[:-4], rtcp.build_pli(1, 2), b"", b"\x8f\xcd", b"\xaf" + good[1:-1] + b"\0"):
        assert compiled.take_told(lane, other, 2.0) is None
    room.transport_down("t", 2.0)
    assert compiled.take_told(lane, good, 2.0) is None, "nobody is sent to"


def test_numbers_that_were_overwritten_are_unknown_to_both(compiled: Any) -> None:
    for one in both(compiled):
        for index in range(SLOTS + 5):
            one.sent(100, index * 0.001)
        [(_, (received, lost, size, *_), _)] = one.take(TransportFeedback(1, 2, 1, 0, (1,) * 6), 9.0)
        assert (received, lost, size) == (1, 0, 100)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_link_is_seen_the_same(compiled: Any, seed: int) -> None:
    seen = []
    for module in (None, compiled):
        native_port.use(module)
        leg = Leg(Link(seed, delay_s=0.05, loss=0.02, rate_bps=3e6, queue_s=0.3), back_loss=0.02)
        leg.run(6)
        leg.down.rate_bps = 300e3
        leg.run(6)
        leg.down.up = False
        leg.run(2)
        leg.down.up = True
        leg.run(4)
        assert (type(leg.sender.meter) is Meter) == (module is None)
        seen.append((leg.seen, leg.padding_bytes, leg.sender.stats(leg.now)))
    assert seen[0] == seen[1]
    assert {rate for _, _, rate, _ in seen[0][0]} != {0.0}


BODIES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda base, total, reference, chunks, deltas: (
            struct.pack("!IIHHI", 1, 0xFFFFFFFF, base, total, reference) + b"".join(chunks) + deltas
        ),
        st.integers(0, 0xFFFF),
        st.integers(0, 60) | st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.lists(st.binary(min_size=2, max_size=2), max_size=8),
        st.binary(max_size=80),
    ),
)


@settings(BOTH, max_examples=600)
@given(body=BODIES)
def test_any_feedback_is_read_the_same(compiled: Any, body: bytes) -> None:
    found = []
    for module in (None, compiled):
        transport_feedback.use(module)
        found.append(transport_feedback.read(body))
    assert found[0] == found[1]


def test_the_most_and_the_longest_that_feedback_may_claim(compiled: Any) -> None:
    def read(total: int, chunk: int, deltas: bytes) -> TransportFeedback | None:
        return transport_feedback.read(struct.pack("!IIHHIH", 1, 2, 0, total, 0, chunk) + deltas)

    for module in (None, compiled):
        transport_feedback.use(module)
        whole = read(4096, 1 << 13 | 4096, b"\x01" * 4096)
        assert whole is not None
        assert whole.arrivals[-1] == 4096
        assert read(4096, 1 << 13 | 4096, b"\x01" * 4095) is None
        assert read(4096, 2 << 13 | 4096, b"\x01" * 8191) is None
        assert read(4097, 1 << 13 | 4097, b"\x01" * 4097) is None
        assert read(8, 3 << 13 | 8, bytes(64)) is None, "a reserved symbol"


PACKETS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "nobody"]),
        st.sampled_from([codecs.VP8.payload_type, codecs.VP8.rtx_payload_type, codecs.OPUS.payload_type]),
        st.integers(30, 1400),
        st.booleans(),
    ),
    max_size=40,
)


def packet(payload_type: int, size: int) -> bytearray:
    block, _ = extension_block([], 1.0, numbered=payload_type != codecs.OPUS.payload_type)
    return bytearray(bytes([0x90, payload_type]) + bytes(10) + block + bytes(size))


@BOTH
@given(
    rounds=st.lists(st.tuples(PACKETS, st.floats(0, 0.1)), min_size=1, max_size=6),
    rate=st.floats(50_000, 5e6),
    limited=st.booleans(),
    probing=st.integers(0, 1),
)
def test_the_same_packets_leave(
    compiled: Any, rounds: list[tuple[list[Any], float]], rate: float, limited: bool, probing: int
) -> None:
    results = []
    for module in (None, compiled):
        native_port.use(module)
        now = 5.0
        receivers = {name: Receiver(Port(name, "p", "recv"), now, {}, {}) for name in ("a", "b")}
        receivers["a"].pacer.set_rate(rate)
        receivers["a"].limited = limited
        if probing:
            receivers["b"].sender.prober.consider(1e6, 2e6, now)
            receivers["b"].sender.tick(now)
        left: list[Outgoing] = []
        for packets, pause in rounds:
            made = [(name, packet(kind, size), is_rtcp) for name, kind, size, is_rtcp in packets]
            left += outgoing.outgoing(made, receivers, now)
            now += pause
            for receiver in receivers.values():
                left += receiver.pacer.due(now)
        facts = [
            (r.pacer.waited, r.pacer.dropped, r.repairs_dropped, r.pacer.next_deadline(), state(r.meter))
            for r in receivers.values()
        ]
        cluster = receivers["b"].sender.prober.cluster
        results.append((left, facts, cluster))
    assert results[0] == results[1]


def test_what_has_no_number_leaves_as_it_is(compiled: Any) -> None:
    """Sound goes out again under its own sequence number: another bit in it, and SRTP used one keystream twice."""
    for module in (None, compiled):
        native_port.use(module)
        receivers = {"a": Receiver(Port("a", "p", "recv"), 5.0, {}, {})}
        sound = packet(codecs.OPUS.payload_type, 100)
        before = bytes(sound)
        first, again = (outgoing.outgoing([("a", sound, False)], receivers, 5.0 + n)[0][1] for n in range(2))
        assert first == again == before
        assert receivers["a"].meter.next_number == 1


def test_the_compiled_bookkeeping_refuses_what_it_does_not_know(compiled: Any) -> None:
    native_port.use(compiled)
    made = compiled.Meter()
    good = TransportFeedback(1, 2, 1, 0, (1,))
    for bad in (object(), TransportFeedback(1, 2, 1, 0, [1]), TransportFeedback(1, 2, 1, 0, ("x",))):  # type: ignore[arg-type]
        with pytest.raises((TypeError, AttributeError)):
            made.take(bad, 1.0)
    with pytest.raises(ValueError):
        made.sent(1 << 20, 1.0)
    made.sent(100, 1.0)
    with pytest.raises(ValueError):
        made.take(TransportFeedback(1, 2, 1, 0, (1 << 60,)), 1.0)
    with pytest.raises(TypeError):
        made.take()
    with pytest.raises(TypeError):
        compiled.take_told(object(), bytearray(20), 1.0)
    with pytest.raises((TypeError, AttributeError)):
        compiled.bind_told(dict, dict, dict)
    with pytest.raises(TypeError):
        compiled.read_feedback(bytearray(20))
    with pytest.raises(TypeError):
        compiled.Meter(1)
    with pytest.raises(TypeError):
        compiled.outgoing([("a", bytearray(20), False)], {"a": object()}, 1.0)
    with pytest.raises(TypeError):
        compiled.outgoing([1], {}, 1.0)
    with pytest.raises((TypeError, AttributeError)):
        compiled.bind_outgoing(dict, dict, 0.02)
    assert made.take(good, 1.0)[0][1][6] is Usage.NORMAL
