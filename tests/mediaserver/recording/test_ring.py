# SPDX-License-Identifier: Apache-2.0
"""The feed's memory in C keeps, tells and forgets as the reference in Python does, to the byte."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.recording import ring as of_python
from mediaserver.recording.feed import CONTROL_TRACK, Kind, RecordReader
from mediaserver.recording.ring import FeedRing

BEGAN_US = 1_700_000_000_000_000


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[Any]:
    build()
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    of_python.use(module)
    yield module
    of_python.use(None)


class Pair:
    """Both rings, which are asked the same; every answer must be the same."""

    def __init__(self, keep_us: int, keep_bytes: int) -> None:
        self.rings: tuple[Any, Any] = FeedRing(keep_us, keep_bytes), of_python.make(keep_us, keep_bytes)
        assert type(self.rings[1]) is not FeedRing

    def ask(self, name: str, *arguments: Any, **named: Any) -> Any:
        """The answer of both."""
        answers = [self._answer(ring, name, *arguments, **named) for ring in self.rings]
        assert answers[0] == answers[1], name
        for field in ("kept_bytes", "has_unsent", "unsent_records", "overflowed_packets", "packets"):
            assert getattr(self.rings[0], field) == getattr(self.rings[1], field), (name, field)
        return answers[0]

    @staticmethod
    def _answer(ring: Any, name: str, *arguments: Any, **named: Any) -> Any:
        try:
            return getattr(ring, name)(*arguments, **named)
        except (KeyError, IndexError) as error:
            return type(error)


class Life:
    """What happens to a feed."""

    def __init__(self, chance: random.Random, pair: Pair) -> None:
        self.chance, self.pair = chance, pair
        self.open, self._names = [1, 2], itertools.count(3)
        self._sequences: Counter[int] = Counter()
        self.now_us, self.steady_us = BEGAN_US, 5
        for track in self.open:
            pair.ask("add_track", track)

    def step(self) -> None:
        """Something by chance."""
        passed_us = self.chance.choice((0, 10, 3_000, 700_000))
        self.now_us, self.steady_us = self.now_us + passed_us, self.steady_us + passed_us
        ways = (self._packet, self._record, self._take, self._acknowledge, self._connect, self._expire, self._change)
        self.chance.choices(ways, (55, 8, 15, 8, 6, 4, 4))[0](self.chance.choice(self.open))

    def _packet(self, track: int) -> None:
        if self.chance.random() < 0.03:
            self.pair.ask("append_packet", self.chance.choice((track, 999)), b"\x80", self.now_us)
            return
        self._sequences[track] += 1
        number = (65_500 + self._sequences[track]) & 0xFFFF
        packet = b"\x80\x60" + number.to_bytes(2) + self.chance.randbytes(self.chance.choice((0, 90, 900)))
        whole = packet if self.chance.random() < 0.9 else bytearray(packet)
        self.pair.ask("append_packet", track, whole, self.now_us)

    def _record(self, track: int) -> None:
        data = self.chance.randbytes(self.chance.choice((9, 40)))
        self.pair.ask("append", self.chance.choice((track, CONTROL_TRACK)), data, self.now_us)
        self.pair.ask("append", track, data, self.now_us, self.chance.choice((-1, 7)))

    def _take(self, _track: int) -> None:
        self.pair.ask("take", self.chance.choice((1, 400, 1 << 20)))

    def _acknowledge(self, track: int) -> None:
        number = self.pair.ask("next_number", track) - self.chance.choice((1, 1, 2, 5, 40, -3))
        self.pair.ask("acknowledge", self.chance.choice((track, track, CONTROL_TRACK, 999)), number)

    def _connect(self, track: int) -> None:
        if self.chance.random() < 0.3:
            self.pair.ask("disconnect")
            return
        number = self.pair.ask("next_number", track) - self.chance.randrange(1, 9)
        self.pair.ask("connect", self.chance.choice(({}, {track: number, CONTROL_TRACK: 2, 999: 1})))

    def _expire(self, _track: int) -> None:
        self.pair.ask("expire", self.steady_us + self.chance.choice((0, 2_000_000)))

    def _change(self, track: int) -> None:
        self.pair.ask("close_track", track)
        self.pair.ask("next_number", track)
        self.open.remove(track)
        self.open.append(next(self._names))
        self.pair.ask("add_track", self.open[-1])


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 1 << 40), st.sampled_from((2_000_000, 1 << 60)), st.sampled_from((2_500, 16 << 20)))
def test_both_rings_live_the_same_life(seed: int, keep_us: int, keep_bytes: int) -> None:
    pair = Pair(keep_us, keep_bytes)
    life = Life(random.Random(seed), pair)
    for _ in range(300):
        life.step()
    pair.ask("connect", {})
    while pair.ask("take", 5_000):
        pass


def test_control_records_have_their_own_bound(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_python, "KEEP_CONTROL", 3)
    of_python.use(compiled)
    pair = Pair(1_000_000, 1 << 20)
    for number in range(9):
        pair.ask("append", CONTROL_TRACK, bytes(10 + number), BEGAN_US)
    pair.ask("connect", {})
    assert len(pair.ask("take", 1 << 20)) == 16 + 17 + 18
    monkeypatch.undo()
    of_python.use(compiled)


def test_what_the_compiled_plane_puts_in_is_a_packet_like_any_other(compiled: Any) -> None:
    ring = of_python.make()
    ring.add_track(7)
    recorded: set[int] = set()
    tape = ring.tape(7, recorded, 250)
    packet = b"\x80\x60\x00\x09" + bytes(30)
    assert tape is not None
    assert not compiled.tape_packet(tape, packet, 1.5), "the session is not recorded"
    recorded.add(7)
    assert compiled.tape_packet(tape, packet, 1.5)
    ring.append_packet(7, packet, 1_500_250)
    ring.connect({})
    first, second = RecordReader().feed(ring.take(1 << 20))
    assert (first.kind, first.track, first.number, first.body) == (Kind.PACKET, 7, 1, second.body)
    assert ring.packets == 2
    ring.close_track(7)
    ring.acknowledge(7, 2)
    assert not compiled.tape_packet(tape, packet, 1.6), "the track is forgotten"
    del ring
    assert not compiled.tape_packet(tape, packet, 1.7)


def test_a_ring_may_go_before_its_tapes(compiled: Any) -> None:
    ring = of_python.make()
    ring.add_track(1)
    tape = ring.tape(1, {1}, 0)
    assert compiled.tape_packet(tape, bytes(40), 2.0)
    del ring
    assert not compiled.tape_packet(tape, bytes(40), 2.0)
