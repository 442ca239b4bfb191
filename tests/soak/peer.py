# SPDX-License-Identifier: Apache-2.0
"""One scripted peer: a simulcast camera, a microphone, and a page that receives everybody else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.sfu.twcc import TwccReceiver
from tests.sim.encoder import MID_EXTENSION, WIDE_EXTENSION, Layer
from tests.sim.network import Link

LAYERS = 3
PIXEL_BYTES = 60
LEVEL_EXTENSION, REPAIRED_RID_EXTENSION = 12, 11
AUDIO_SSRC = 3333
LOUD, QUIET = 20, 90
KEPT = 256
"""Packets of a layer at hand for repair."""
IGNORES_S = 0.3
"""A browser makes no second key frame within this time."""


class Camera:
    """What one peer sends: three layers of picture and sound."""

    def __init__(self, chance: random.Random) -> None:
        self.layers = [Layer(index, chance, packets=1 + index // 2, size=PIXEL_BYTES) for index in range(LAYERS)]
        self.sequence = chance.randrange(65536)
        self.chance = chance
        self.frame_number = self.wide = 0
        self.key_at = [-1.0] * LAYERS
        self.sending = True
        self.talking = False

    def allowed(self, highest: int) -> None:
        """The server needs no layer above this one."""
        for layer in self.layers:
            layer.key_wanted = layer.key_wanted or (layer.index <= highest and not layer.on)
            layer.on = layer.index <= highest

    def picture(self, now: float) -> list[bytes]:
        """One frame of every layer that is on."""
        self.frame_number += 1
        made = []
        for layer in self.layers:
            if not layer.on:
                continue
            if layer.key_wanted:
                self.key_at[layer.index] = now
            timestamp = layer.rtp_time(now)
            for sequence, payload, marker in layer.frame(self.frame_number, now):
                self.wide += 1
                made.append(layer.packet(sequence, payload, marker, timestamp, self.wide))
                layer.sent[sequence] = made[-1]
            for sequence in list(layer.sent)[:-KEPT] if len(layer.sent) > 2 * KEPT else ():
                del layer.sent[sequence]
        return made

    def sound(self, now: float) -> bytes:
        """20 ms of a microphone."""
        self.sequence = self.sequence + 1 & 0xFFFF
        self.wide += 1
        level = (LOUD if self.talking else QUIET) + self.chance.randrange(8)
        block = rtp.build_extensions(
            [
                (MID_EXTENSION, b"1"),
                (WIDE_EXTENSION, (self.wide & 0xFFFF).to_bytes(2)),
                (LEVEL_EXTENSION, bytes([0x80 | level if self.talking else level])),
            ]
        )
        return bytes(
            rtp.build(
                payload_type=111,
                sequence_number=self.sequence,
                timestamp=int(now * 48_000) & 0xFFFFFFFF,
                ssrc=AUDIO_SSRC,
                payload=b"\xfc\xff\xfe",
                extension_block=block,
            )
        )

    def reports(self, now: float) -> list[bytes]:
        """Sender Reports of everything that is on."""
        return [layer.report(now) for layer in self.layers if layer.on]

    def hear(self, packet: bytes | bytearray, now: float) -> list[bytes]:
        """RTCP of the server; what is sent again for it."""
        reports, whole = rtcp.parse(packet)
        assert whole, "the server sends whole RTCP"
        again: list[bytes] = []
        for report in reports:
            if isinstance(report, rtcp.KeyframeRequest):
                layer = self._layer(report.media_ssrc)
                if layer is not None and now - self.key_at[layer.index] >= IGNORES_S:
                    layer.key_wanted = True
            elif isinstance(report, rtcp.Nack) and (layer := self._layer(report.media_ssrc)) is not None:
                again += [self._resent(layer, n) for n in report.sequence_numbers if n in layer.sent and layer.on]
        return again

    def _layer(self, ssrc: int) -> Layer | None:
        return next((layer for layer in self.layers if layer.ssrc == ssrc), None)

    def _resent(self, layer: Layer, number: int) -> bytes:
        packet = layer.sent[number]
        header = rtp.read_header(packet)
        assert header is not None, "a packet that we built is whole"
        layer.rtx_sequence = layer.rtx_sequence + 1 & 0xFFFF
        return bytes(
            rtp.build(
                payload_type=97,
                sequence_number=layer.rtx_sequence,
                timestamp=header.timestamp,
                ssrc=layer.rtx_ssrc,
                payload=number.to_bytes(2) + packet[header.payload_offset :],
                marker=header.marker,
                extension_block=rtp.build_extensions(
                    [(MID_EXTENSION, b"0"), (REPAIRED_RID_EXTENSION, f"r{layer.index}".encode())]
                ),
            )
        )


@dataclass
class Consumer:
    """What a page knows of one stream that it receives."""

    id: str
    producer_id: str
    peer_id: str
    kind: str
    ssrc: int
    rtx_ssrc: int | None
    paused: bool
    last_at: float = -1.0
    """When something of it came last."""
    highest: int | None = None
    missing: dict[int, float] = field(default_factory=dict)
    """Numbers to ask for, and when to ask again."""
    spatial: int | None = None
    reason: str | None = None
    shown: bool = True
    due_since: float = 0.0
    """Since when nothing has stood in the way of its frames."""

    @classmethod
    def of(cls, value: dict[str, Any], now: float) -> Consumer:
        """From the server's description."""
        encoding = value["rtp_parameters"]["encodings"][0]
        rtx = encoding.get("rtx")
        return cls(
            value["id"], value["producer_id"], value["peer_id"], value["kind"],
            encoding["ssrc"], rtx["ssrc"] if rtx else None, value["paused"], due_since=now,
        )  # fmt: skip


