# SPDX-License-Identifier: Apache-2.0
"""Two dozen peers in one room in virtual time: who comes, goes, loses its link, mutes, or looks elsewhere is up to a
seed."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

from mediaserver.sfu import events
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.bandwidth.view import Mode, Role, Tile, View
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.room import TICK_S, Room
from tests.sim.call import audio_parameters
from tests.sim.network import Link
from tests.sim.stage import simulcast_parameters
from tests.soak.peer import Camera, Consumer, Page, Peer

STEP_S = 0.04
FRAME_STEPS = 5
"""Five pictures a second: what is looked for here does not depend on their number."""
QUIET_STEPS = 5
TALKERS = 2
FEEDBACK_STEPS = 6
PEERS = 24
NAMES = 40
"""Peers of this many names come and go: some come back under their old name, as a page does that was reloaded."""
ACTIONS_PER_S = 1.2


class Crowd:
    """Runs the room. `run` lets time pass; `empty` sends everybody home."""

    def __init__(self, seed: int, *, peers: int = PEERS, first_s: float = 100.0) -> None:
        self.chance = random.Random(seed)
        ssrcs = itertools.count(900_001, 7919)
        self.room = Room("soak", new_ssrc=lambda: next(ssrcs) & 0xFFFFFFFF, wallclock_offset_s=1_700_000_000.0)
        self.now = first_s
        self.most = peers
        self.peers: dict[str, Peer] = {}
        self.recording = False
        self.tracks: set[str] = set()
        self.done: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        """Packets given to the room, by transport."""
        self.sent: Counter[str] = Counter()
        """Media packets that the room gave out, by transport."""
        self.ended: Counter[str] = Counter()
        """What streams that have ended had counted, by transport."""
        self.came = self.went = 0
        """Packets in and out in all."""
        self._step = 0
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (6, self._come), (4, self._go), (2, self._reload), (4, self._outage), (3, self._reconnect),
            (10, self._look), (3, self._mute), (1, self._mute_by_host), (2, self._camera_anew), (2, self._screen),
            (3, self._talk), (1, self._record),
        ]  # fmt: skip
        self._remember_the_ended()

    def _remember_the_ended(self) -> None:
        """Counters of what ends are added up, so that those of a transport can be held against each other."""
        end, detach, close = self.room._consumers.end, self.room._bandwidth.detach, self.room._end_producer

        def end_consumer(producer: Producer, downlink: Downlink) -> None:
            self.ended[downlink.transport_id] += downlink.packets + downlink.repair.repeated
            end(producer, downlink)

        def detach_port(port: Port) -> None:
            receiver = self.room._bandwidth.receivers.get(port.transport_id)
            if receiver is not None:
                self.ended[port.transport_id] -= never_left(receiver)
            detach(port)

        def end_producer(producer: Producer) -> None:
            for uplink in producer.uplinks:
                self.ended[f"{producer.peer_id}-send"] += uplink.received
            close(producer)

        self.room._consumers.end = end_consumer  # type: ignore[method-assign]
        self.room._bandwidth.detach = detach_port  # type: ignore[method-assign]
        self.room._end_producer = end_producer  # type: ignore[method-assign]

    # Time

    def run(self, seconds: float, *, act: bool = True) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP_S)):
            self._step += 1
            if act and self.chance.random() < ACTIONS_PER_S * STEP_S:
                weights, actions = zip(*self._actions, strict=True)
                action = self.chance.choices(actions, weights)[0]
                self.done[action.__name__.strip("_")] += 1
                action()
            self._come_back()
            self._publish()
            self._answer()
            began = self.now
            self._tick()
            while self._probing() and self.now + TICK_S < began + STEP_S - TICK_S / 2:
                self.now += TICK_S
                self._tick()
            self.now = began + STEP_S

    def _tick(self) -> None:
        self.room.handle_timer(self.now)
        self._drain()
        self._deliver()

    def _probing(self) -> bool:
        """A probe is a burst of 40 ms: a room that were looked at only so often could send none, and no estimate that
        an outage has lowered would ever rise again."""
        return any(r.sender.prober.cluster is not None for r in self.room._bandwidth.receivers.values())

    def _publish(self) -> None:
        for index, peer in enumerate(self.peers.values()):
            packets: list[bytes] = []
            camera = peer.camera
            if (self._step + index) % FRAME_STEPS == 0 and not peer.cam_muted and camera.sending and peer.cam_id:
                packets += camera.picture(self.now)
            if peer.mic_id and not peer.mic_muted and (camera.talking or (self._step + index) % QUIET_STEPS == 0):
                packets.append(camera.sound(self.now))
            if (self._step + index) % 25 == 0:
                for report in camera.reports(self.now):
                    self._up(peer, report, is_rtcp=True)
            for packet in packets:
                self._up(peer, packet)

    def _up(self, peer: Peer, packet: bytes, *, is_rtcp: bool = False) -> None:
        if not (peer.online and peer.connected) or self.chance.random() < peer.up_loss:
            return
        transport = f"{peer.peer_id}-send"
        if is_rtcp:
            self.room.receive_rtcp(transport, packet, self.now)
            return
        self.received[transport] += 1
        self.came += 1
        self.room.receive_rtp(transport, packet, self.now)

    def _answer(self) -> None:
        for index, peer in enumerate(self.peers.values()):
            if (self._step + index) % FEEDBACK_STEPS == 0 and peer.online and peer.connected:
                for packet in peer.page.asks(self.now):
                    self.room.receive_rtcp(f"{peer.peer_id}-recv", packet, self.now)

    def _drain(self) -> None:
        self._take()
        while self.room._outbox.packets:  # what was repaired goes on at once
            self._take()

    def _take(self) -> None:
        for event in self.room.drain_events():
            self._told(event)
        for transport, packet, is_rtcp in self.room.drain_packets():
            if not is_rtcp:
                self.sent[transport] += 1
                self.went += 1
            peer = self.peers.get(transport.rsplit("-", 1)[0])
            if peer is None or not (peer.online and peer.connected):
                continue
            if transport.endswith("-send"):
                for again in peer.camera.hear(packet, self.now):
                    self._up(peer, again)
            elif not is_rtcp:
                peer.page.down.send(bytes(packet), self.now)

    def _told(self, event: events.Event) -> None:
        match event:
            case events.RecordedTrackOpened():
                self.tracks.add(event.producer_id)
            case events.RecordedTrackClosed():
                self.tracks.remove(event.producer_id)
            case events.ProducerLayers():
                if (peer := self.peers.get(event.peer_id)) is not None and event.producer_id == peer.cam_id:
                    peer.camera.allowed(event.max_spatial)
            case events.ConsumerAdded():
                if (peer := self.peers.get(event.peer_id)) is not None:
                    peer.page.add(event.consumer, self.now)
            case events.ConsumerClosed() | events.ConsumerPaused() | events.ConsumerLayers():
                # A page that has gone, or has come anew, does not know the consumers of before.
                if (found := self._consumer(event.peer_id, event.consumer_id)) is not None:
                    self._told_of(found, event)
            case _:
                pass

    def _told_of(self, found: Consumer, event: events.Event) -> None:
        match event:
            case events.ConsumerClosed():
                self.peers[event.peer_id].page.remove(found.id, self.now)
            case events.ConsumerPaused():
                found.paused = event.paused
            case events.ConsumerLayers():
                found.spatial, found.reason = event.spatial, event.reason
            case _:
                pass

    def _consumer(self, peer_id: str, consumer_id: str) -> Consumer | None:
        peer = self.peers.get(peer_id)
        return None if peer is None else peer.page.consumers.get(consumer_id)

    def _deliver(self) -> None:
        for peer in self.peers.values():
            for at, packet in peer.page.down.arrivals(self.now):
                if peer.online and peer.connected:
                    peer.page.gets(packet, at)

    # What happens

    def _anybody(self) -> Peer | None:
        return self.chance.choice(list(self.peers.values())) if self.peers else None

    def _steady(self) -> Peer | None:
        here = [peer for peer in self.peers.values() if peer.online and peer.connected]
        return self.chance.choice(here) if here else None

    def _come(self) -> None:
        absent = [name for name in (f"p{n}" for n in range(NAMES)) if name not in self.peers]
        if len(self.peers) < self.most:
            self.join(self.chance.choice(absent))

    def join(self, peer_id: str) -> None:
        """A peer enters and publishes, in the order in which a page does."""
        chance, seed = random.Random(self.chance.random()), self.chance.randrange(1 << 30)
        lossy = chance.random() < 0.3
        down = Link(seed, loss=0.02 if lossy else 0.0, delay_s=chance.choice((0.0, 0.03, 0.08)), rate_bps=20e6)
        peer = Peer(peer_id, Camera(chance), Page(down), up_loss=0.02 if chance.random() < 0.3 else 0.0)
        self._forget_counters(peer_id)
        self.peers[peer_id] = peer
        self.room.join(peer_id, peer_id.upper(), "station", self.now)
        self.room.add_transport(f"{peer_id}-send", peer_id, "send", now=self.now)
        self.room.add_transport(f"{peer_id}-recv", peer_id, "recv", now=self.now)
        for consumer in self.room.consumers(peer_id):
            peer.page.add(consumer, self.now)
        self._produce(peer)
        self.room.transport_up(f"{peer_id}-send", self.now)
        self.room.transport_up(f"{peer_id}-recv", self.now)
        peer.ready_since = self.now
        self._talkers()

    def _forget_counters(self, peer_id: str) -> None:
        for counts in (self.received, self.sent, self.ended):
            for direction in ("send", "recv"):
                counts.pop(f"{peer_id}-{direction}", None)

    def _produce(self, peer: Peer) -> None:
        transport = f"{peer.peer_id}-send"
        peer.cam_id = self.room.produce(transport, "cam", "video", simulcast_parameters(3), self.now)
        peer.mic_id = self.room.produce(transport, "mic", "audio", audio_parameters(), self.now)
        peer.cam_muted = peer.mic_muted = peer.silenced = False

    def _go(self) -> None:
        if len(self.peers) > self.most // 2 and (peer := self._anybody()) is not None:
            self.leave(peer.peer_id)

    def leave(self, peer_id: str) -> None:
        """A peer goes for good."""
        del self.peers[peer_id]
        self.room.leave(peer_id, self.now)
        self._talkers()

    def _reload(self) -> None:
        """A page comes back under its old name, with everything new, while the old one still counts as there."""
        if (peer := self._anybody()) is not None:
            self.room.leave(peer.peer_id, self.now)
            self._drain()
            self.join(peer.peer_id)

    def _outage(self) -> None:
        """The link is away; the page resumes by its token, with the same transports."""
        if (peer := self._steady()) is not None:
            peer.online, peer.back_at = False, self.now + self.chance.uniform(0.5, 9.0)

    def _reconnect(self) -> None:
        """The transports go down, and are set up again."""
        if (peer := self._steady()) is not None:
            peer.connected, peer.back_at = False, self.now + self.chance.uniform(0.2, 4.0)
            peer.page.starts_anew()
            for direction in ("send", "recv"):
                self.room.transport_down(f"{peer.peer_id}-{direction}", self.now)

    def _come_back(self) -> None:
        for peer in self.peers.values():
            if self.now < peer.back_at or (peer.online and peer.connected):
                continue
            if not peer.connected:
                for direction in ("send", "recv"):
                    self.room.transport_up(f"{peer.peer_id}-{direction}", self.now)
            peer.online = peer.connected = True
            peer.ready_since = self.now

    def _look(self) -> None:
        """The page shows something else."""
        peer = self._anybody()
        if peer is None:
            return
        page = peer.page
        pictures = [found for found in page.consumers.values() if found.kind == "video"]
        shown = self.chance.sample(pictures, min(len(pictures), self.chance.choice((0, 1, 4, 9, 16, 25))))
        mode: Mode = self.chance.choices(("normal", "low", "audio"), (8, 2, 1))[0]
        cap = self.chance.choices((None, 3_000), (5, 1))[0]
        tiles: dict[str, Tile] = {}
        for index, found in enumerate(shown):
            role: Role = "stage" if index == 0 else "pinned" if index == 1 else "tile"
            height = self.chance.choice((96, 192, 360, 720))
            tiles[found.id] = Tile(height * 16 // 9, height, role)
        for found in pictures:
            if (found.id in tiles) != found.shown:
                found.shown = found.id in tiles
            found.due_since = self.now
        page.viewed = True
        page.audio_only, page.capped = mode == "audio", cap is not None
        self.room.view(peer.peer_id, View(tiles, mode, cap), self.now)

    def _mute(self) -> None:
        if (peer := self._steady()) is None:
            return
        if self.chance.random() < 0.5:
            peer.cam_muted = not peer.cam_muted
            peer.camera.layers[0].key_wanted = True
            self.room.pause_producer(peer.cam_id, peer.cam_muted, self.now)
        else:
            peer.mic_muted = not peer.mic_muted
            self.room.pause_producer(peer.mic_id, peer.mic_muted, self.now)
        peer.ready_since = self.now

    def _mute_by_host(self) -> None:
        if (peer := self._steady()) is not None:
            peer.silenced = not peer.silenced
            for producer_id in (peer.cam_id, peer.mic_id):
                self.room.silence_producer(producer_id, peer.silenced, self.now)
            peer.ready_since = self.now

    def _camera_anew(self) -> None:
        """The camera is taken out and put in: another producer, or the numbers begin anew."""
        if (peer := self._steady()) is None:
            return
        if self.chance.random() < 0.5:
            for layer in peer.camera.layers:
                layer.sequence += self.chance.randrange(2_000, 30_000)
                layer.key_wanted = True
        else:
            old = peer.camera
            peer.camera = Camera(random.Random(self.chance.random()))
            peer.camera.wide, peer.camera.talking = old.wide, old.talking
            self.room.close_producer(peer.cam_id, self.now)
            self.room.close_producer(peer.mic_id, self.now)
            if self.chance.random() < 0.3:  # gone again before anybody looked
                self._produce(peer)
                self.room.close_producer(peer.cam_id, self.now)
                self.room.close_producer(peer.mic_id, self.now)
            self._produce(peer)
        peer.ready_since = self.now

    def _screen(self) -> None:
        """A screen is shared and taken back; nothing is sent of it."""
        if (peer := self._steady()) is None:
            return
        parameters = simulcast_parameters(1) | {"mid": "2", "encodings": [{"ssrc": 7777, "rtx": {"ssrc": 7778}}]}
        producer_id = self.room.produce(f"{peer.peer_id}-send", "screen", "video", parameters, self.now)
        self.room.close_producer(producer_id, self.now)

    def _talk(self) -> None:
        for peer in self.peers.values():
            peer.camera.talking = False
        self._talkers()

    def _talkers(self) -> None:
        talking = sum(peer.camera.talking for peer in self.peers.values())
        silent = [peer for peer in self.peers.values() if not peer.camera.talking]
        for peer in self.chance.sample(silent, min(len(silent), max(0, TALKERS - talking))):
            peer.camera.talking = True
            peer.ready_since = self.now

    def _record(self) -> None:
        self.recording = not self.recording
        self.room.record(self.recording, self.now)

    def empty(self) -> None:
        """Everybody leaves."""
        for peer_id in list(self.peers):
            self.leave(peer_id)
        if self.recording:
            self._record()
        self.run(1.0, act=False)


def never_left(receiver: Receiver) -> int:
    """Packets that were forwarded to a receiver and did not go out, or not yet, less the padding that was not
    forwarded."""
    waiting = sum(len(queue) for queue in receiver.pacer._queues)
    return receiver.pacer.dropped + receiver.repairs_dropped + waiting
