# SPDX-License-Identifier: Apache-2.0
"""Which segments a span takes: whole ones, pictures from a key frame on; everything else is listed as left out."""

from __future__ import annotations

import pytest

from storage.copies import LeftOut, chosen, left_out
from storage.manifest import Clock, Codec, Epoch, Kind, Manifest, Part, Segment, Source, Track

SESSION = "01m86wtn24vp4mzv2yqy1mpt57"


def track(name: str, source: Source, kind: Kind, codec: Codec, keyframes: tuple[bool, ...]) -> Track:
    """Segments of ten seconds; each says whether its first part holds a key frame."""
    segments = tuple(
        Segment(f"{name}/{n}", n, n * 10_000, (n + 1) * 10_000, 10, 1, "", "", "", (Part(1, 9, n * 10_000, key),), 1, 0)
        for n, key in enumerate(keyframes)
    )
    end_ms = len(keyframes) * 10_000
    return Track(name, "p1", source, kind, (Epoch(1, codec, 48_000, 0, 0, end_ms, Clock(), segments),))


MANIFEST = Manifest(
    version=1,
    county="default",
    session_id=SESSION,
    room=SESSION,
    origin_utc_ms=1,
    ended_utc_ms=None,
    software="",
    server_boots=(),
    peers=(),
    tracks=(
        track("mic", "mic", "audio", "opus", (True,) * 6),
        track("cam", "cam", "video", "vp8", (True, False, False, True, False, False)),
    ),
    gaps=(),
    events=(),
    complete=True,
)


@pytest.mark.parametrize(
    ("tracks", "from_ms", "to_ms", "keys"),
    [
        (["mic"], 12_000, 19_000, ["mic/1"]),
        (["mic"], 10_000, 20_000, ["mic/1"]),
        (["mic"], 9_999, 20_001, ["mic/0", "mic/1", "mic/2"]),
        (["mic"], None, 5_000, ["mic/0"]),
        (["mic"], 55_000, None, ["mic/5"]),
        (["mic"], 60_000, None, []),
        (["cam"], 22_000, 25_000, ["cam/0", "cam/1", "cam/2"]),
        (["cam"], 31_000, 45_000, ["cam/3", "cam/4"]),
        (["nobody"], None, None, []),
        (None, 52_000, None, ["mic/5", "cam/3", "cam/4", "cam/5"]),
    ],
)
def test_a_span_takes_whole_segments(
    tracks: list[str] | None, from_ms: int | None, to_ms: int | None, keys: list[str]
) -> None:
    assert [segment.key for segment in chosen(MANIFEST, tracks, from_ms, to_ms)] == keys


def test_everything_that_is_not_there_is_listed() -> None:
    assert left_out(MANIFEST, [segment.key for segment in chosen(MANIFEST, None, None, None)]) == []
    assert left_out(MANIFEST, ["mic/0", "mic/3", "mic/4", "cam/5"]) == [
        LeftOut("mic", 10_000, 30_000, 2),
        LeftOut("mic", 50_000, 60_000, 1),
        LeftOut("cam", 0, 50_000, 5),
    ]