class Page:
    """What one peer receives: it repairs, reports and knows what it was told."""

    def __init__(self, down: Link) -> None:
        self.down = down
        self.consumers: dict[str, Consumer] = {}
        self.by_ssrc: dict[int, Consumer] = {}
        self.gone: dict[int, float] = {}
        """SSRCs of consumers that were closed, for as long as packets may still be on their way."""
        self.twcc = TwccReceiver()
        self.viewed = False
        """It has said what it shows: what comes later is not shown before it looks anew."""
        self.audio_only = False
        self.capped = False
        self.strays = 0

    def add(self, value: dict[str, Any], now: float) -> None:
        """A consumer was made."""
        found = Consumer.of(value, now)
        found.shown = not self.viewed
        self.consumers[found.id] = found
        self.by_ssrc[found.ssrc] = found
        if found.rtx_ssrc is not None:
            self.by_ssrc[found.rtx_ssrc] = found

    def remove(self, consumer_id: str, now: float) -> None:
        """A consumer was closed."""
        found = self.consumers.pop(consumer_id)
        for ssrc in (found.ssrc, found.rtx_ssrc):
            if ssrc is not None:
                del self.by_ssrc[ssrc]
                self.gone[ssrc] = now
        for ssrc in [ssrc for ssrc, at in self.gone.items() if now - at > 2.0]:
            del self.gone[ssrc]

    def starts_anew(self) -> None:
        """The transport is another one: nothing is on its way, and nothing is known of its packets."""
        self.down.forget()
        self.twcc = TwccReceiver()

    def gets(self, packet: bytes, now: float) -> None:
        """A media packet arrived."""
        header = rtp.read_header(packet)
        assert header is not None, "the server sends whole packets"
        found = self.by_ssrc.get(header.ssrc)
        if packet[17]:
            self.twcc.arrived(packet[18] << 8 | packet[19], now + 3_000)  # another clock
        if found is None:
            self.strays += header.ssrc not in self.gone
            return
        found.last_at = now
        if found.kind == "audio":
            return
        number = header.sequence_number
        if header.ssrc == found.rtx_ssrc:
            number = packet[header.payload_offset] << 8 | packet[header.payload_offset + 1]
        if found.highest is None:
            found.highest = number
            return
        step = (number - found.highest + 0x8000 & 0xFFFF) - 0x8000
        for ahead in range(1, min(step, 50)):
            found.missing[found.highest + ahead & 0xFFFF] = now
        if step > 0:
            found.highest = number
        found.missing.pop(number, None)
        while len(found.missing) > 200:
            del found.missing[next(iter(found.missing))]

    def asks(self, now: float) -> list[bytes]:
        """NACKs and transport-wide feedback."""
        out = []
        for found in self.consumers.values():
            due = [number for number, at in found.missing.items() if now >= at][:60]
            for number in due:
                found.missing[number] = now + 0.5
            if due:
                out.append(rtcp.build_nack(1, found.ssrc, sorted(due)))
        return out + self.twcc.feedback(1, 2)


@dataclass
class Peer:
    """One of the crowd."""

    peer_id: str
    camera: Camera
    page: Page
    up_loss: float
    online: bool = True
    """False: its link is away; nothing comes or goes."""
    connected: bool = True
    """False: its transports are down."""
    cam_id: str = ""
    mic_id: str = ""
    cam_muted: bool = False
    mic_muted: bool = False
    silenced: bool = False
    back_at: float = 0.0
    """When its link, or its transports, come back."""
    ready_since: float = 0.0
    """Since when its link, its transports and its camera have all been there."""
