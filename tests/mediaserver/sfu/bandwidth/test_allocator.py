# SPDX-License-Identifier: Apache-2.0
"""Who gets what: never more than the link carries, the important ones first, down at once and up without flapping."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.sfu.bandwidth.allocator import HOLD_MIN_S, QUITE_ANOTHER, Allocator, desired_bps, distribute
from mediaserver.sfu.bandwidth.sender import Sender
from mediaserver.sfu.bandwidth.view import Importance, Level, Mode, Offer, Step, Stream, Tile, View, stream
from tests.sim.call import Call
from tests.sim.network import Link

CAMERA = ((60e3, 90e3, 150e3), (200e3, 300e3, 500e3), (600e3, 900e3, 1500e3))
HEIGHTS = (180, 360, 720)
THUMB, STAGE = Tile(320, 180, "tile"), Tile(1280, 720, "stage")


def camera(name: str, rank: int = 0, *, screen: bool = False, paused: bool = False) -> Offer:
    return Offer(name, screen, CAMERA, HEIGHTS, rank=rank, paused=paused)


def meeting(tiles: dict[str, Tile], mode: Mode = "normal", screens: tuple[str, ...] = ()) -> list[Stream]:
    view = View(tiles, mode)
    return [stream(camera(name, rank, screen=name in screens), view) for rank, name in enumerate(tiles)]


def level(streams: list[Stream], counts: dict[str, int], name: str) -> Level | None:
    steps = next(s.steps for s in streams if s.consumer_id == name)
    return steps[counts[name] - 1].level if counts[name] else None


def cost(streams: list[Stream], counts: dict[str, int]) -> float:
    return sum(s.steps[counts[s.consumer_id] - 1].bps for s in streams if counts[s.consumer_id])


NINE = {"stage": STAGE, **{f"t{index}": THUMB for index in range(8)}}


@pytest.mark.parametrize(
    ("budget", "stage", "shown"),
    [
        (3e6, Level(2, 2), 8),
        (2.65e6, Level(1, 2), 8),
        (1.7e6, Level(1, 2), 8),
        (0.8e6, Level(1, 2), 5),
        (0.55e6, Level(1, 2), 0),
        (0.35e6, Level(0, 2), 3),
        (0.15e6, Level(0, 2), 0),
        (0.06e6, Level(0, 0), 0),
        (0.05e6, None, 0),
    ],
)
def test_the_stage_first_then_the_thumbnails(budget: float, stage: Level | None, shown: int) -> None:
    streams = meeting(NINE)
    counts = distribute(budget, streams)
    assert level(streams, counts, "stage") == stage
    assert [bool(counts[f"t{index}"]) for index in range(8)] == [True] * shown + [False] * (8 - shown)
    assert max(level(streams, counts, f"t{index}") or (0, 0) for index in range(8)) <= (0, 2)


def test_a_shared_screen_comes_before_the_stage_and_pinned_ones_before_tiles() -> None:
    tiles = {"t": Tile(640, 360, "tile"), "pin": Tile(640, 360, "pinned"), "face": STAGE, "desk": STAGE}
    streams = meeting(tiles, screens=("desk",))
    for budget, expected in (
        (0.5e6, {"desk": Level(1, 2)}),
        (1.3e6, {"desk": Level(1, 2), "face": Level(1, 2), "pin": Level(0, 2), "t": Level(0, 2)}),
        (2.3e6, {"desk": Level(2, 2), "face": Level(1, 2), "pin": Level(0, 2), "t": Level(0, 2)}),
        (2.7e6, {"desk": Level(2, 2), "face": Level(1, 2), "pin": Level(1, 2), "t": Level(0, 2)}),
        (4e6, {"desk": Level(2, 2), "face": Level(2, 2), "pin": Level(1, 2), "t": Level(1, 2)}),
    ):
        counts = distribute(budget, streams)
        assert {name: found for name in tiles if (found := level(streams, counts, name))} == expected


@pytest.mark.parametrize(
    ("height", "spatial"), [(90, 0), (180, 0), (181, 0), (240, 0), (241, 1), (480, 1), (481, 2), (2160, 2)]
)
def test_the_tile_decides_how_large(height: int, spatial: int) -> None:
    for heights in (HEIGHTS, (None, None, None), ()):
        found = stream(Offer("c", False, CAMERA, heights), View({"c": Tile(height * 2, height, "pinned")}))
        assert found.steps[-1].level == Level(spatial, 2)


def test_modes_hidden_and_muted() -> None:
    view = View({"c": STAGE}, "low")
    assert stream(camera("c"), view).steps[-1].level == Level(0, 2)
    for offer, seen, reason in (
        (camera("c"), View({"c": STAGE}, "audio"), "mode"),
        (camera("other"), View({"c": STAGE}), "hidden"),
        (camera("c", paused=True), View({"c": STAGE}), "publisher"),
        (Offer("c", False, ()), View({"c": STAGE}), "publisher"),
    ):
        found = stream(offer, seen)
        assert (found.steps, found.reason) == ((), reason)
        target = Allocator().allocate(9e9, [found], 0.0)[offer.consumer_id]
        assert (target.level, target.reason) == (None, reason)


def test_before_the_page_speaks_cameras_are_thumbnails_and_a_screen_is_on_the_stage() -> None:
    assert stream(camera("c"), View()).steps[-1].level == Level(0, 2)
    screen = stream(camera("c", screen=True), View())
    assert (screen.steps[-1].level, screen.importance) == (Level(2, 2), Importance.SCREEN)


def test_a_stream_without_temporal_layers_is_sent_whole() -> None:
    found = stream(Offer("c", False, ((400e3,),)), View({"c": STAGE}))
    assert found.steps == (Step(Level(0, 2), 400e3),)
    partly = stream(Offer("c", False, ((100e3,), (900e3,)), (180, 720), (0, 2)), View({"c": STAGE}))
    assert [step.level for step in partly.steps] == [Level(0, 2), Level(2, 2)]


layer = st.lists(st.floats(1e3, 3e6), min_size=1, max_size=3).map(lambda rates: tuple(sorted(rates)))
offers = st.builds(
    Offer,
    consumer_id=st.just(""),
    is_screen=st.booleans(),
    layers=st.lists(layer, max_size=3).map(tuple),
    paused=st.sampled_from([False, False, False, True]),
    rank=st.integers(0, 3),
)
tiles = st.builds(Tile, st.integers(1, 4000), st.integers(1, 2200), st.sampled_from(["stage", "pinned", "tile"]))
scenes = st.lists(st.tuples(offers, st.none() | tiles), max_size=9)
budgets = st.floats(0, 2e7)


def scene(found: list[tuple[Offer, Tile | None]], mode: Mode = "normal") -> list[Stream]:
    named = [
        (Offer(f"c{n}", o.is_screen, o.layers, (), (), o.paused, o.rank), tile) for n, (o, tile) in enumerate(found)
    ]
    view = View({offer.consumer_id: tile for offer, tile in named if tile}, mode)
    return [stream(offer, view) for offer, _ in named]


@given(scenes, budgets, budgets)
def test_more_budget_never_takes_from_the_more_important(
    found: list[tuple[Offer, Tile | None]], one: float, other: float
) -> None:
    streams = scene(found)
    less, more = distribute(min(one, other), streams), distribute(max(one, other), streams)
    assert cost(streams, less) <= min(one, other) + 1e-3
    assert cost(streams, more) <= max(one, other) + 1e-3
    ordered = sorted(streams, key=lambda s: (s.importance, s.rank, s.consumer_id))
    first = next((s for s in ordered if s.steps), None)
    if first is not None and less[first.consumer_id]:
        assert more[first.consumer_id] > 0
    if less != more:
        assert any(more[name] > less[name] for name in less), "what more brings is not only loss"


@given(st.lists(st.sampled_from(["stage", "pinned", "tile"]), min_size=1, max_size=9), budgets, budgets)
def test_where_all_cost_the_same_more_budget_takes_from_nobody(roles: list[str], one: float, other: float) -> None:
    streams = meeting({f"c{n}": Tile(320, 180, role) for n, role in enumerate(roles)})  # type: ignore[arg-type]
    flat = [Stream(s.consumer_id, s.steps[2:3], s.importance, s.rank) for s in streams]
    less, more = distribute(min(one, other), flat), distribute(max(one, other), flat)
    assert all(more[name] >= less[name] for name in less)


estimates = st.lists(st.tuples(st.floats(0.05, 3.0), st.floats(0, 8e6)), min_size=1, max_size=40)


@given(scenes, estimates, st.randoms(use_true_random=False))
def test_targets_never_cost_more_than_the_estimate(
    found: list[tuple[Offer, Tile | None]], steps: list[tuple[float, float]], chance: random.Random
) -> None:
    allocator, now = Allocator(), 0.0
    for pause, estimate in steps:
        now += pause
        if found and chance.random() < 0.2:
            at = chance.randrange(len(found))
            found[at] = (found[at][0], chance.choice([None, STAGE, THUMB]))
        streams = scene(found, chance.choice(["normal", "normal", "low"]))
        targets = allocator.allocate(estimate, streams, now)
        spent = 0.0
        for offered in streams:
            target = targets[offered.consumer_id]
            if target.level is not None:
                spent += next(step.bps for step in offered.steps if step.level == target.level)
            elif offered.steps:
                assert target.reason == "bandwidth"
        assert spent <= estimate + 1e-3


def test_down_at_once_and_up_after_a_while() -> None:
    allocator, streams = Allocator(), meeting(NINE)

    def stage(estimate: float, now: float) -> Level | None:
        return allocator.allocate(estimate, streams, now)["stage"].level

    assert stage(3e6, 0.0) == Level(2, 2)
    assert stage(0.3e6, 0.1) == Level(0, 2)
    held = [stage(3e6, 0.2 + 0.1 * index) for index in range(40)]
    assert held[:19] == [Level(0, 2)] * 19, "held after a drop"
    assert held[-1] == Level(2, 2), "and back when the room stays"


def test_a_fall_in_steps_is_one_fall_and_darkness_ends_first() -> None:
    allocator, streams = Allocator(), meeting({"c": STAGE})
    seen: list[Level | None] = []

    def give(estimate: float, at: float) -> None:
        seen.append(allocator.allocate(estimate, streams, at)["c"].level)

    for index, estimate in enumerate((3e6, 0.6e6, 0.3e6, 0.01e6)):
        give(estimate, 0.1 * index)
    assert seen[-1] is None
    for index in range(30):
        give(3e6, 0.4 + 0.1 * index)
    assert seen.index(None) == 3 and seen[4:].index(Level(2, 2)) <= 8, "not held twice as long for each step"


@pytest.mark.parametrize(("estimate", "level", "deep"), [(1.0e6, Level(1, 2), False), (0.8e6, Level(0, 2), True)])
def test_a_deep_fall_does_not_stop_half_way(estimate: float, level: Level, deep: bool) -> None:
    """Half a second of arrivals tells what a link carries: just after it has narrowed, it carries less than that."""
    allocator, streams = Allocator(), meeting({"c": STAGE})
    assert allocator.allocate(3e6, streams, 0.0)["c"].level == Level(2, 2)
    assert allocator.allocate(estimate, streams, 1.0)["c"].level == level
    assert (allocator.fell_deep_at == 1.0) == deep
    seen = [allocator.allocate(estimate, streams, 1.0 + 0.1 * index)["c"].level for index in range(1, 30)]
    assert seen[-1] == Level(1, 2), "what it does carry after all is given soon"


def test_an_estimate_that_wavers_moves_nothing() -> None:
    allocator, streams = Allocator(), meeting(NINE)
    chance = random.Random(1)
    seen = []
    for index in range(600):
        targets = allocator.allocate(1.75e6 * chance.uniform(0.98, 1.12), streams, index * 0.1)
        seen.append(sum(target.level is not None for target in targets.values()))
    assert seen == sorted(seen), "nobody is paused"
    assert seen[-400:] == seen[-1:] * 400


def test_a_raise_that_does_not_last_is_tried_less_and_less_often() -> None:
    allocator, streams = Allocator(), meeting({"c": STAGE})
    now, raises = 0.0, []
    level_now: Level | None = None
    allocator.allocate(0.7e6, streams, now)
    for _ in range(1200):  # two minutes of a link that cannot carry the top layer, and an estimate that hopes
        now += 0.1
        estimate = 0.9e6 if level_now == Level(2, 2) else 2e6
        before, level_now = level_now, allocator.allocate(estimate, streams, now)["c"].level
        if level_now == Level(2, 2) and before != level_now:
            raises.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(raises)]
    assert len(raises) <= 12
    assert gaps[-1] > 15
    assert [round(gap) for gap in gaps] == sorted(round(gap) for gap in gaps)


@pytest.mark.parametrize(("hopes", "waits"), [(0.9 * QUITE_ANOTHER, True), (1.1 * QUITE_ANOTHER, False)])
def test_a_long_hold_ends_when_the_link_is_clearly_another(hopes: float, waits: bool) -> None:
    """On a narrow link the least picture gained and lost a temporal layer; then the link is wide again."""
    allocator, streams = Allocator(), meeting({"c": STAGE})

    def stage(estimate: float, now: float) -> Level | None:
        return allocator.allocate(estimate, streams, now)["c"].level

    least = streams[0].steps[2]
    assert least.level == Level(0, 2)
    now = 0.0
    for _ in range(3):
        for step in range(200):
            now += 0.1
            if stage(1.3 * least.bps, now) == least.level and step > 3:
                break
        now += 0.1
        assert stage(0.9 * least.bps, now) == Level(0, 1)
    seen = [stage(hopes * least.bps, now + 0.1 * index) for index in range(1, 40)]
    assert seen[: int(HOLD_MIN_S * 10) - 2] == [Level(0, 1)] * (int(HOLD_MIN_S * 10) - 2)
    assert (seen[-1] == Level(0, 1)) == waits


def test_another_tile_on_the_stage_is_served_at_once() -> None:
    allocator = Allocator()
    allocator.allocate(2e6, meeting({"a": STAGE, "b": THUMB}), 0.0)
    targets = allocator.allocate(2e6, meeting({"a": THUMB, "b": STAGE}), 0.1)
    assert (targets["a"].level, targets["b"].level) == (Level(0, 2), Level(2, 2))


def test_a_newcomer_on_a_full_link_gets_its_place_at_once() -> None:
    allocator = Allocator()
    few = meeting({"stage": STAGE, "a": THUMB})
    assert allocator.allocate(1.85e6, few, 0.0)["stage"].level == Level(2, 2)
    many = meeting({"stage": STAGE, "a": THUMB, "b": THUMB, "c": THUMB})
    targets = allocator.allocate(1.85e6, many, 0.1)
    assert [targets[name].level for name in ("a", "b", "c")] == [Level(0, 2)] * 3
    assert targets["stage"] == type(targets["stage"])(Level(1, 2), "bandwidth")


def test_what_is_wanted_is_what_raising_needs() -> None:
    streams = meeting({"stage": STAGE, "a": THUMB})
    wanted = desired_bps(streams)
    targets = Allocator().allocate(wanted + 1, streams, 0.0)
    assert [targets[name].reason for name in ("stage", "a")] == [None, None]


def held(allocator: Allocator, streams: list[Stream]) -> float:
    """Dropped and raised until it is held for long; the time then."""
    now = 0.0
    for _ in range(6):
        allocator.allocate(9e6, streams, now)
        while allocator.allocate(9e6, streams, now)["c"].level is None:
            now += 0.1
        now += 0.1
        assert allocator.allocate(1e3, streams, now)["c"].level is None
    assert allocator.allocate(9e6, streams, now + 10)["c"].level is None
    return now + 10


def test_what_is_shown_again_comes_at_once_whatever_was_before() -> None:
    allocator, streams = Allocator(), meeting({"c": STAGE})
    now = held(allocator, streams)
    allocator.allocate(9e6, [stream(camera("c"), View({}))], now)
    assert allocator.allocate(9e6, streams, now + 0.1)["c"].level == Level(2, 2)


def test_what_a_cap_took_comes_back_when_the_cap_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person tries a cap some times over: each time the picture is there within a second after."""
    monkeypatch.setattr(Sender, "untried", False)  # else it is given its smallest picture whatever the cap says
    call = Call(Link(1), Link(2))
    call.room.transport_up("b-recv", call.now)
    for _ in range(5):
        for cap_bps in (3_000, None):
            tiles = {call.consumer["id"]: STAGE}
            call.room.view("b", View(tiles, "normal", cap_bps), call.now)
            call.run(1)
            shown = call.now - max(call.received_at.values(), default=0.0) < 0.2
            assert shown == (cap_bps is None)
