# SPDX-License-Identifier: Apache-2.0
"""Who is where when, from manifests alone."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Literal

import pytest

from storage.manifest import Clock, Epoch, Event, Gap, Manifest, Part, Peer, Segment, Source, Track
from transcribe.derive.grid import Rect, fitted, grid, stage
from transcribe.derive.scenes import CARD_MS, Plan, Tile, plan

FPS = 15


def track(peer_id: str, source: Source, *spans: tuple[int, int]) -> Track:
    kind: Literal["audio", "video"] = "audio" if source == "mic" else "video"
    epochs = []
    for number, (from_ms, to_ms) in enumerate(spans, 1):
        part = Part(10, 10, from_ms, True)
        segment = Segment("k", 0, from_ms, to_ms, 20, 10, "0" * 64, "0" * 64, "0" * 64, (part,), 1, 0)
        codec: Literal["opus", "vp8"] = "opus" if kind == "audio" else "vp8"
        epochs.append(Epoch(number, codec, 48_000, from_ms, from_ms, to_ms, Clock(), (segment,)))
    return Track(f"{peer_id}-{source}", peer_id, source, kind, tuple(epochs))


def recording(*tracks: Track, gaps: tuple[Gap, ...] = (), events: tuple[Event, ...] = ()) -> Manifest:
    peers = tuple(Peer(peer_id, peer_id.upper(), "") for peer_id in ("a", "b", "c"))
    return Manifest(1, "c", "s", "r", 0, None, "t", ("b",), peers, tracks, gaps, events, True)


def seen(found: Plan) -> list[tuple[int, int, str]]:
    """Each scene as from, to, and its tiles in short: track, or peer and why not."""
    return [(scene.from_ms, scene.to_ms, scene.cause or " ".join(map(short, scene.tiles))) for scene in found.scenes]


def short(tile: Tile) -> str:
    return tile.track_id or f"{tile.peer_id}:{tile.note}"


def test_the_grid_follows_who_is_there() -> None:
    found = plan(
        recording(
            track("a", "mic", (0, 60_000)), track("a", "cam", (0, 60_000)),
            track("b", "mic", (5_000, 40_000)), track("b", "cam", (5_000, 40_000)),
        ),
        FPS,
    )  # fmt: skip
    assert seen(found) == [(0, 5_000, "a-cam"), (5_000, 40_000, "a-cam b-cam"), (40_000, 60_000, "a-cam")]
    assert found.frames == 60 * FPS


def test_a_pause_becomes_a_card_and_the_film_knows_what_it_left_out() -> None:
    tracks = (track("a", "mic", (0, 10_000), (70_000, 80_000)), track("a", "cam", (0, 10_000), (70_000, 80_000)))
    found = plan(recording(*tracks, gaps=(Gap(None, 10_000, 70_000, "paused"),)), FPS)
    assert seen(found) == [(0, 10_000, "a-cam"), (10_000, 70_000, "paused"), (70_000, 80_000, "a-cam")]
    assert found.frames == 20 * FPS + CARD_MS * FPS // 1000
    card = found.scenes[1]
    assert found.session_ms(card.first_frame + 5) == 10_000
    assert found.session_ms(found.scenes[2].first_frame + FPS) == pytest.approx(71_000)


def test_no_second_with_media_is_left_out_whatever_the_ledger_says() -> None:
    """The microphone of another went on while the ledger says that all was paused."""
    tracks = (track("a", "mic", (0, 10_000), (70_000, 80_000)), track("b", "mic", (0, 30_000)))
    found = plan(recording(*tracks, gaps=(Gap(None, 10_000, 70_000, "paused"),)), FPS)
    assert seen(found)[-2:] == [(30_000, 70_000, "paused"), (70_000, 80_000, "a:no_camera")]
    assert sum(scene.to_ms - scene.from_ms for scene in found.scenes if not scene.cause) == 40_000


def test_a_lost_camera_keeps_its_place_and_says_why() -> None:
    tracks = (track("a", "mic", (0, 60_000)), track("a", "cam", (0, 20_000), (30_000, 40_000)))
    found = plan(recording(*tracks, gaps=(Gap("a-cam", 20_000, 30_000, "publisher_away"),)), FPS)
    assert seen(found) == [
        (0, 20_000, "a-cam"),
        (20_000, 30_000, "a:publisher_away"),
        (30_000, 40_000, "a-cam"),
        (40_000, 60_000, "a:off"),
    ]


def test_a_still_moment_is_no_scene() -> None:
    tracks = (track("a", "mic", (0, 20_000)), track("a", "cam", (0, 9_000), (9_600, 20_000)))
    found = plan(recording(*tracks, gaps=(Gap("a-cam", 9_000, 9_600, "loss", 1, 9, 9),)), FPS)
    assert seen(found) == [(0, 20_000, "a-cam")]


def test_whoever_is_silent_and_unseen_stays_while_the_events_say_so() -> None:
    tracks = (track("a", "mic", (0, 90_000)), track("b", "mic", (0, 10_000)))
    told = (Event(-500, 0, "peer_joined", {"peer_id": "b"}), Event(50_000, 0, "peer_left", {"peer_id": "b"}))
    both, one = "a:no_camera b:no_camera", "a:no_camera"
    assert seen(plan(recording(*tracks, events=told), FPS)) == [(0, 50_000, both), (50_000, 90_000, one)]
    assert seen(plan(recording(*tracks), FPS)) == [(0, 10_000, both), (10_000, 90_000, one)]


def test_a_shared_screen_comes_first_and_goes() -> None:
    tracks = (track("a", "mic", (0, 30_000)), track("a", "cam", (0, 30_000)), track("a", "screen", (10_000, 20_000)))
    assert seen(plan(recording(*tracks), FPS))[1] == (10_000, 20_000, "a-screen a-cam")


def test_nothing_recorded_is_no_film() -> None:
    assert plan(recording(), FPS).frames == 0


def test_frames_neither_overlap_nor_leave_a_hole_at_odd_times() -> None:
    spans = [(n * 1_037, n * 1_037 + 400) for n in range(60)]
    found = plan(recording(track("a", "mic", (0, 70_001)), track("b", "screen", *spans)), FPS)
    for one, other in pairwise(found.scenes):
        assert (one.first_frame + one.frames, one.to_ms) == (other.first_frame, other.from_ms)
    assert found.frames == round(70_001 * FPS / 1000)
    worst = max(abs(found.session_ms(frame) - frame * 1000 / FPS) for frame in range(found.frames))
    assert worst <= 1000 / FPS, "the clock in the picture is never off by more than a frame"
    assert found.scene_at(found.frames - 1) is found.scenes[-1]


@pytest.mark.parametrize("count", range(1, 26))
@pytest.mark.parametrize("screens", [0, 1, 2])
def test_cells_lie_within_the_area_and_beside_each_other(count: int, screens: int) -> None:
    area = Rect(0, 36, 1280, 684)
    cells = [cell for group in stage(screens, count, area) for cell in group]
    assert len(cells) == count + screens
    for cell in cells:
        assert all(value % 2 == 0 for value in (cell.x, cell.y, cell.width, cell.height))
        assert cell.width > 0 and cell.height > 0
        assert area.x <= cell.x and cell.x + cell.width <= area.width
        assert area.y <= cell.y and cell.y + cell.height <= area.y + area.height
    for one, other in combinations(cells, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        above = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert beside or above


def test_two_stand_side_by_side_and_four_in_a_square() -> None:
    area = Rect(0, 0, 1280, 720)
    assert grid(2, area) == [Rect(0, 0, 640, 720), Rect(640, 0, 640, 720)]
    assert grid(4, area) == [Rect(x, y, 640, 360) for y in (0, 360) for x in (0, 640)]
    assert [cell.x for cell in grid(3, area)] == [0, 640, 320], "a last row that is not full is centred"


@pytest.mark.parametrize(("width", "height"), [(640, 480), (360, 640), (1920, 1080), (1, 5_000), (3, 3)])
def test_a_picture_keeps_its_shape(width: int, height: int) -> None:
    into = Rect(10, 20, 640, 360)
    place = fitted(width, height, into)
    assert place.x >= 10 and place.y >= 20 and place.x + place.width <= 650 and place.y + place.height <= 380
    if min(width, height) > 2:
        assert place.width / place.height == pytest.approx(width / height, rel=0.02)
