# SPDX-License-Identifier: Apache-2.0
"""Finding out whether a link carries more than we send: a short burst at a higher rate, and how it arrives.

A cluster is everything that leaves while it runs, media and padding alike. Padding goes out only while a layer that
somebody wants does not fit into the estimate: a receiver that has all it wants costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CLUSTER_S = 0.04
CLUSTER_PACKETS = 10
"""Padding leaves in about so many pieces, so that a few losses do not spoil the cluster."""
CLUSTER_BYTES, CLUSTER_MOST_S = 6_000, 0.4
"""A cluster lasts until so much has left, but no longer than this: on a narrow link CLUSTER_S holds one packet or two,
which tell nothing, and an estimate that has fallen far would never rise again."""
RESULT_WITHIN_S = 1.5
LEAST_RECEIVED = 0.5
"""Part of the cluster that must have arrived for a result."""
SATURATED = 0.9
"""Arriving more slowly than this part of how it was sent, the burst filled the link."""
USE_OF_SATURATED = 0.95
AGAIN_S, PAUSE_MIN_S, PAUSE_MAX_S = 0.3, 0.5, 3.0
PAUSE_GROWTH = 2.0
HOLD_S = 2.0
REACHED = 0.8
"""A result below this part of the target shows the link's end: the next try waits."""
LOW_RESULTS = 2
"""So many results in a row below the estimate show that it is too high; one may be somebody else's burst."""
ECHO_S = 0.5
"""So long after a cluster (and a round trip) the delay still shows it."""
STEP = 2.0
"""A probe tries at most this multiple of the estimate,"""
MARGIN = 1.2
"""and no more than this multiple of what is wanted."""


@dataclass(slots=True)
class Cluster:
    """One burst under way."""

    number: int
    target_bps: float
    began: float
    lasts_s: float = CLUSTER_S
    sent_bytes: int = 0
    sent_packets: int = 0
    first_bytes: int = 0
    last_sent: float = 0.0
    done: bool = False
    last_number: int = 0
    """Transport-wide number of its last packet; feedback at or past it closes the cluster."""
    received: int = 0
    received_bytes: int = 0
    first_received_bytes: int = 0
    first_arrival: float | None = None
    last_arrival: float = 0.0


class Prober:
    """At most one cluster at a time."""

    def __init__(self, now: float) -> None:
        self.cluster: Cluster | None = None
        self.probes = self.succeeded = 0
        self._numbers = 0
        self._low = 0
        self._ended_at: float | None = None
        self.next_at = now
        """No cluster begins before."""
        self._pause = PAUSE_MIN_S

    @property
    def sending(self) -> int:
        """Number of the cluster that packets leaving now belong to; 0 when none runs."""
        return 0 if self.cluster is None or self.cluster.done else self.cluster.number

    def consider(self, estimate_bps: float, wanted_bps: float, now: float) -> None:
        """Begin a cluster when one is due and something wanted does not fit."""
        if self.cluster is not None and now > self.cluster.began + self.cluster.lasts_s + RESULT_WITHIN_S:
            self._failed(now)
        if self.cluster is not None or now < self.next_at or wanted_bps <= estimate_bps:
            return
        target = min(STEP * estimate_bps, max(MARGIN * wanted_bps, 1.1 * estimate_bps))
        self._numbers += 1
        self.probes += 1
        self.cluster = Cluster(
            self._numbers, target, now, min(CLUSTER_MOST_S, max(CLUSTER_S, CLUSTER_BYTES * 8 / target))
        )

    def padding_due(self, now: float) -> int:
        """Bytes to send at `now` beside the media, so that the running cluster keeps its rate."""
        cluster = self.cluster
        if cluster is None or cluster.done:
            return 0
        passed = max(0.0, now - cluster.began) + cluster.lasts_s / CLUSTER_PACKETS
        budget = cluster.target_bps / 8 * min(cluster.lasts_s, passed)
        return max(0, int(budget - cluster.sent_bytes))

    def sent(self, size: int, number: int, now: float) -> None:
        """A packet of the running cluster left."""
        cluster = self.cluster
        assert cluster is not None, "called only while `sending` names a cluster"
        if not cluster.sent_packets:
            cluster.first_bytes = size
        cluster.sent_bytes += size
        cluster.sent_packets += 1
        cluster.last_sent, cluster.last_number = now, number

    def tick(self, now: float) -> None:
        """Ends the burst when its time is over."""
        cluster = self.cluster
        if cluster is not None and not cluster.done and now >= cluster.began + cluster.lasts_s and cluster.sent_packets:
            cluster.done = True
            self._ended_at = now

    def echoes(self, rtt_s: float, now: float) -> bool:
        """What the delay shows now may be a cluster of ours."""
        return self.sending > 0 or (self._ended_at is not None and now - self._ended_at < ECHO_S + rtt_s)

    def arrived(self, arrival: float, size: int) -> None:
        """A packet of the cluster came at `arrival` (receiver's clock)."""
        cluster = self.cluster
        if cluster is None:
            return
        if cluster.first_arrival is None:
            cluster.first_arrival, cluster.first_received_bytes = arrival, size
        cluster.received += 1
        cluster.received_bytes += size
        cluster.last_arrival = max(cluster.last_arrival, arrival)

    def result(self, newest_number: int, estimate_bps: float, loss: float, now: float) -> float | None:
        """Bits per second that the link carried, once feedback has told of the whole cluster and it is to be believed;
        `loss` is what the link loses at any rate."""
        cluster = self.cluster
        if cluster is None or not cluster.done or newest_number < cluster.last_number:
            return None
        measured = _measure(cluster, loss)
        if measured is None or measured < 1.05 * estimate_bps:
            self._failed(now)
            self._low = self._low + 1 if measured is not None and measured < estimate_bps else 0
            return measured if self._low >= LOW_RESULTS else None
        self._low = 0
        self.succeeded += 1
        if measured < REACHED * cluster.target_bps:
            self._failed(now)  # as far as the link goes
        else:
            self.cluster = None
            self._pause = PAUSE_MIN_S
            self.next_at = now + AGAIN_S
        return measured

    def _failed(self, now: float) -> None:
        self.cluster = None
        self.next_at = max(self.next_at, now + self._pause)
        self._pause = min(PAUSE_MAX_S, self._pause * PAUSE_GROWTH)

    def hold(self, now: float) -> None:
        """The link shows a queue: what a probe would tell now is the queue."""
        self.next_at = max(self.next_at, now + HOLD_S)

    def hurry(self, now: float) -> None:
        """The link has changed for the better: try at once."""
        self.next_at, self._pause = now, PAUSE_MIN_S


def _measure(cluster: Cluster, loss: float) -> float | None:
    if cluster.received < max(4, LEAST_RECEIVED * cluster.sent_packets) or cluster.first_arrival is None:
        return None
    span_sent = cluster.last_sent - cluster.began
    span_arrived = cluster.last_arrival - cluster.first_arrival
    if span_sent <= 0:
        return None
    sent_bps = (cluster.sent_bytes - cluster.first_bytes) * 8 / span_sent
    share = cluster.received_bytes / cluster.sent_bytes
    if span_arrived <= 0:
        return sent_bps
    arrived_bps = (cluster.received_bytes - cluster.first_received_bytes) * 8 / span_arrived
    usual = max(loss, 0.05)
    overflowed = 1 - share > usual + 0.05 + 2 * math.sqrt(usual * (1 - usual) / cluster.sent_packets)
    if overflowed or arrived_bps < SATURATED * share * sent_bps:
        return USE_OF_SATURATED * arrived_bps
    return sent_bps
