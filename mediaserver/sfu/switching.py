# SPDX-License-Identifier: Apache-2.0
"""From one layer to another, or back after a pause, so that a receiver sees one unbroken stream.

Layers have unrelated RTP times; the publisher's Sender Reports tie each of them to its one clock, and so to each other.
"""

from __future__ import annotations

from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.span import Span
from mediaserver.sfu.stored import Stored
from mediaserver.sfu.uplink import Uplink

MAX_BEHIND_S = 0.05
"""A picture that is older than the last one sent by more is refused once: the next key frame will fit better."""
MAX_ASTRAY_S = 2.0
"""When reports and arrival differ by more, arrival is right: a clock was set, or reports lie."""
SPACING_S = 0.001
"""Least distance from the last picture sent."""


def begin_span(downlink: Downlink, uplink: Uplink, stored: Stored, now: float, *, patient: bool) -> Span | None:
    """The stretch that begins with `stored`, first packet of a key frame (or any packet of sound).

    None: not now, a later key frame may fit. `patient`: rather wait for the layer's first report than guess.
    """
    extended, last, newest = stored.extended, downlink.last, downlink.newest
    if last is None or newest is None:
        return Span(uplink, extended, downlink.next_sequence() - extended, 0)
    before = downlink.span
    timestamp = _timestamp(downlink, newest, uplink, stored, now, patient=patient)
    if timestamp is None:
        return None
    # A number is left free where the last frame was not sent to its end, so that the decoder learns of it.
    unfinished = uplink.codec.kind == "video" and not last.frame_end
    span = Span(uplink, extended, downlink.next_sequence() + (1 if unfinished else 0) - extended, timestamp)
    if uplink is before.uplink and uplink.codec.layered:
        span.picture, span.tl0, span.frame = before.picture, before.tl0, before.frame
    else:
        _pictures(span, stored, newest, before)
    span.shifted = bool(span.picture or span.tl0 or span.key_index or span.frame)
    return span


def _pictures(span: Span, stored: Stored, last: Stored, before: Span) -> None:
    if last.picture_at:
        span.picture = last.picture + before.picture + 1 - stored.picture
    if last.tl0_at:
        span.tl0 = last.tl0 + before.tl0 + 1 - stored.tl0
    if last.key_index_at:
        span.key_index = last.key_index + before.key_index + 1 - stored.key_index
    if last.frame_at:
        span.frame = last.frame_number + before.frame + 1 - stored.frame_number


def _timestamp(
    downlink: Downlink, last: Stored, uplink: Uplink, stored: Stored, now: float, *, patient: bool
) -> int | None:
    before = downlink.span
    clock = uplink.codec.clock_rate
    last_out = last.timestamp + before.timestamp
    expected = last_out + int((now - last.arrival) * clock)
    reference = _reference(before, uplink, stored, clock)
    if reference is None:
        if patient:
            return None
        reference = expected
    if abs(_signed(reference - expected)) > MAX_ASTRAY_S * clock:
        reference = expected
    ahead = _signed(reference - last_out)
    least = max(1, int(SPACING_S * clock))
    if ahead < least:
        if -ahead > MAX_BEHIND_S * clock and not downlink.refused:
            downlink.refused += 1
            return None
        reference = last_out + least
    downlink.refused = 0
    return reference - stored.timestamp & 0xFFFFFFFF


def _reference(before: Span, uplink: Uplink, stored: Stored, clock: int) -> int | None:
    """When `stored` was taken, in the receiver's RTP time, by the publisher's own clock."""
    if uplink is before.uplink:
        return stored.timestamp + before.timestamp
    old, new = before.uplink.report, uplink.report
    if old is None or new is None:
        return None
    same_time = new.rtp_timestamp + (old.ntp - new.ntp) * clock // (1 << 32)
    return stored.timestamp - same_time + old.rtp_timestamp + before.timestamp


def _signed(value: int) -> int:
    return (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000
