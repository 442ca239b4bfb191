# SPDX-License-Identifier: Apache-2.0
"""Figures of one observed window. Times in seconds unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from tests.badlink.call import PUBLISHER, VIEWER, Observation, Sample
from tests.badlink.camera import FPS, FRAMES


@dataclass(frozen=True)
class Figures:
    """One run."""

    fps: float
    freezes: int
    """By getStats (freezeCount) or by our own watch of shown pictures, whichever saw more."""
    frozen_s: float
    longest_gap_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    height: int
    """All but one in twenty of the pictures shown were at least this high."""
    concealed: float
    """Share of the sound's samples that were made up, silence left out."""
    up_ratio: float
    """Bytes on the publisher's leg toward the server, by bytes of media (each packet once)."""
    down_ratio: float
    media_kbps: float
    join_ms: float
    details: dict[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def own_freezes(moments_ms: Sequence[float]) -> tuple[int, float]:
    """(number, seconds) by the rule of WebRTC's getStats, from when pictures were shown: an interval longer than three
    times the mean of the last 30, and than that mean by 150 ms."""
    count, total = 0, 0.0
    recent: list[float] = []
    for before, after in pairwise(moments_ms):
        interval = after - before
        mean = sum(recent) / len(recent) if recent else 1000 / FPS
        if interval >= max(3 * mean, mean + 150):
            count += 1
            total += interval / 1000
        recent = [*recent[-29:], interval]
    return count, total


def delays_ms(taken: Sequence[tuple[float, int]], shown: Sequence[tuple[float, int, int]]) -> list[float]:
    """For every shown picture how long before it was taken; the number repeats after FRAMES pictures."""
    by_number: dict[int, list[float]] = {}
    for at, number in taken:
        by_number.setdefault(number, []).append(at)
    found = []
    for at, number, _ in shown:
        earlier = [moment for moment in by_number.get(number % FRAMES, ()) if at - FRAMES / FPS * 1000 < moment <= at]
        if earlier:
            found.append(at - max(earlier))
    return found


def _row(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((row for row in rows if row.get("kind") == kind), {})


def _grown(first: dict[str, Any], last: dict[str, Any], name: str) -> float:
    return float(last.get(name, 0)) - float(first.get(name, 0))


def _media_sent(sample: Sample) -> float:
    total = 0.0
    for row in sample.publisher["outbound"]:
        packets, resent = row.get("packetsSent", 0), row.get("retransmittedPacketsSent", 0)
        headers = row.get("headerBytesSent", 0) * (packets - resent) / packets if packets else 0
        total += row.get("bytesSent", 0) - row.get("retransmittedBytesSent", 0) + headers
    return total


def _media_forwarded(sample: Sample) -> float:
    return float(sum(c["bytes"] for p in sample.server["stats"]["producers"] for c in p["consumers"]))


def _wire(first: Sample, last: Sample, leg: str, way: str) -> float:
    return last.relay[leg][way]["bytes"] - first.relay[leg][way]["bytes"]


def figures(observation: Observation) -> Figures:
    """Everything of a window that targets are set for."""
    first, last = observation.samples[0], observation.samples[-1]
    begin, end = first.viewer["at"], last.viewer["at"]
    seconds = (end - begin) / 1000
    video, video_end = _row(first.viewer["inbound"], "video"), _row(last.viewer["inbound"], "video")
    sound, sound_end = _row(first.viewer["inbound"], "audio"), _row(last.viewer["inbound"], "audio")
    shown = [row for row in observation.shown if begin <= row[0] <= end]
    moments = [row[0] for row in shown]
    seen, seen_s = own_freezes([begin, *moments, end])
    delays = delays_ms(observation.taken, shown)
    samples = _grown(sound, sound_end, "totalSamplesReceived")
    heard = _grown(sound, sound_end, "concealedSamples") - _grown(sound, sound_end, "silentConcealedSamples")
    up, down = _media_sent(last) - _media_sent(first), _media_forwarded(last) - _media_forwarded(first)
    emitted = _grown(video, video_end, "jitterBufferEmittedCount")
    details = {
        name: _grown(video, video_end, name)
        for name in ("nackCount", "pliCount", "framesDropped", "keyFramesDecoded", "packetsLost", "framesDecoded")
    }
    details |= {
        "stat_freezes": _grown(video, video_end, "freezeCount"),
        "own_freezes": seen,
        "buffer_ms": _grown(video, video_end, "jitterBufferDelay") / emitted * 1000 if emitted else 0.0,
        "sound_fec": _grown(sound, sound_end, "fecPacketsReceived"),
        "sound_lost": _grown(sound, sound_end, "packetsLost"),
        "taken_fps": sum(begin <= at <= end for at, _ in observation.taken) / seconds,
    }
    return Figures(
        fps=len(shown) / seconds,
        freezes=max(seen, int(_grown(video, video_end, "freezeCount"))),
        frozen_s=max(seen_s, _grown(video, video_end, "totalFreezesDuration")),
        longest_gap_ms=max((b - a for a, b in pairwise([begin, *moments, end])), default=0.0),
        latency_p50_ms=percentile(delays, 0.5),
        latency_p95_ms=percentile(delays, 0.95),
        height=int(percentile([row[2] for row in shown], 0.05)),
        concealed=heard / samples if samples else 1.0,
        up_ratio=_wire(first, last, PUBLISHER, "up") / up if up else 0.0,
        down_ratio=_wire(first, last, VIEWER, "down") / down if down else 0.0,
        media_kbps=down * 8 / seconds / 1000,
        join_ms=observation.join_ms,
        details=details,
    )


def as_json(found: Figures) -> dict[str, Any]:
    """Rounded, for the result file."""
    return {
        name: {key: round(item, 4) for key, item in value.items()} if isinstance(value, dict) else round(value, 4)
        for name, value in asdict(found).items()
    }
