# SPDX-License-Identifier: Apache-2.0
"""Whatever is switched, lost, reordered, paused or wrapped: a decoder model finds one continuous stream.

The rules are the decoder's own (tests/sim/decoder.py): numbers without holes that nobody explains, times that never run
backwards, picture ids, TL0PICIDX and KEYIDX that count on, and a marker wherever a frame is said to be complete.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.sim.stage import Stage

ACTIONS = st.one_of(
    st.tuples(st.just("target"), st.sampled_from([None, 0, 1, 2]), st.integers(0, 2)),
    st.tuples(st.just("layer"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("mute"), st.booleans(), st.just(0)),
    st.tuples(st.just("pli"), st.just(0), st.just(0)),
    st.tuples(st.just("down"), st.just(0), st.just(0)),
    st.tuples(st.just("burst"), st.integers(1, 300), st.just(0)),
)
SCRIPTS = st.lists(st.tuples(ACTIONS, st.floats(0.02, 1.2)), min_size=1, max_size=8)
LINKS = st.fixed_dictionaries(
    {
        "loss": st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.2]),
        "jitter_s": st.sampled_from([0.0, 0.01, 0.04]),
        "duplicate": st.sampled_from([0.0, 0.05]),
    }
)

LOSSY = {"loss": 0.2, "jitter_s": 0.0, "duplicate": 0.0}


def act(stage: Stage, action: tuple[str, int | bool | None, int | bool]) -> None:
    kind, first, second = action
    viewer = stage.viewers[0]
    if kind == "target":
        stage.target(viewer, None if first is None else int(first), int(second))
    elif kind == "layer":
        layer = stage.layers[int(first or 0)]
        layer.key_wanted = layer.key_wanted or (bool(second) and not layer.on)
        layer.on = bool(second)
    elif kind == "mute":
        stage.room.pause_producer(stage.producer_id, bool(first), stage.now)
        stage.sending = not first
    elif kind == "pli":
        viewer.pli(stage.now)
    elif kind == "down":
        stage.room.transport_down("b-recv", stage.now)
        stage.run(0.3)
        stage.room.transport_up("b-recv", stage.now)
    elif kind == "burst":
        stage.up.drop_next(int(first or 0))


@example(1_048_575, 1, [(("burst", 194, 0), 0.76)], LOSSY, LOSSY, 15, True)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failing script is short enough to read
    report_multiple_bugs=False,
)
@given(st.integers(0, 1 << 20), st.integers(1, 3), SCRIPTS, LINKS, LINKS, st.sampled_from([7, 15, 15]), st.booleans())
def test_a_decoder_finds_one_continuous_stream(
    seed: int,
    layers: int,
    script: list[tuple[tuple[str, int, int], float]],
    up: dict[str, float],
    down: dict[str, float],
    bits: int,
    reports: bool,
) -> None:
    stage = Stage(seed, layers, bits=bits, reports=reports, fps=20, **up)  # type: ignore[arg-type]
    viewer = stage.view(**down)
    stage.run(0.5)
    for action, pause_s in script:
        if action[0] != "layer" or action[1] < layers:
            act(stage, action)
        stage.run(pause_s)
    # Whatever happened, it comes right again by itself.
    stage.room.pause_producer(stage.producer_id, False, stage.now)
    stage.sending = True
    for layer in stage.layers:
        layer.key_wanted = layer.key_wanted or not layer.on
        layer.on = True
    stage.target(viewer, 2)
    stage.up.loss = stage.back.loss = viewer.down.loss = 0.0
    stage.up.drop_next(0)
    stage.run(0.5)
    if not viewer.decoder.finish():  # its very first packet was lost, which nothing tells it of: a browser asks then
        viewer.pli(stage.now)
    stage.run(8.0)  # a publisher whose link was taken for narrow rests its upper layers for some seconds
    shown = viewer.decoder.finish()
    assert shown, "something was shown"
    assert stage.frame_number - shown[-1].frame <= 4
    assert shown[-1].layer == layers - 1
    tail = [frame for frame in shown if frame.at > stage.now - 0.5]
    assert len(tail) >= 9, "every frame of the last half second"


def test_numbers_that_begin_anew_are_no_gap() -> None:
    """A publisher whose encoder was made anew goes on with other numbers, times and picture ids under its SSRC."""
    stage = Stage(1, 1)
    viewer = stage.view()
    stage.run(2)
    layer = stage.layers[0]
    layer.sequence += 20_000
    layer.picture = 3
    layer.clock_base += 1_000_000
    layer.key_wanted = True
    stage.run(2)
    shown = viewer.decoder.finish()
    assert shown[-1].frame >= stage.frame_number - 2
    assert len(viewer.decoder.missing()) <= 1
    elapsed = (shown[-1].timestamp - shown[0].timestamp & 0xFFFFFFFF) / 90_000
    assert abs(elapsed - (stage.captured[shown[-1].frame] - stage.captured[shown[0].frame])) < 0.1


def test_padding_of_the_publisher_leaves_no_gap() -> None:
    stage = Stage(2, 1)
    viewer = stage.view()
    stage.run(1)
    layer = stage.layers[0]
    for _ in range(30):
        stage._wide += 1
        padding = bytearray(layer.packet(layer.sequence & 0xFFFF, b"", False, layer.rtp_time(stage.now), stage._wide))
        padding[0] |= 0x20
        layer.sequence += 1
        stage.up.send(bytes(padding) + bytes(99) + bytes([100]), stage.now)
        stage.run(0.05)
    got = viewer.decoder
    assert not got.empty
    assert not got.missing()
    assert got.finish()[-1].frame >= stage.frame_number - 2
