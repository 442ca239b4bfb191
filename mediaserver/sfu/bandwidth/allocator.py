# SPDX-License-Identifier: Apache-2.0
"""Who gets what of one receiver's link. Sound is outside of this: it is always sent, and taken off beforehand.

Rounds: first the shared screen and the stage up to a fair picture, then everybody else's lowest layer, then those at
full frame rate, then screen and stage up to their size, pinned ones, and the other tiles in turn. What does not fit is
passed over, so the least important go without first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mediaserver.sfu.bandwidth.view import Importance, Level, Stream
from mediaserver.sfu.events import Reason

FAIR_BPS = 600_000
"""Screen and stage go up to the highest step within this before the others get anything."""
USE_TO_RAISE = 0.9
"""Part of the estimate that may be filled by raising: the rest keeps a change of the picture from undoing it."""
USE_AFTER_DROP = 0.95
DEEP, USE_AFTER_DEEP = 1.6, 0.6
"""Where so many times the estimate was given, it is still on its way down: half a second of arrivals makes it. Each
step on the way would cost a key frame of a layer that is left at once."""
RAISE_AFTER_S = 0.3
"""Room must have been there for so long."""
HOLD_MIN_S, HOLD_MAX_S = 2.0, 16.0
"""After a drop for lack of room nothing of this stream is raised for HOLD_MIN_S, twice as long each time a raise did
not last RAISE_LASTS_S."""
ANOTHER_LINK, QUITE_ANOTHER = 1.4, 3.0
"""Past HOLD_MIN_S it ends as soon as the estimate comes to this multiple of what had to go; to the second after a raise
that did not last, because that estimate had promised too much already."""
RAISE_LASTS_S = 10.0
ONE_FALL_S = 2.0
"""Drops within this time of each other are one: a link that narrows much is followed in steps."""
DARK_S = 0.5
"""After this time even a stream that was just dropped altogether is shown again, if there is room for its least."""
FORGIVEN_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """What a consumer is to get; `level` is None for nothing."""

    level: Level | None
    reason: Reason | None = None
    """Why it is nothing, or less than what is shown asks for."""


def distribute(
    budget_bps: float, streams: Iterable[Stream], granted: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Number of steps that each stream gets, 0 for none; `granted` ones are given before all others. The cost of what
    is given beyond `granted` stays within the budget. More budget never takes away from a more important stream to
    give to a less important one."""
    ordered = sorted(streams, key=lambda stream: (stream.importance, stream.rank, stream.consumer_id))
    counts = {stream.consumer_id: 0 for stream in ordered}
    counts.update(granted or {})
    left = budget_bps - sum(_cost(stream, counts[stream.consumer_id]) for stream in ordered)
    for stream, count in _increments(ordered):
        have = counts[stream.consumer_id]
        if count != have + 1:
            continue
        extra = _cost(stream, count) - _cost(stream, have)
        if extra <= left:
            counts[stream.consumer_id] = count
            left -= extra
    return counts


def _cost(stream: Stream, count: int) -> float:
    return stream.steps[count - 1].bps if count else 0.0


def _increments(ordered: list[Stream]) -> Iterator[tuple[Stream, int]]:
    """(stream, number of steps) in the order in which they are tried."""
    first = [stream for stream in ordered if stream.importance <= Importance.STAGE]
    yield from _upto(first, lambda stream: max(1, sum(step.bps <= FAIR_BPS for step in stream.steps)))
    yield from _upto(ordered, lambda stream: 1)
    yield from _upto(
        ordered, lambda stream: sum(step.level.spatial == stream.steps[0].level.spatial for step in stream.steps)
    )
    yield from _upto([s for s in ordered if s.importance <= Importance.PINNED], lambda stream: len(stream.steps))
    for count in range(1, max((len(stream.steps) for stream in ordered), default=0) + 1):
        yield from ((stream, count) for stream in ordered if count <= len(stream.steps))


