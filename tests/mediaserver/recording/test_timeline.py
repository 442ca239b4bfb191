# SPDX-License-Identifier: Apache-2.0
"""The session clock from Sender Reports: exact with drifting clocks, jitter, lies and wrap-around."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.recording.timeline import DELAY_SPAN_MS, MAX_RATE_PPM, RATE_SPAN_MS, EpochScale, Report, fit
from mediaserver.rtp.seqnum import unwrap32

NTP_MS = 3_900_000_000_000.0
"""The publisher's clock at the session's beginning; any value will do."""
DELAY_MS = 4.0
"""Least delay of the network in these rows."""


def reports(
    seconds: int,
    *,
    rate: int = 48_000,
    sample_ppm: float = 0.0,
    clock_ppm: float = 0.0,
    late_ms: Callable[[int], float] = lambda index: 0.0,
    every_s: int = 1,
) -> list[Report]:
    """Reports of a publisher whose sample clock and NTP clock run fast by so much against the server's."""
    found = []
    for index, true_ms in enumerate(range(0, seconds * 1000, every_s * 1000)):
        rtp_time = (1 << 32) + round(true_ms * (1 + sample_ppm * 1e-6) * rate / 1000)
        ntp_ms = NTP_MS + true_ms * (1 + clock_ppm * 1e-6)
        found.append(Report(ntp_ms, rtp_time, true_ms + DELAY_MS + late_ms(index)))
    return found


def jitter(seed: int, width_ms: float) -> Callable[[int], float]:
    """The network's: mostly small, now and then large, never negative."""
    generator = random.Random(seed)
    values = [generator.expovariate(1 / width_ms) for _ in range(20_000)]
    return lambda index: values[index]


def session_error_ms(scale: EpochScale, made: list[Report], *, at_ms: float, sample_ppm: float = 0.0) -> float:
    """How far the fitted clock puts a sample of true time `at_ms` from there."""
    found = fit(scale, made)
    pts_ms = scale.exact_ms((1 << 32) + round(at_ms * (1 + sample_ppm * 1e-6) * scale.clock_rate / 1000))
    session_ms = pts_ms + found.offset_ms + found.rate_ppm * 1e-6 * (pts_ms - scale.origin_ms)
    return session_ms - at_ms - DELAY_MS


SCALE = EpochScale(250, 1 << 32, 48_000)
"""The first packet came 250 ms late (a burst at the start), which the fit must take back."""


@pytest.mark.parametrize(
    ("seconds", "sample_ppm", "clock_ppm", "jitter_ms", "allowed_ms"),
    [
        (3, 0.0, 0.0, 0.0, 0.01),
        (15, 0.0, 0.0, 5.0, 3.0),
        (120, 100.0, 0.0, 0.0, 0.1),
        (120, -100.0, 0.0, 0.0, 0.1),
        (1800, 100.0, 0.0, 8.0, 3.0),
        (1800, 0.0, 50.0, 8.0, 3.0),
        (3600, 100.0, -60.0, 10.0, 3.0),
        (3600, 30.0, 30.0, 30.0, 8.0),
    ],
)
def test_times_come_out_right_at_the_beginning_and_the_end(
    seconds: int, sample_ppm: float, clock_ppm: float, jitter_ms: float, allowed_ms: float
) -> None:
    made = reports(
        seconds, sample_ppm=sample_ppm, clock_ppm=clock_ppm, late_ms=jitter(1, jitter_ms) if jitter_ms else lambda i: 0
    )
    for at_ms in (0.0, seconds * 500.0, seconds * 1000.0):
        assert abs(session_error_ms(SCALE, made, at_ms=at_ms, sample_ppm=sample_ppm)) <= allowed_ms


def test_the_rate_of_a_sound_card_is_found() -> None:
    found = fit(SCALE, reports(600, sample_ppm=100.0, late_ms=jitter(2, 5.0)))
    assert found.rate_ppm == pytest.approx(-100, abs=2)
    assert found.sender_reports == 600


def test_without_reports_the_arrival_stands() -> None:
    assert fit(SCALE, []) == fit(SCALE, ()) and fit(SCALE, []).sender_reports == 0
    assert (fit(SCALE, []).offset_ms, fit(SCALE, []).rate_ppm) == (0, 0)


