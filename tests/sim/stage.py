# SPDX-License-Identifier: Apache-2.0
"""A room in virtual time with one simulcast camera and receivers behind simulated links."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import Any

from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import events
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.room import Room
from tests.sim.call import STEP_S
from tests.sim.decoder import Decoder
from tests.sim.encoder import MID_EXTENSION, RID_EXTENSION, WIDE_EXTENSION, Layer
from tests.sim.network import Link, Sealed

IDS = {
    codecs.MID_URI: MID_EXTENSION,
    codecs.TRANSPORT_CC_URI: WIDE_EXTENSION,
    codecs.RID_URI: RID_EXTENSION,
    codecs.REPAIRED_RID_URI: 11,
}


def simulcast_parameters(layers: int, mime: str = "video/VP8") -> dict[str, Any]:
    """What mediasoup-client's produce message holds for a simulcast camera: RIDs, no SSRCs."""
    return {
        "mid": "0",
        "codecs": [
            {"mimeType": mime, "payloadType": 96, "clockRate": 90000, "parameters": {}},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}},
        ],
        "headerExtensions": [{"uri": uri, "id": number} for uri, number in IDS.items()],
        "encodings": [{"rid": f"r{index}", "scalabilityMode": "L1T3"} for index in range(layers)],
        "rtcp": {"cname": "page"},
    }


@dataclass
class Viewer:
    """One receiver: repairs by NACK, asks for a key frame when it cannot go on, keeps what it got."""

    peer_id: str
    down: Link
    back: Link
    decoder: Decoder = field(default_factory=Decoder)
    asked: dict[int, float] = field(default_factory=dict)
    lowest: int = 0
    wide: list[int] = field(default_factory=list)
    bytes: int = 0
    consumer: dict[str, Any] = field(default_factory=dict)
    last_pli: float = 0.0
    gave_up: set[int] = field(default_factory=set)
    sealed: Sealed = field(default_factory=Sealed)

    def gets(self, packet: bytes, now: float) -> None:
        """A packet arrived."""
        header = rtp.read_header(packet)
        assert header is not None
        assert packet[12:14] == b"\xbe\xde"
        assert packet[16:18] == b"\x00\x51", "the transport-wide number has its fixed place"
        self.wide.append(int.from_bytes(packet[18:20]))
        self.bytes += len(packet)
        payload = packet[header.payload_offset : header.payload_end]
        encoding = self.consumer["rtp_parameters"]["encodings"][0]
        number = header.sequence_number
        if header.ssrc == encoding["rtx"]["ssrc"]:
            number, payload = int.from_bytes(payload[:2]), payload[2:]
        else:
            assert header.ssrc == encoding["ssrc"]
        first = self.decoder.highest
        self.decoder.take(number, header.timestamp, header.marker, payload, now)
        highest = self.decoder.highest
        assert highest is not None
        for missing in range((first or highest) + 1, highest):
            self.asked.setdefault(missing, -1.0)
        wide = highest - ((highest - number) & 0xFFFF)
        for missing in range(wide + 1, self.lowest):  # the first to come was not the first to be sent
            self.asked.setdefault(missing, -1.0)
        self.lowest = min(self.lowest, wide) if first is not None else wide
        self.asked.pop(wide, None)

    def asks(self, now: float) -> None:
        """NACK what is missing, every 60 ms for a second; then a PLI."""
        due = []
        for number, at in list(self.asked.items()):
            if at < 0:
                self.asked[number] = now + 0.01
            elif number in self.gave_up:
                continue
            elif now >= at:
                due.append(number & 0xFFFF)
                self.asked[number] = now + 0.06
        ssrc = self.consumer["rtp_parameters"]["encodings"][0]["ssrc"]
        if due:
            self.back.send(rtcp.build_nack(1, ssrc, sorted(due)[:200]), now)
        for number in [n for n in self.asked if self.decoder.highest and self.decoder.highest - n > 200]:
            del self.asked[number]
            if number not in self.gave_up:
                self.gave_up.add(number)
                self.pli(now)

    def pli(self, now: float) -> None:
        """Ask for a key frame, at most each 200 ms."""
        if now - self.last_pli >= 0.2:
            self.last_pli = now
            self.back.send(rtcp.build_pli(1, self.consumer["rtp_parameters"]["encodings"][0]["ssrc"]), now)


