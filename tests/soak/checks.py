# SPDX-License-Identifier: Apache-2.0
"""What must hold in a meeting at any moment, and what must be left of it: nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from mediaserver.sfu.room import Room
from tests.soak.crowd import Crowd, never_left
from tests.soak.peer import Consumer, Peer

FRAMES_WITHIN_S = 4.0
"""A receiver that wants a picture which is being sent has a new frame of it within this time: the watchdog looks for
another layer after two seconds, and a key frame is asked for twice a second."""
SOUND_WITHIN_S = 2.0
_CONTAINERS = (dict, list, set, tuple, deque)


def faults(crowd: Crowd) -> list[str]:
    """Everything that does not hold now."""
    return [*orphans(crowd), *_counters(crowd), *_stuck(crowd), *_strays(crowd)]


def orphans(crowd: Crowd) -> Iterator[str]:
    """Producers, consumers, transports or look-ups of somebody who has gone."""
    room = crowd.room
    here = set(crowd.peers)
    if set(room._peers) != here:
        yield f"peers of the room {sorted(set(room._peers) ^ here)}"
    for port in room._ports.values():
        if port.peer_id not in here or room._peers[port.peer_id].ports.get(port.transport_id) is not port:
            yield f"transport {port.transport_id} of nobody"
        for downlink in port.downlinks.values():
            producer = room._producers.get(downlink.producer_id)
            if producer is None or downlink not in producer.downlinks:
                yield f"consumer {downlink.consumer_id} of no producer"
        for producer, uplink, _ in port.by_ssrc.values():
            if room._producers.get(producer.producer_id) is not producer or uplink not in producer.uplinks:
                yield f"an SSRC of the ended {producer.producer_id} at {port.transport_id}"
    yield from _of_producers(room)
    yield from _told_wrong(crowd)


def _of_producers(room: Room) -> Iterator[str]:
    for producer in room._producers.values():
        if room._ports.get(f"{producer.peer_id}-send") is None:
            yield f"producer {producer.producer_id} of no transport"
        yield from _receivers_of(room, producer)
    for name in room._bandwidth.receivers:
        if name not in room._ports:
            yield f"a link of the ended transport {name}"


def _told_wrong(crowd: Crowd) -> Iterator[str]:
    room = crowd.room
    for peer in crowd.peers.values():
        known, made = set(peer.page.consumers), {found["id"] for found in room.consumers(peer.peer_id)}
        if known != made:
            yield f"the page of {peer.peer_id} and the room differ in {sorted(known ^ made)}"
    if not crowd.recording and crowd.tracks:
        yield f"tracks are open that nobody records: {sorted(crowd.tracks)}"
    if crowd.tracks - set(room._producers):
        yield f"tracks of ended producers: {sorted(crowd.tracks - set(room._producers))}"


def _receivers_of(room: Room, producer: Any) -> Iterator[str]:
    fed = [downlink for uplink in producer.uplinks for downlink in uplink.downlinks]
    for name, group in (("downlinks", producer.downlinks), ("pending", producer.pending), ("fed", fed)):
        if len({id(downlink) for downlink in group}) != len(group):
            yield f"{producer.producer_id} has somebody twice in {name}"
        for downlink in group:
            if room._ports.get(downlink.transport_id) is not downlink.port:
                yield f"{downlink.consumer_id} of {producer.producer_id} in {name} belongs to nobody"


def _counters(crowd: Crowd) -> Iterator[str]:
    """What came is what was counted under some name; what was forwarded went out or was dropped for a named reason."""
    for port in crowd.room._ports.values():
        name = port.transport_id
        if port.direction == "send":
            dropped = sum(count for reason, count in port.dropped.items() if "rtcp" not in reason)
            streams = sum(uplink.received for producer in port.producers.values() for uplink in producer.uplinks)
            if crowd.received[name] != dropped + streams + crowd.ended[name]:
                yield f"{name}: {crowd.received[name]} came, {dropped} dropped, {streams}+{crowd.ended[name]} counted"
            continue
        forwarded = sum(d.packets + d.repair.repeated for d in port.downlinks.values()) + crowd.ended[name]
        receiver = crowd.room._bandwidth.receivers.get(name)
        if crowd.sent[name] != forwarded - (0 if receiver is None else never_left(receiver)):
            yield f"{name}: {forwarded} forwarded, {crowd.sent[name]} sent"


def _stuck(crowd: Crowd) -> Iterator[str]:
    for peer in crowd.peers.values():
        if not (peer.online and peer.connected):
            continue
        for found in peer.page.consumers.values():
            since = _due_since(crowd, peer, found)
            within = FRAMES_WITHIN_S if found.kind == "video" else SOUND_WITHIN_S
            if since is not None and crowd.now - max(since, found.last_at) > within:
                yield (
                    f"{peer.peer_id} has nothing of {found.producer_id} since {found.last_at:.1f}, "
                    f"due since {since:.1f}: {found}"
                )


def _due_since(crowd: Crowd, peer: Peer, found: Consumer) -> float | None:
    """Since when nothing stands in the way of this stream; None while something does."""
    source = crowd.peers[found.peer_id]
    page, camera = peer.page, source.camera
    if found.paused or source.silenced or not (source.online and source.connected):
        return None
    if found.kind == "audio":
        if found.producer_id != source.mic_id or source.mic_muted or not camera.talking:
            return None
    elif found.producer_id != source.cam_id or source.cam_muted or not found.shown or page.audio_only or page.capped:
        return None
    return max(peer.ready_since, source.ready_since, found.due_since)


def _strays(crowd: Crowd) -> Iterator[str]:
    for peer in crowd.peers.values():
        if peer.page.strays:
            yield f"{peer.peer_id} got {peer.page.strays} packets of streams that nobody told it of"


def sizes(room: Room) -> dict[str, int]:
    """The longest container under each name of a class, by walking everything that a room holds. A deque that was made
    with a bound cannot grow past it: how full it is says how the links are, and is left out."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("Room", room)]
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _CONTAINERS):
            if not isinstance(value, deque) or value.maxlen is None:
                found[name] = max(found.get(name, 0), len(value))
            items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else list(value)
            waiting += [(name, item) for item in items if _is_ours(item) or isinstance(item, _CONTAINERS)]
        elif _is_ours(value):
            kind = type(value).__name__
            waiting += [(f"{kind}.{attribute}", item) for attribute, item in _fields(value)]
    return found


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("mediaserver.") and type(value).__name__ != "Stored"


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    for name in [*getattr(value, "__dict__", {}), *slots]:
        item = getattr(value, name, None)
        if _is_ours(item) or isinstance(item, _CONTAINERS):
            yield name, item
