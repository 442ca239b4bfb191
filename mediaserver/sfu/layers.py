# SPDX-License-Identifier: Apache-2.0
"""Which layer of a producer each receiver is fed from: chosen among those that live, begun at a key frame, watched.

A receiver never stays dark while any layer of what it may see lives.
"""

from __future__ import annotations

from mediaserver.sfu.downlink import ALL_LAYERS, Downlink
from mediaserver.sfu.events import ConsumerLayers, Reason
from mediaserver.sfu.fanout import forward
from mediaserver.sfu.outbox import Outbox
from mediaserver.sfu.ports import Producer
from mediaserver.sfu.span import Span
from mediaserver.sfu.stored import Stored
from mediaserver.sfu.switching import begin_span
from mediaserver.sfu.uplink import Uplink

HOLD_S = 0.3
"""A newcomer takes a layer other than the wanted one only after this time."""
PATIENCE_S = 1.5
"""So long a change of layer waits for Sender Reports of both; publishers send one each second."""
UPGRADE_AFTER_S = 1.0
"""A higher layer that came (back) is taken once it lived this long."""
REPLAY_PACKETS = 400
REPLAY_AGE_S = 2.0
"""A newcomer gets the last key frame and what followed out of the ring when that is no more and no older."""
STALL_S = 2.0
AVOID_S = 10.0
"""A layer that gave no frame for `STALL_S` is not tried again for this time."""
LOOK_S = 0.5
"""So seldom a receiver is looked at that gets what it wants, of a producer of which there is no news."""