class Stage:
    """One camera of `layers` layers from peer `a`; viewers join by `view`."""

    def __init__(
        self,
        seed: int,
        layers: int = 3,
        *,
        loss: float = 0.0,
        jitter_s: float = 0.0,
        duplicate: float = 0.0,
        fps: int = 30,
        bits: int = 15,
        reports: bool = True,
        room: dict[str, Any] | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        ssrcs = itertools.count(900_001, 7919)
        settings = {"allocate": False, **(room or {})}
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=1_700_000_000.0, **settings)
        self.up = Link(seed + 1, loss=loss, jitter_s=jitter_s, duplicate=duplicate)
        self.back = Link(seed + 2, loss=loss)
        self.layers = [Layer(index, self.chance, packets=1 + index, bits=bits) for index in range(layers)]
        self.viewers: list[Viewer] = []
        self.events: list[events.Event] = []
        self.now = 100.0
        self.frame_number = 0
        self.fps, self.reports = fps, reports
        self.sending = True
        self.captured: dict[int, float] = {}
        self.requests: list[tuple[float, int]] = []
        self.key_at: list[tuple[float, int]] = []
        self.key_requests_obeyed = True
        self._next_frame = self.now
        self._next_report = self.now + 0.2
        self._wide = 0
        self.room.join("a", "A", "station", self.now)
        self.room.add_transport("a-send", "a", "send")
        self.producer_id = self.room.produce("a-send", "cam", "video", simulcast_parameters(layers), self.now)
        self.room.transport_up("a-send", self.now)

    def view(self, peer_id: str = "b", *, up: bool = True, **link: Any) -> Viewer:
        """A viewer joins; `link` describes its way down."""
        seed = self.chance.randrange(1 << 30)
        viewer = Viewer(peer_id, Link(seed, **link), Link(seed + 1))
        self.room.join(peer_id, peer_id.upper(), "desk", self.now)
        self.room.add_transport(f"{peer_id}-recv", peer_id, "recv")
        viewer.consumer = self.room.consumers(peer_id)[0]
        self.viewers.append(viewer)
        if up:
            self.room.transport_up(f"{peer_id}-recv", self.now)
        return viewer

    def downlink(self, viewer: Viewer) -> Downlink:
        """The room's side of a viewer."""
        return self.room._ports[f"{viewer.peer_id}-recv"].downlinks[viewer.consumer["id"]]

    def target(self, viewer: Viewer, spatial: int | None, temporal: int = 2, reason: Any = None) -> None:
        """What the allocator would say."""
        self.room.set_target(self.downlink(viewer), spatial, temporal, reason, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self._publish()
            self._step()
            self.now += STEP_S

    def _publish(self) -> None:
        if self.now >= self._next_report and self.reports:
            self._next_report = self.now + 1.0
            for layer in self.layers:
                if layer.on:
                    self.room.receive_rtcp("a-send", layer.report(self.now), self.now)
        if self.now < self._next_frame:
            return
        self._next_frame += 1 / self.fps
        self.frame_number += 1
        self.captured[self.frame_number] = self.now
        for layer in self.layers:
            if layer.on and self.sending:
                timestamp = layer.rtp_time(self.now)
                if layer.key_wanted:
                    self.key_at.append((self.now, layer.index))
                for sequence, payload, marker in layer.frame(self.frame_number, self.now):
                    self._wide += 1
                    packet = layer.packet(sequence, payload, marker, timestamp, self._wide)
                    layer.sent[sequence] = packet
                    self.up.send(packet, self.now)

    def _step(self) -> None:
        for packet in self.up.due(self.now):
            self.room.receive_rtp("a-send", packet, self.now)
        for viewer in self.viewers:
            for packet in viewer.back.due(self.now):
                self.room.receive_rtcp(f"{viewer.peer_id}-recv", packet, self.now)
        deadline = self.room.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.room.handle_timer(self.now)
        self.events += self.room.drain_events()
        for transport, packet_out, is_rtcp in self.room.drain_packets():
            if transport == "a-send":
                self.back.send(bytes(packet_out), self.now)
            elif not is_rtcp:
                viewer = next(v for v in self.viewers if transport == f"{v.peer_id}-recv")
                viewer.sealed.leaves(bytes(packet_out))
                viewer.down.send(bytes(packet_out), self.now)
        for packet in self.back.due(self.now):
            self._hears(packet)
        for viewer in self.viewers:
            for packet in viewer.down.due(self.now):
                viewer.gets(packet, self.now)
            viewer.asks(self.now)

    def _hears(self, packet: bytes) -> None:
        reports, whole = rtcp.parse(packet)
        assert whole
        for report in reports:
            if isinstance(report, rtcp.KeyframeRequest):
                layer = next(layer for layer in self.layers if layer.ssrc == report.media_ssrc)
                self.requests.append((self.now, layer.index))
                recent = any(at > self.now - 0.3 and index == layer.index for at, index in self.key_at)
                if not recent and self.key_requests_obeyed:
                    layer.key_wanted = True
            elif isinstance(report, rtcp.Nack):
                self._repair(report)

    def _repair(self, report: rtcp.Nack) -> None:
        layer = next(layer for layer in self.layers if layer.ssrc == report.media_ssrc)
        for number in report.sequence_numbers:
            packet = layer.sent.get(number)
            if packet is None or not layer.on:
                continue
            header = rtp.read_header(packet)
            assert header is not None
            layer.rtx_sequence += 1
            again = bytearray(packet)
            again[header.payload_offset : header.payload_offset] = number.to_bytes(2)
            rtp.rewrite(
                again,
                payload_type=97,
                sequence_number=layer.rtx_sequence,
                timestamp=header.timestamp,
                ssrc=layer.rtx_ssrc,
            )
            block = rtp.build_extensions([(MID_EXTENSION, b"0"), (11, f"r{layer.index}".encode())])
            self.up.send(bytes(again[:12]) + block + bytes(again[header.payload_offset :]), self.now)

    def told(self, viewer: Viewer) -> list[tuple[int | None, int | None, str | None]]:
        """What the viewer's page was told of its layers."""
        return [
            (event.spatial, event.temporal, event.reason)
            for event in self.events
            if isinstance(event, events.ConsumerLayers) and event.consumer_id == viewer.consumer["id"]
        ]
