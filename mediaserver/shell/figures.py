# SPDX-License-Identifier: Apache-2.0
"""Figures for Prometheus: the process, its rooms, their peers, and every stream in and out.

Whatever a stream counts (`Room.stats`) becomes a gauge of that name by itself, so that a new counter is never forgotten
here. Names of people are in no label.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import psutil
from prometheus_client.core import GaugeMetricFamily

from mediaserver.signalling.session import Presence

PREFIX: Final = "videohome_media_"
_NO_FIGURES: Final = frozenset({"ssrc", "rtx_ssrc"})
"""Numbers that count nothing."""
Labels = dict[str, str]


class Figures:
    """One collection. `worker` tells the processes of one machine apart."""

    def __init__(self, worker: int) -> None:
        self._worker = str(worker)
        self._samples: dict[str, list[tuple[Labels, float]]] = defaultdict(list)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge with all its samples."""
        for name, samples in self._samples.items():
            names = ["worker", *samples[0][0]]
            family = GaugeMetricFamily(PREFIX + name, name.replace("_", " "), labels=names)
            for labels, value in samples:
                family.add_metric([self._worker, *labels.values()], value)
            yield family

    def put(self, name: str, value: float, **labels: str) -> None:
        """One sample."""
        self._samples[name].append((labels, value))

    def process(self, started_s: float) -> None:
        """Processor time, memory, open files and age of this process."""
        own = psutil.Process()
        with own.oneshot():
            times = own.cpu_times()
            self.put("process_cpu_seconds", times.user + times.system)
            self.put("process_resident_bytes", own.memory_info().rss)
            self.put("process_open_files", own.num_fds())
        self.put("process_age_seconds", time.monotonic() - started_s)

    def plain(self, figures: Mapping[str, float]) -> None:
        """Counters of the whole process."""
        for name, value in figures.items():
            self.put(name, value)

    def room(self, described: Mapping[str, Any], stats: Mapping[str, Any]) -> None:
        """One room, as `LiveRoom.describe` and `LiveRoom.stats` have it."""
        room = str(described["room"])
        moderation = described["moderation"]
        self.put("room_peers", len(described["peers"]), room=room)
        self.put("room_recorded", described["recording"]["state"] == "on", room=room)
        self.put("room_locked", moderation["locked"], room=room)
        self.put("room_knocking", moderation["knocking_count"], room=room)
        self.put("room_hands", len(moderation["hands"]), room=room)
        for peer in described["peers"]:
            connected = peer["state"] == Presence.CONNECTED.value
            name = str(peer["peer_id"])
            self.put("peer_connected", connected, room=room, peer=name)
            self.put("peer_over_rate", stats["over_rate"].get(name, 0), room=room, peer=name)
        for producer in stats["producers"]:
            stream = {"room": room, "producer": str(producer["producer_id"])}
            self._stream("uplink", producer, stream)
            for consumer in producer.get("consumers", ()):
                self._stream("downlink", consumer, stream | {"peer": str(consumer["peer_id"])})

    def _stream(self, direction: str, counted: Mapping[str, Any], labels: Labels) -> None:
        for name, value in _numbers(counted):
            self.put(f"{direction}_{name}", value, **labels)


def _numbers(counted: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """What is a figure; texts, lists and what is not known yet are none."""
    for name, value in counted.items():
        if isinstance(value, int | float) and name not in _NO_FIGURES:
            yield name, float(value)