def _upto(streams: list[Stream], last: Callable[[Stream], int]) -> Iterator[tuple[Stream, int]]:
    """Each stream in turn, all its steps up to `last`."""
    for stream in streams:
        if stream.steps:
            yield from ((stream, count) for count in range(1, last(stream) + 1))


@dataclass(slots=True)
class _Memory:
    """What the allocator knows of one consumer."""

    level: Level | None = None
    importance: Importance | None = None
    wanted: Level | None = None
    room_since: float | None = None
    held_until: float = -math.inf
    hold_s: float = HOLD_MIN_S
    raised_at: float = -math.inf
    dropped_at: float = -math.inf
    another_bps: float = math.inf
    """An estimate of so much shows that the link is another one than at the last drop."""

    def forgive(self) -> None:
        """What was dropped before says nothing of the room that there is now."""
        self.held_until = self.dropped_at = -math.inf
        self.hold_s = HOLD_MIN_S

    def holds(self, estimate_bps: float, now: float) -> bool:
        """After a drop: it is not to be raised yet."""
        another = estimate_bps >= self.another_bps and now >= self.dropped_at + HOLD_MIN_S
        return now < self.held_until and not another

    def is_news(self, stream: Stream) -> bool:
        """The page shows it anew, or larger, or elsewhere: no reason to let the person wait."""
        if self.importance != stream.importance or self.wanted is None:
            return True
        return bool(stream.steps) and stream.steps[-1].level > self.wanted