def test_lies_and_late_reports_are_left_out() -> None:
    """A fifth of the reports is nonsense: zero clocks, other times, seconds of delay."""
    made = reports(300, sample_ppm=40.0, late_ms=jitter(3, 4.0))
    for index in range(0, 300, 15):
        made[index] = made[index]._replace(ntp_ms=0.0)
        made[index + 1] = made[index + 1]._replace(ntp_ms=made[index + 1].ntp_ms + 7_000)
        made[index + 2] = made[index + 2]._replace(arrival_ms=made[index + 2].arrival_ms + 9_000)
    assert abs(session_error_ms(SCALE, made, at_ms=300_000.0, sample_ppm=40.0)) < 6
    assert fit(SCALE, made).sender_reports == 260


def test_a_publishers_clock_that_was_set_is_not_used() -> None:
    """NTP steps by an hour in the middle; RTP and arrival still tell the time."""
    made = reports(200, late_ms=jitter(4, 3.0))
    made[100:] = [report._replace(ntp_ms=report.ntp_ms + 3_600_000) for report in made[100:]]
    assert abs(session_error_ms(SCALE, made, at_ms=200_000.0)) < 6


def test_both_tracks_of_a_peer_share_one_clock() -> None:
    """Their reports are delayed differently; sound and picture of one moment still fall together."""
    audio, video = SCALE, EpochScale(900, 1 << 32, 90_000)
    heard = reports(120, late_ms=jitter(5, 30.0))
    seen = reports(120, rate=90_000, late_ms=lambda index: 40.0 + jitter(6, 60.0)(index))
    together = [*heard, *seen]
    sound, sight = fit(audio, heard, together), fit(video, seen, together)
    at = [
        scale.exact_ms((1 << 32) + 60 * scale.clock_rate) + found.offset_ms + found.rate_ppm * 1e-6 * 60_000
        for scale, found in ((audio, sound), (video, sight))
    ]
    assert abs(at[0] - at[1]) < 0.5


@pytest.mark.parametrize(
    ("span_ms", "ppm", "expected_ppm"),
    [(RATE_SPAN_MS - 1000, 500.0, 0.0), (RATE_SPAN_MS, 500.0, -500.0), (DELAY_SPAN_MS, MAX_RATE_PPM * 3, 0.0)],
)
def test_a_rate_needs_time_and_is_believed_within_bounds(span_ms: float, ppm: float, expected_ppm: float) -> None:
    made = reports(int(span_ms / 1000) + 1, sample_ppm=ppm)
    assert fit(SCALE, made).rate_ppm == pytest.approx(expected_ppm, abs=1)


@given(st.integers(0, 0xFFFFFFFF), st.integers(1, 40))
def test_wrap_around_does_not_show(first: int, minutes: int) -> None:
    """RTP times wrap after 13 hours of video; unwrapped one after the other they are a straight line."""
    rtp_time, made = first + (1 << 32), []
    for index in range(minutes * 60):
        stamp = first + index * 90_000 & 0xFFFFFFFF
        rtp_time = unwrap32(stamp, rtp_time)
        made.append(Report(NTP_MS + index * 1000, rtp_time, index * 1000.0))
    found = fit(EpochScale(0, first + (1 << 32), 90_000), made)
    assert abs(found.offset_ms) < 0.01 and abs(found.rate_ppm) < 0.1


@given(st.lists(st.tuples(st.floats(-1e13, 1e13), st.integers(0, 1 << 33), st.floats(-1e9, 1e9)), max_size=40))
def test_no_reports_make_the_fit_raise(rows: list[tuple[float, int, float]]) -> None:
    found = fit(SCALE, [Report(*row) for row in rows])
    assert abs(found.rate_ppm) <= 2.1 * MAX_RATE_PPM


@pytest.mark.parametrize(
    ("rtp_time", "pts_ms"), [(0, 250), (48_000, 1250), (-12_000, 0), (-48_000, 0), (24, 250), (47, 251)]
)
def test_file_times_are_rounded_and_never_negative(rtp_time: int, pts_ms: int) -> None:
    assert SCALE.pts_ms((1 << 32) + rtp_time) == pts_ms