class Layers:
    """Feeds downlinks from uplinks."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def attach(self, producer: Producer, downlink: Downlink, now: float) -> None:
        """The receiver can be sent to."""
        downlink.waiting, producer.needed = False, None
        downlink.since, downlink.stalls = now, 0
        self._aim(producer, downlink, now)

    def detach(self, producer: Producer, downlink: Downlink) -> None:
        """The receiver cannot be sent to, or has gone."""
        downlink.waiting, producer.needed = True, None
        self._stop(producer, downlink)

    def set_target(
        self,
        producer: Producer,
        downlink: Downlink,
        target: tuple[int, int] | None,
        reason: Reason | None,
        now: float,
    ) -> None:
        """Let a receiver have at most this (spatial, temporal) layer, or nothing. Less is obeyed at once in time and
        at the next key frame in space; more at the next frame where that can begin."""
        before, downlink.target, downlink.reason = downlink.target, target, reason
        producer.needed = None
        if target is None:
            self._stop(producer, downlink)
        else:
            if before is None:
                downlink.since, downlink.stalls = now, 0
            uplink = downlink.uplink
            downlink.temporal = min(downlink.temporal, target[1])
            if uplink is not None and uplink.codec.layered:
                self._limit_spatial(downlink, uplink, target[0], now)
            self._aim(producer, downlink, now)
            if downlink.want is not None and uplink is not None and downlink.want.layer < uplink.layer:
                downlink.temporal = 0  # the least of the layer that is too much, until the lower one begins
        self._tell(producer, downlink, now)

    def _limit_spatial(self, downlink: Downlink, uplink: Uplink, spatial: int, now: float) -> None:
        if spatial < downlink.spatial:
            downlink.spatial = spatial
        elif spatial > downlink.spatial:
            uplink.want_keyframe(now, urgent=True)

    def _stop(self, producer: Producer, downlink: Downlink) -> None:
        self._feed_from(downlink, None)
        downlink.want = None
        _no_longer_pending(producer, downlink)

    def _feed_from(self, downlink: Downlink, uplink: Uplink | None) -> None:
        if (old := downlink.uplink) is not None:
            old.downlinks = tuple(other for other in old.downlinks if other is not downlink)
        downlink.uplink = uplink
        if uplink is not None:
            uplink.downlinks = (*uplink.downlinks, downlink)

    def _aim(self, producer: Producer, downlink: Downlink, now: float) -> None:
        """Look again for the layer that the receiver should have, and set out for it."""
        if downlink.waiting or downlink.target is None:
            return
        wanted = _choose(producer, downlink, _live(producer, now), now)
        if wanted is downlink.uplink:
            downlink.want = None
            _no_longer_pending(producer, downlink)
            return
        if downlink.want is not wanted:
            downlink.want, downlink.refused = wanted, 0
            downlink.want_since = now
        if downlink not in producer.pending:
            producer.pending = (*producer.pending, downlink)
        if producer.kind == "video":
            if not downlink.spans and self._replay(producer, downlink, wanted, now):
                return
            wanted.want_keyframe(now, urgent=True)

    def _replay(self, producer: Producer, downlink: Downlink, wanted: Uplink, now: float) -> bool:
        """Give a newcomer the last key frame out of the ring. True when that was of the wanted layer."""
        for uplink in reversed(producer.uplinks[: wanted.layer + 1]):
            packets = _since_keyframe(uplink, now)
            if not packets:
                continue
            span = Span(uplink, packets[0].extended, 0, 0)
            span.replayed = packets[-1].timestamp
            self._start(downlink, uplink, span, packets[0])
            for stored in packets:
                current = downlink.span
                current.timestamp = span.timestamp_of(stored.timestamp) - stored.timestamp
                forward(self._outbox.packets, (downlink,), stored)
                current.timestamp = downlink.span.timestamp = 0
            self._arrived(producer, downlink, now)
            return uplink is wanted
        return False

    def _start(self, downlink: Downlink, uplink: Uplink, span: Span, stored: Stored) -> None:
        """From `stored` on the receiver is fed by this uplink; nothing is sent yet."""
        if not downlink.spans:
            span.offset = downlink.first_sequence - span.first
        downlink.begin(span)
        downlink.highest = stored.extended - 1
        self._feed_from(downlink, uplink)
        assert downlink.target is not None, "a stopped receiver is not begun"
        downlink.temporal = downlink.target[1]
        downlink.spatial = downlink.target[0] if uplink.codec.layered else ALL_LAYERS

    def _arrived(self, producer: Producer, downlink: Downlink, now: float) -> None:
        if downlink.uplink is downlink.want:
            downlink.want = None
            _no_longer_pending(producer, downlink)
        elif downlink.want is not None and downlink.want.layer < downlink.uplink.layer:  # type: ignore[union-attr]
            downlink.temporal = 0
        self._tell(producer, downlink, now)

    def before_keyframe(self, producer: Producer, uplink: Uplink, stored: Stored) -> None:
        """A key frame begins: whoever may have more layers than it gets has them from here on, and a layer that was
        left as dead is worth another try."""
        producer.look_at = 0.0
        for downlink in producer.downlinks:
            if downlink.avoid <= uplink.layer:
                downlink.avoid_until = 0.0
        for downlink in uplink.downlinks:
            if downlink.target is not None and downlink.want is None and stored.extended > downlink.highest:
                downlink.temporal = downlink.target[1]
                if uplink.codec.layered:
                    downlink.spatial = downlink.target[0]

    def begin(self, producer: Producer, uplink: Uplink, stored: Stored, now: float) -> None:
        """`stored` begins a key frame (or is sound): those who wait for one like it start or change over with it."""
        for downlink in producer.pending:
            if not self._suits(producer, downlink, uplink, now):
                continue
            current = downlink.uplink
            goes_on = current is not None and current.live(now) and not producer.left_away(current)
            patient = goes_on and now - downlink.want_since < PATIENCE_S
            span = begin_span(downlink, uplink, stored, now, patient=patient)
            if span is None:
                continue
            self._start(downlink, uplink, span, stored)
            assert uplink.highest is not None, "a packet came"
            for number in range(stored.extended, uplink.highest + 1):
                if (following := uplink.stored(number)) is not None:
                    forward(self._outbox.packets, (downlink,), following)
            self._arrived(producer, downlink, now)
        if producer.kind == "video" and not any(d.want is uplink for d in producer.pending):
            uplink.keyframe_came()

    def _suits(self, producer: Producer, downlink: Downlink, uplink: Uplink, now: float) -> bool:
        want, current = downlink.want, downlink.uplink
        if want is uplink or want is None:
            return want is uplink
        if current is None:
            return uplink.layer < want.layer and now - downlink.since >= HOLD_S
        return min(current.layer, want.layer) < uplink.layer < max(current.layer, want.layer)

    def restart(self, producer: Producer, uplink: Uplink, now: float) -> None:
        """The uplink's packets do not follow those before: its receivers go on from its next key frame (or sound)
        without a gap in their numbers."""
        for downlink in uplink.downlinks:
            self._feed_from(downlink, None)
            downlink.want, downlink.since, downlink.want_since = uplink, now, now
            if downlink not in producer.pending:  # it may have waited for another layer
                producer.pending = (*producer.pending, downlink)
        uplink.want_keyframe(now, urgent=True)

    def review(self, producer: Producer, now: float) -> None:
        """What time brings: layers that died or came, stalls. To be called about ten times a second."""
        if producer.kind != "video" or producer.silenced:
            return
        state = (producer.paused, *((u.layer, u.activity.top_temporal, _lasts(u, now)) for u in _live(producer, now)))
        settled = state == producer.reviewed and now < producer.look_at
        if not settled:
            producer.reviewed, producer.look_at = state, now + LOOK_S
        for downlink in producer.downlinks:
            last = downlink.last
            if downlink.waiting or downlink.target is None:
                continue
            content = downlink.want is None and not downlink.stalls and not downlink.avoid_until
            if settled and content and last is not None and now - last.arrival < STALL_S:
                continue  # nothing but news of its producer, or silence, brings a change
            if producer.paused:
                downlink.since = now
            elif now - max(downlink.since, last.arrival if last else 0.0) >= STALL_S:
                self._stalled(downlink, now)
            elif last is not None and last.arrival > downlink.since:
                downlink.stalls = 0
            self._aim(producer, downlink, now)
            self._tell(producer, downlink, now)

    def _stalled(self, downlink: Downlink, now: float) -> None:
        downlink.stalls += 1
        downlink.since = now
        uplink = downlink.want or downlink.uplink
        if uplink is None:
            return
        if downlink.stalls & downlink.stalls - 1 == 0:  # the 1st, 2nd, 4th, 8th time
            uplink.want_keyframe(now, urgent=True)
        if uplink.layer:
            downlink.avoid, downlink.avoid_until = uplink.layer, now + AVOID_S

    def _tell(self, producer: Producer, downlink: Downlink, now: float) -> None:
        if producer.kind != "video":
            return
        state = _state(producer, downlink, now)
        if state is not None and state != downlink.told:
            downlink.told = state
            self._outbox.events.append(ConsumerLayers(downlink.peer_id, downlink.consumer_id, *state))


def _lasts(uplink: Uplink, now: float) -> bool:
    """It has come for so long that it may be changed to."""
    return uplink.activity.live_for(now) >= UPGRADE_AFTER_S


def _live(producer: Producer, now: float) -> list[Uplink]:
    """The layers that come, from the lowest; of those of a publisher whose link has narrowed the least alone."""
    uplinks = producer.uplinks
    if len(uplinks) == 1:
        return list(uplinks)
    live = [u for u in uplinks if u.live(now) and not producer.left_away(u)]
    if producer.upper_rest or any(u.layer and u.swamped for u in live):
        return live[:1]  # of what comes the least comes soonest
    return live


def _choose(producer: Producer, downlink: Downlink, live: list[Uplink], now: float) -> Uplink:
    """The layer that a receiver should have."""
    uplinks = producer.uplinks
    if len(uplinks) == 1:
        return uplinks[0]
    assert downlink.target is not None, "a stopped receiver is not aimed"
    limit = downlink.target[0]
    if now < downlink.avoid_until:
        limit = min(limit, downlink.avoid - 1)
    current = downlink.uplink
    allowed = [uplink for uplink in live if uplink.layer <= max(0, limit)]
    if current is not None and current in allowed:
        allowed = [u for u in allowed if u.layer <= current.layer or _lasts(u, now)]
    if allowed:
        return allowed[-1]
    return live[0] if live else current or uplinks[0]


def _state(producer: Producer, downlink: Downlink, now: float) -> tuple[int | None, int | None, Reason | None] | None:
    """(spatial, temporal, reason) as the page should know it; None while there is nothing to tell."""
    if downlink.target is None:
        return None, None, downlink.reason
    if downlink.stalls > 1:
        return None, None, "stalled"
    current = downlink.current
    if current is None:
        return None
    top = len(producer.uplinks) - 1
    if current[0] < min(top, downlink.target[0]):
        return *current, "stalled" if now < downlink.avoid_until else "publisher"
    return *current, downlink.reason


def _since_keyframe(uplink: Uplink, now: float) -> list[Stored]:
    """The last key frame and what followed; empty when it is too old, too much, or not whole at its start."""
    first, highest = uplink.key_at, uplink.highest
    if first is None or highest is None or now - uplink.key_time > REPLAY_AGE_S or highest - first >= REPLAY_PACKETS:
        return []
    if uplink.stored(first) is None:
        return []
    return [found for number in range(first, highest + 1) if (found := uplink.stored(number)) is not None]


def _no_longer_pending(producer: Producer, downlink: Downlink) -> None:
    if downlink in producer.pending:
        producer.pending = tuple(other for other in producer.pending if other is not downlink)