class Allocator:
    """Down at once, up slowly. Keeps what it gave for one receiver."""

    def __init__(self) -> None:
        self._memory: dict[str, _Memory] = {}
        self._estimate_bps = 0.0
        self.settled = False
        """The last time everybody had all that is wanted, and nothing changed."""
        self.fell_deep_at = -math.inf
        """When the estimate last fell so far that it cannot have come down to the link's rate yet."""
        self._given_bps = 0.0

    def falls_deep(self, estimate_bps: float) -> bool:
        """This estimate is far below what was given last."""
        return self._given_bps > DEEP * estimate_bps

    def allocate(self, estimate_bps: float, streams: list[Stream], now: float) -> dict[str, Target]:
        """Targets of all streams; their cost is at most `estimate_bps`."""
        self._estimate_bps = estimate_bps
        settled = self._settled(estimate_bps, streams)
        self.settled = settled is not None
        if settled is not None:
            return settled
        memory = {stream.consumer_id: self._memory.get(stream.consumer_id, _Memory()) for stream in streams}
        changed = any(memory[s.consumer_id].is_news(s) for s in streams if s.steps)
        changed = changed or len(memory) != len(self._memory)
        self._memory = memory
        kept = {s.consumer_id: _kept(s, memory[s.consumer_id].level) for s in streams}
        cost = sum(_cost(s, kept[s.consumer_id]) for s in streams)
        if cost > estimate_bps:
            capped = [_cut(s, kept[s.consumer_id]) for s in streams]
            deep = cost > DEEP * estimate_bps
            self.fell_deep_at = now if deep else self.fell_deep_at
            counts = distribute((USE_AFTER_DEEP if deep else USE_AFTER_DROP) * estimate_bps, capped)
        else:
            counts = self._raise(estimate_bps, streams, kept, changed, now)
        self._given_bps = sum(_cost(s, counts[s.consumer_id]) for s in streams)
        return {s.consumer_id: self._settle(s, counts[s.consumer_id], now) for s in streams}

    def forgive(self) -> None:
        """The page took back its cap: the link was never short, and nothing is held for it."""
        for memory in self._memory.values():
            memory.forgive()

    def _settled(self, estimate_bps: float, streams: list[Stream]) -> dict[str, Target] | None:
        """The same targets again where everybody has all that is wanted, and it still fits; None to think anew."""
        if len(streams) != len(self._memory):
            return None
        cost, targets = 0.0, {}
        for stream in streams:
            memory = self._memory.get(stream.consumer_id)
            if memory is None or memory.wanted != memory.level or memory.room_since is not None:
                return None
            if not stream.steps:
                if memory.level is not None or memory.importance is not None:
                    return None
            elif stream.steps[-1].level != memory.level or stream.importance != memory.importance:
                return None
            else:
                cost += stream.steps[-1].bps
            targets[stream.consumer_id] = Target(memory.level, stream.reason)
        return targets if cost <= estimate_bps else None

    def _raise(
        self, estimate_bps: float, streams: list[Stream], kept: dict[str, int], changed: bool, now: float
    ) -> dict[str, int]:
        budget = USE_TO_RAISE * estimate_bps
        if changed:  # a newcomer or another tile on the stage may take from others
            fresh = [s if self._may_jump(s, now) else _cut(s, kept[s.consumer_id]) for s in streams]
            best = distribute(max(budget, 0.0), fresh)
        else:
            best = distribute(budget, streams, kept)
        for stream in streams:
            self._note_room(stream, best[stream.consumer_id] > kept[stream.consumer_id], now)
        able = [s if self._may_raise(s, changed, now) else _cut(s, kept[s.consumer_id]) for s in streams]
        return distribute(budget, able) if changed else distribute(budget, able, kept)

    def _note_room(self, stream: Stream, room: bool, now: float) -> None:
        memory = self._memory[stream.consumer_id]
        if not room:
            memory.room_since = None
        elif memory.room_since is None:
            memory.room_since = now

    def _may_jump(self, stream: Stream, now: float) -> bool:
        return not self._memory[stream.consumer_id].holds(self._estimate_bps, now)

    def _may_raise(self, stream: Stream, changed: bool, now: float) -> bool:
        memory = self._memory[stream.consumer_id]
        if memory.holds(self._estimate_bps, now):
            return False
        if changed and memory.is_news(stream):
            return True
        return memory.room_since is not None and now - memory.room_since >= RAISE_AFTER_S

    def _settle(self, stream: Stream, count: int, now: float) -> Target:
        memory = self._memory[stream.consumer_id]
        level = stream.steps[count - 1].level if count else None
        wanted = stream.steps[-1].level if stream.steps else None
        before = min(memory.level, wanted) if memory.level is not None and wanted is not None else None
        if before is not None and (level is None or level < before):
            self._dropped(memory, level, _cost(stream, sum(step.level <= before for step in stream.steps)), now)
        elif level is not None and (memory.level is None or level > memory.level):
            memory.raised_at, memory.room_since = now, None
        # What was not shown (or muted) for a while comes back like a newcomer, at once.
        memory.level, memory.importance = level, stream.importance if stream.steps else None
        memory.wanted = wanted
        if not stream.steps:
            memory.forgive()
        if level == wanted:
            return Target(level, stream.reason)
        return Target(level, "bandwidth")

    def _dropped(self, memory: _Memory, level: Level | None, cost_bps: float, now: float) -> None:
        if now - memory.dropped_at < ONE_FALL_S:
            another_bps = max(memory.another_bps, ANOTHER_LINK * cost_bps)
        elif now - memory.raised_at < RAISE_LASTS_S and memory.dropped_at > -math.inf:
            memory.hold_s = min(HOLD_MAX_S, memory.hold_s * 2)
            another_bps = QUITE_ANOTHER * cost_bps
        else:
            another_bps = ANOTHER_LINK * cost_bps
            if now - memory.dropped_at > FORGIVEN_S:
                memory.hold_s = HOLD_MIN_S
        memory.dropped_at, memory.another_bps = now, another_bps
        memory.held_until = now + (memory.hold_s if level is not None else DARK_S)
        memory.room_since = None


def _kept(stream: Stream, level: Level | None) -> int:
    """Steps of what a stream had, as far as it is still shown and offered."""
    return 0 if level is None else sum(step.level <= level for step in stream.steps)


def _cut(stream: Stream, count: int) -> Stream:
    return Stream(stream.consumer_id, stream.steps[:count], stream.importance, stream.rank, stream.reason)


def desired_bps(streams: Iterable[Stream]) -> float:
    """What everything that is shown would cost, and the room that raising asks for."""
    return sum(_cost(stream, len(stream.steps)) for stream in streams) / USE_TO_RAISE
