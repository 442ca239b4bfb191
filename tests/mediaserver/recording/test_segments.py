# SPDX-License-Identifier: Apache-2.0
"""Where parts and segments end, at the edges of their limits, and the bytes that become of them."""

from __future__ import annotations

import io
import itertools

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.recording import webm
from mediaserver.recording.frames import Frame
from mediaserver.recording.segments import CONTINUOUS_MS, PART_MS, SEGMENT_MS, Block, Cutter, Part
from tests.mediaserver.recorder.media import HEIGHT, WIDTH, Stream
from tests.mediaserver.recording.files import recorded


def frame(number: int, *, key: bool = False, duration_us: int = 20_000, packets: int = 1) -> Frame:
    return Frame(number * 960, b"\x78" + bytes(20), key, number, duration_us, packets)


def cut(times: list[int], *, duration_us: int = 20_000) -> list[Part]:
    cutter, found = Cutter(), []
    for number, pts_ms in enumerate(times):
        ended = cutter.add(frame(number, duration_us=duration_us), pts_ms, pts_ms * 1000)
        found += [ended] if ended else []
    last = cutter.close()
    return [*found, last] if last else found


@pytest.mark.parametrize(
    ("times", "starts", "ends", "segments"),
    [
        ([], [], [], []),
        ([0], [0], [20], [0]),
        ([0, PART_MS - 1], [0], [PART_MS + 19], [0]),
        ([0, PART_MS], [0, PART_MS], [20, PART_MS + 20], [0, 0]),
        ([0, PART_MS - 20, PART_MS], [0, PART_MS], [PART_MS, PART_MS + 20], [0, 0]),
        ([0, SEGMENT_MS - 1], [0, SEGMENT_MS - 1], [20, SEGMENT_MS + 19], [0, 0]),
        ([0, SEGMENT_MS], [0, SEGMENT_MS], [20, SEGMENT_MS + 20], [0, 1]),
        ([0, 600, PART_MS + 600 + CONTINUOUS_MS], [0, 2100], [620, 2120], [0, 0]),
        ([5_000, 14_999, 15_000, 25_100], [5_000, 14_999, 25_100], [5_020, 15_020, 25_120], [0, 0, 1]),
    ],
)
def test_where_parts_end(times: list[int], starts: list[int], ends: list[int], segments: list[int]) -> None:
    parts = cut(times)
    assert [part.start_ms for part in parts] == starts
    assert [part.end_ms for part in parts] == ends
    assert [part.segment for part in parts] == segments


def test_a_gap_stays_a_gap() -> None:
    """The part before a long silence ends with its last frame, the next begins where the sound came back."""
    parts = cut([0, 20, 40, 5_000, 5_020])
    assert [(part.start_ms, part.end_ms) for part in parts] == [(0, 60), (5_000, 5_040)]


def test_pictures_last_as_long_as_the_step_before() -> None:
    parts = cut([0, 40, 80], duration_us=0)
    assert parts[0].end_ms == 120
    assert cut([0], duration_us=0)[0].end_ms == 33


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=80))
def test_nothing_is_lost_and_times_run_on(steps: list[int]) -> None:
    times = [sum(steps[:index]) for index in range(len(steps))]
    parts = cut(times)
    assert [block.pts_ms for part in parts for block in part.blocks] == times
    for part, after in itertools.pairwise(parts):
        assert part.end_ms <= after.start_ms or part.end_ms - after.start_ms <= 20
        assert after.segment in (part.segment, part.segment + 1)
    assert sum(part.packets for part in parts) == len(times)
    for part in parts:
        assert all(0 <= block.pts_ms - part.start_ms < PART_MS for block in part.blocks)


def test_an_epoch_goes_on_after_a_restart() -> None:
    cutter = Cutter(segment=3, segment_start_ms=30_000, last_pts_ms=38_980)
    assert cutter.add(frame(1), 39_000, 0) is None
    assert cutter.part is not None and cutter.part.segment == 3
    assert cutter.add(frame(2), 40_000, 0) is not None
    assert cutter.part.segment == 4


@pytest.mark.parametrize(("kind", "seconds"), [("audio", 23), ("video", 23)])
def test_every_segment_is_a_file_of_its_own(kind: str, seconds: int) -> None:
    files = recorded(Stream(kind), seconds)
    assert len(files) == 3
    total = 0
    for header, clusters in files:
        with av.open(io.BytesIO(header + clusters)) as container:
            (stream,) = container.streams
            assert (
                container.format.name == "matroska,webm"
                and stream.codec_context.name == {"audio": "opus", "video": "vp8"}[kind]
            )
            packets = [packet for packet in container.demux(stream) if packet.size]
            total += len(packets)
            if kind == "video":
                assert (stream.codec_context.width, stream.codec_context.height) == (WIDTH, HEIGHT)
            else:
                assert stream.codec_context.sample_rate == 48_000 and stream.codec_context.layout.name == "mono"
    stream_of = Stream(kind)
    assert total == seconds * 1000 // stream_of.step_ms


@pytest.mark.parametrize(
    ("offset", "good"), [(0, True), (webm.MAX_BLOCK_MS, True), (webm.MAX_BLOCK_MS + 1, False), (-1, False)]
)
def test_a_block_must_be_near_its_cluster(offset: int, good: bool) -> None:
    blocks = [Block(5_000 + offset, True, b"x")]
    if good:
        assert webm.cluster(5_000, blocks)
    else:
        with pytest.raises(ValueError, match="ms from its cluster"):
            webm.cluster(5_000, blocks)


@given(st.integers(0, 1 << 40), st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=30))
def test_any_frames_come_back_from_a_cluster(start_ms: int, frames: list[bytes]) -> None:
    """Read by another program (FFmpeg) than wrote it; sizes cross the one- and two-byte bounds."""
    blocks = [Block(start_ms + index * 20, True, data) for index, data in enumerate(frames)]
    data = webm.header(webm.Picture(640, 480)) + webm.cluster(start_ms, blocks)
    with av.open(io.BytesIO(data), options={"fflags": "+nofillin+noparse"}) as container:
        packets = [packet for packet in container.demux() if packet.size]
    assert [bytes(packet) for packet in packets] == frames
    assert [packet.pts for packet in packets] == [block.pts_ms for block in blocks]
