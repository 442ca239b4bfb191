# SPDX-License-Identifier: Apache-2.0
"""From feed records to journal steps: a restart at any moment changes nothing, and no number is promised too early."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.recording import state as journal
from mediaserver.recording.feed import Overflow, TrackInfo
from mediaserver.recording.intake import FIRST_KEYFRAME_MS, JUMP_MS, KEYFRAME_EVERY_US, QUIET_US, Intake, Step
from mediaserver.recording.state import JournalFault, Line, SessionState
from mediaserver.rtp import packet as rtp
from tests.sim.call import vp8_payload

SOUND = TrackInfo("p-mic", "p", "所", "室", "mic", "audio", "opus", 48_000, 111, 1)
PICTURE = TrackInfo("p-cam", "p", "所", "室", "cam", "video", "vp8", 90_000, 96, 2)
KEY = b"\x9d\x01\x2a\x40\x01\xf0\x00"


def sound(number: int) -> bytes:
    """One Opus packet of 20 ms (TOC 0x78: CELT, mono) whose second byte tells which."""
    payload = bytes([0x78, number & 0xFF, number >> 8 & 0xFF])
    return bytes(rtp.build(payload_type=111, sequence_number=number, timestamp=number * 960, ssrc=1, payload=payload))


def picture(number: int, *, key: bool) -> bytes:
    """A whole frame of 40 ms in one packet."""
    payload = vp8_payload(number, key=key, size=2) + KEY + bytes(8)
    stamp = number * 3600
    return bytes(
        rtp.build(payload_type=96, sequence_number=number, timestamp=stamp, ssrc=2, payload=payload, marker=True)
    )


def numbering() -> Callable[[], int]:
    numbers = Counter[str]()

    def new_epoch() -> int:
        numbers["epoch"] += 1
        return numbers["epoch"]

    return new_epoch


def session(info: TrackInfo) -> SessionState:
    state = SessionState()
    state.apply({"t": journal.SESSION, "county": "c", "session": "s", "room": "s"})
    state.apply({"t": journal.BOOT, "boot": "b"})
    body = {name: getattr(info, name) for name in info.__dataclass_fields__}
    state.apply({"t": journal.OPEN, "c": 1, "feed": 1, "track": body})
    return state


def durable(state: SessionState, steps: list[Step]) -> list[bytes]:
    """Apply steps as the spool does, places included; returns the bytes of the parts."""
    written = []
    for step in steps:
        line: Line = json.loads(json.dumps(step.line))
        if step.data:
            segment = state.epoch(line["track"], line["epoch"]).segment(line["segment"])
            offset = len(step.header) if segment is None else segment.bytes
            line |= {"offset": offset, "bytes": len(step.data), "header": len(step.header)}
            written.append(step.data)
        state.apply(line)
    return written


def kinds(steps: list[Step]) -> list[str]:
    return [step.line["t"] for step in steps]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1 << 30),
    kills=st.lists(st.integers(1, 199), max_size=4),
    lost=st.sets(st.integers(1, 199), max_size=25),
)
def test_restarts_at_any_moment_change_nothing(seed: int, kills: list[int], lost: set[int]) -> None:
    """Killed and fed again from what was acknowledged: the same frames, each once, and the same holes."""
    order = [number for number in range(200) if number not in lost]
    generator = random.Random(seed)
    arrival = {number: number * 20 + generator.choice([0, 0, 0, 45, 130]) * (number > 0) for number in order}
    order.sort(key=lambda number: arrival[number])
    state, data = session(SOUND), []
    intake, new_epoch = Intake(1, SOUND, numbering()), numbering()
    index, pending_kills = 0, set(kills)
    while index < len(order):
        number = order[index]
        index += 1
        now_us = arrival[number] * 1000
        intake.packet(index, sound(number), arrival[number], arrival[number], now_us)
        intake.tick(now_us)
        if index % 7 == 0:
            data += durable(state, intake.drain())
        if index in pending_kills:
            pending_kills.discard(index)
            epochs = state.tracks["p-mic"].epochs
            index = state.feed[1].acknowledged
            intake = Intake(
                1,
                SOUND,
                numbering() if not epochs else new_epoch,
                acknowledged=index,
                resume=epochs[-1] if epochs else None,
            )
    intake.finish(10_000_000)
    data += durable(state, intake.drain())
    (epoch,) = state.tracks["p-mic"].epochs
    blocks = b"".join(data)
    assert state.feed[1].acknowledged == len(order) and epoch.ended
    assert state.tracks["p-mic"].packets == len(order)
    assert all(blocks.count(bytes([0x78, number & 0xFF, number >> 8])) >= 1 for number in order)
    found = {n - 0x10000 for hole in state.holes for n in range(hole.rtp_from or 0, (hole.rtp_to or 0) + 1)}
    assert found == {number for number in lost if number < max(order)}
    assert state.tracks["p-mic"].lost == len(found)


@given(st.integers(0, 1 << 30), st.integers(5, 200))
def test_nothing_is_acknowledged_that_is_not_in_a_step(seed: int, count: int) -> None:
    """However late a packet comes, numbers from it on stay with the mediaserver until it is written."""
    generator = random.Random(seed)
    order = list(range(1, count))
    for at in range(0, len(order) - 8, 8):
        block = order[at : at + 8]
        generator.shuffle(block)
        order[at : at + 8] = block
    order = [0, *order]
    state = session(SOUND)
    intake = Intake(1, SOUND, numbering())
    for index, number in enumerate(order, 1):
        intake.packet(index, sound(number), number * 20, number * 20, number * 20_000)
        intake.tick(number * 20_000)
        durable(state, intake.drain())
        kept = state.tracks["p-mic"].epochs[-1].last_sequence - 0x10000 if state.tracks["p-mic"].epochs else -1
        promised = order[: state.feed[1].acknowledged]
        assert all(number <= kept for number in promised)


def test_a_quiet_track_is_written_by_time() -> None:
    intake = Intake(1, SOUND, numbering())
    for number in range(10):
        intake.packet(number + 1, sound(number), number * 20, number * 20, number * 20_000)
    intake.tick(QUIET_US - 1)
    assert intake.drain() == []
    intake.tick(QUIET_US)
    assert kinds(intake.drain()) == [journal.EPOCH, journal.PART]
    intake.tick(QUIET_US * 5)
    assert intake.drain() == []


def test_a_picture_begins_with_a_key_frame_and_asks_for_it() -> None:
    intake = Intake(1, PICTURE, numbering())
    intake.packet(1, picture(0, key=False), 0, 0, 0)
    assert intake.wants_keyframe(0) and not intake.wants_keyframe(500_000) and intake.wants_keyframe(1_000_000)
    intake.packet(2, picture(1, key=False), 40, 40, 1_100_000)
    intake.packet(3, picture(2, key=True), 80, 80, 1_200_000)
    assert not intake.wants_keyframe(2_300_000)
    intake.finish(2_400_000)
    steps = intake.drain()
    assert kinds(steps) == [journal.EPOCH, journal.PART, journal.END]
    assert steps[1].line["packets"] == 1 and steps[1].line["start_ms"] == 80 and steps[1].line["size"] == [320, 240]
    assert steps[-1].line["ack"] == 3


@pytest.mark.parametrize(("wait_ms", "listed"), [(FIRST_KEYFRAME_MS, False), (FIRST_KEYFRAME_MS + 40, True)])
def test_a_long_wait_for_the_first_picture_is_a_gap(wait_ms: int, listed: bool) -> None:
    intake, frames = Intake(1, PICTURE, numbering()), wait_ms // 40
    for number in range(frames):
        intake.packet(number + 1, picture(number, key=False), number * 40, number * 40, number * 40_000)
    intake.packet(frames + 1, picture(frames, key=True), wait_ms, wait_ms, wait_ms * 1000)
    intake.finish(wait_ms * 1000)
    gaps = [step.line for step in intake.drain() if step.line["t"] == journal.GAP]
    assert [(gap["from_ms"], gap["to_ms"], gap["cause"]) for gap in gaps] == ([(0, wait_ms, "loss")] if listed else [])


def test_a_key_frame_once_in_a_minute_and_after_a_hole() -> None:
    intake = Intake(1, PICTURE, numbering())
    intake.packet(1, picture(0, key=True), 0, 0, 0)
    assert not intake.wants_keyframe(100)
    at_us = KEYFRAME_EVERY_US - 1_000
    intake.packet(2, picture(1, key=False), 40, 40, at_us)
    assert not intake.wants_keyframe(at_us)
    assert intake.wants_keyframe(KEYFRAME_EVERY_US)
    intake.packet(3, picture(2, key=True), 80, 80, KEYFRAME_EVERY_US + 1_000)
    assert not intake.wants_keyframe(KEYFRAME_EVERY_US + 1_100_000)
    intake.packet(4, picture(4, key=False), 160, 160, KEYFRAME_EVERY_US + 2_000)
    intake.tick(KEYFRAME_EVERY_US + 1_100_000)
    assert intake.wants_keyframe(KEYFRAME_EVERY_US + 1_100_000)
    assert not Intake(1, SOUND, numbering()).wants_keyframe(0)


@pytest.mark.parametrize(("jump_ms", "epochs"), [(JUMP_MS, 1), (JUMP_MS + 20, 2), (-JUMP_MS - 20, 2)])
def test_a_clock_that_was_set_anew_begins_another_epoch(jump_ms: int, epochs: int) -> None:
    """RTP times leap, arrivals do not."""
    intake = Intake(1, SOUND, numbering())
    for number in range(20):
        leap = jump_ms * 48 if number >= 10 else 0
        data = bytearray(sound(number))
        rtp.rewrite(
            data, payload_type=111, sequence_number=number, timestamp=(number * 960 + leap) & 0xFFFFFFFF, ssrc=1
        )
        intake.packet(number + 1, bytes(data), number * 20, number * 20, number * 20_000)
    intake.finish(400_000)
    begun = [step.line for step in intake.drain() if step.line["t"] == journal.EPOCH]
    assert [line["epoch"] for line in begun] == list(range(1, epochs + 1))
    assert begun[-1]["origin_ms"] == (0 if epochs == 1 else 200)


def test_an_overflow_ends_the_epoch_and_is_listed() -> None:
    state = session(SOUND)
    intake = Intake(1, SOUND, numbering())
    for number in range(50):
        intake.packet(number + 1, sound(number), number * 20, number * 20, number * 20_000)
    known = Overflow(20, 50, 19, 49, 400_000, 980_000, 31)
    intake.overflow(known, "recorder_down", 400, 980, 1_000_000)
    assert intake.open and intake.drain() == []  # those had come
    intake.overflow(
        Overflow(51, 70_050, 50, 70_049 & 0xFFFF, 0, 0, 70_000), "feed_overflow", 1_000, 1_401_000, 1_000_000
    )
    intake.packet(70_051, sound(70_050 & 0xFFFF), 1_401_000, 1_401_000, 1_401_000_000)
    intake.finish(1_402_000_000)
    durable(state, intake.drain())
    (hole,) = state.holes
    assert (hole.cause, hole.packets, hole.from_ms, hole.to_ms) == ("feed_overflow", 70_000, 1_000, 1_401_000)
    assert (hole.rtp_from, hole.rtp_to) == (50 + 0x10000, 70_049 + 0x10000)
    assert [epoch.scale.origin_ms for epoch in state.tracks["p-mic"].epochs] == [0, 1_401_000]
    assert state.feed[1].acknowledged == 70_051


def test_a_skipped_track_is_acknowledged() -> None:
    """While the session is not recorded, what still comes must not wait in the mediaserver's memory."""
    intake = Intake(1, SOUND, numbering())
    intake.skip(30)
    intake.tick(QUIET_US)
    (step,) = intake.drain()
    assert (step.line["t"], step.line["ack"]) == (journal.ACK, 30)


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"t": "nonsense"},
        {"t": journal.PART, "track": "p-mic", "epoch": 1},
        {"t": journal.PART, "track": "nobody", "epoch": 1},
        {"t": journal.ORDER},
        {"t": journal.SEALED, "track": "p-mic", "epoch": 9, "segment": 0},
    ],
)
def test_a_journal_that_is_not_ours_is_refused(line: Line) -> None:
    with pytest.raises(JournalFault):
        session(SOUND).apply(line)


def test_a_restart_keeps_the_decoders_header() -> None:
    """H264 needs its parameter sets in every file's header: an epoch that goes on after a restart still has them."""
    info = TrackInfo("p-cam", "p", "所", "室", "cam", "video", "h264", 90_000, 96, 2)
    sets = bytes.fromhex("67 42c01f da0280f68400000300040000030 0c83c60ca80".replace(" ", ""))
    key = b"\x18" + len(sets).to_bytes(2) + sets + b"\0\4\x68\xce\x3c\x80" + b"\0\2\x65\x88"
    state, new_epoch = session(info), numbering()
    intake = Intake(1, info, new_epoch)
    for number in range(60):
        payload = key if number == 0 else b"\x61" + bytes([number])
        packet = rtp.build(
            payload_type=96, sequence_number=number, timestamp=number * 3600, ssrc=2, payload=payload, marker=True
        )
        intake.packet(number + 1, bytes(packet), number * 40.0, number * 40, number * 40_000)
    steps = intake.drain()
    headers = {step.header for step in steps if step.header}
    assert len(headers) == 1
    (header,) = headers
    assert b"V_MPEG4/ISO/AVC" in header
    assert sets in header
    epoch = next(step.line for step in steps if step.line["t"] == journal.EPOCH)
    assert sets.hex() in epoch["private"]
    state.apply(epoch)
    for step in steps:
        if step.line["t"] == journal.PART:
            state.apply(step.line | {"offset": 0, "bytes": len(step.data), "header": len(step.header)})
    again = Intake(1, info, new_epoch, resume=state.epoch("p-cam", epoch["epoch"]))
    for number in range(60, 120):
        packet = rtp.build(
            payload_type=96,
            sequence_number=number,
            timestamp=number * 3600,
            ssrc=2,
            payload=b"\x61" + bytes([number]),
            marker=True,
        )
        again.packet(number + 1, bytes(packet), number * 40.0, number * 40, number * 40_000)
    assert {step.header for step in again.drain() if step.header} == {header}
