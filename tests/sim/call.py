# SPDX-License-Identifier: Apache-2.0
"""A publisher, a room and a receiver in virtual time, each behind a simulated link. Nobody sleeps."""

from __future__ import annotations

import itertools
from typing import Any

from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.events import Event
from mediaserver.sfu.room import Room
from tests.sim.network import Link, Sealed

STEP_S = 0.005
IDS = {codecs.MID_URI: 4, codecs.TRANSPORT_CC_URI: 3, codecs.AUDIO_LEVEL_URI: 12, codecs.RID_URI: 10}


def video_parameters(mid: str = "0", **encoding: Any) -> dict[str, Any]:
    """What Chromium's produce message holds for a VP8 camera."""
    return {
        "mid": mid,
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {}, "rtcpFeedback": []},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}},
        ],
        "headerExtensions": [{"uri": uri, "id": number} for uri, number in IDS.items()],
        "encodings": [encoding or {"ssrc": 1111, "rtx": {"ssrc": 2222}}],
        "rtcp": {"cname": "page"},
    }


def audio_parameters(mid: str = "1", ssrc: int = 3333) -> dict[str, Any]:
    """What Chromium's produce message holds for a microphone."""
    return {
        "mid": mid,
        "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2, "parameters": {}}],
        "headerExtensions": [{"uri": uri, "id": number} for uri, number in IDS.items()],
        "encodings": [{"ssrc": ssrc}],
        "rtcp": {"cname": "page"},
    }


def vp8_payload(picture: int, *, key: bool, start: bool = True, size: int = 200) -> bytes:
    """A descriptor with a 15-bit picture id, then bytes that begin like a frame."""
    head = bytes([0x80 | (0x10 if start else 0), 0x80, 0x80 | picture >> 8 & 0x7F, picture & 0xFF])
    return head + bytes([0 if key else 1]) + bytes(size)


class Call:
    """One camera from `a` to `b` through a room."""

    def __init__(self, up: Link, down: Link, *, first_sequence: int = 65_000) -> None:
        ssrcs = itertools.count(900_001, 7919)
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=1_700_000_000.0)
        self.up, self.down = up, down
        self.back_up, self.back_down = Link(up.seed + 1, delay_s=up.delay_s), Link(down.seed + 1, delay_s=down.delay_s)
        self._sealed = Sealed()
        self.now = 100.0
        self.sequence = first_sequence
        self.wide = 65_400
        self.picture = 0
        self.sent: dict[int, bytes] = {}
        self.keyframe_requests = 0
        self.pli_at: list[float] = []
        self.twcc_sent: dict[int, float] = {}
        self.feedback: list[bytes] = []
        self.received: dict[int, rtp.Header] = {}
        self.received_at: dict[int, float] = {}
        self.received_payload: dict[int, bytes] = {}
        self.first_key_at: float | None = None
        self.events: list[Event] = []
        self._highest_out: int | None = None
        self._rtx_sequence = 30_000
        self._want_key = True
        self.asked: dict[int, float] = {}
        self.ask_every_s = 0.05
        self.answer_spacing_s = 0.0
        """A browser ignores a request that comes within its round trip after it answered the last one."""
        self.others_payload_type: int | None = None
        """What else `b` receives; it is passed over."""
        self.sent_at: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        self.room.join("a", "A", "station", self.now)
        self.room.join("b", "B", "desk", self.now)
        self.room.add_transport("a-send", "a", "send")
        self.room.add_transport("b-recv", "b", "recv")
        self.producer_id = self.room.produce("a-send", "cam", "video", video_parameters(), self.now)
        self.consumer = self.room.consumers("b")[0]
        self.room.transport_up("a-send", self.now)

    def run(self, seconds: float, *, frames_every_s: float = 0.04, packets: int = 3) -> None:
        """Let `seconds` pass; the camera sends `packets` packets for each frame."""
        end = self.now + seconds
        next_frame = self.now
        while self.now < end:
            if frames_every_s and self.now >= next_frame:
                self._frame(packets)
                next_frame += frames_every_s
            self._step()
            self.now += STEP_S

    def _frame(self, packets: int) -> None:
        key, self._want_key = self._want_key, False
        self.picture += 1
        for index in range(packets):
            payload = vp8_payload(self.picture, key=key, start=index == 0)
            self.sent[self.sequence & 0xFFFF] = payload
            self.sent_at[self.sequence & 0xFFFF] = self.now
            self._send(96, 1111, self.sequence, payload, marker=index == packets - 1)
            self.sequence += 1

    def _send(self, payload_type: int, ssrc: int, sequence: int, payload: bytes, *, marker: bool) -> None:
        self.wide += 1
        block = rtp.build_extensions([(4, b"0"), (3, (self.wide & 0xFFFF).to_bytes(2))])
        packet = rtp.build(
            payload_type=payload_type,
            sequence_number=sequence,
            timestamp=int(self.now * 90_000),
            ssrc=ssrc,
            payload=payload,
            marker=marker,
            extension_block=block,
        )
        self.twcc_sent[self.wide & 0xFFFF] = self.now
        self.up.send(bytes(packet), self.now)

    def _step(self) -> None:
        for packet in self.up.due(self.now):
            self.room.receive_rtp("a-send", packet, self.now)
        for packet in self.back_down.due(self.now):
            self.room.receive_rtcp("b-recv", packet, self.now)
        deadline = self.room.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.room.handle_timer(self.now)
        self.events += self.room.drain_events()
        for transport, packet, is_rtcp in self.room.drain_packets():
            if transport == "a-send":
                assert is_rtcp
                self.back_up.send(bytes(packet), self.now)
            elif not is_rtcp:
                self._sealed.leaves(bytes(packet))
                self.down.send(bytes(packet), self.now)
        for packet in self.back_up.due(self.now):
            self._publisher_hears(packet)
        for packet in self.down.due(self.now):
            self._receiver_gets(packet)
        self._receiver_asks()

    def _publisher_hears(self, packet: bytes) -> None:
        if packet[0] & 31 == 15 and packet[1] == 205:
            self.feedback.append(packet)
        reports, whole = rtcp.parse(packet)
        assert whole
        for report in reports:
            if isinstance(report, rtcp.KeyframeRequest):
                self.keyframe_requests += 1
                if not self.pli_at or self.now - self.pli_at[-1] >= 0.3:  # Chromium's own throttle
                    self.pli_at.append(self.now)
                    self._want_key = True
            if isinstance(report, rtcp.Nack):
                for number in report.sequence_numbers:
                    last = self._answered.get(number, -1.0)
                    if number in self.sent and self.now - last >= self.answer_spacing_s:
                        self._answered[number] = self.now
                        self._rtx_sequence += 1
                        self._send(97, 2222, self._rtx_sequence, number.to_bytes(2) + self.sent[number], marker=False)

    def _receiver_gets(self, packet: bytes) -> None:
        header = rtp.read_header(packet)
        assert header is not None
        payload = packet[header.payload_offset : header.payload_end]
        number = header.sequence_number
        encoding = self.consumer["rtp_parameters"]["encodings"][0]
        if header.ssrc not in (encoding["ssrc"], encoding["rtx"]["ssrc"]):
            assert header.payload_type == self.others_payload_type
            return
        if header.ssrc == encoding["rtx"]["ssrc"]:
            number, payload = int.from_bytes(payload[:2]), payload[2:]
        if self._highest_out is None:
            self._highest_out = number
            assert payload[4] & 1 == 0, "the first packet of a receiver begins a key frame"
            self.first_key_at = self.now
        step = (number - self._highest_out + 0x8000 & 0xFFFF) - 0x8000
        for missing in range(1, max(1, step)):
            self.asked.setdefault(self._highest_out + missing & 0xFFFF, -1.0)
        if step > 0:
            self._highest_out = number
        self.asked.pop(number, None)
        self.received.setdefault(number, header)
        self.received_at.setdefault(number, self.now)
        self.received_payload.setdefault(number, payload)

    def _receiver_asks(self) -> None:
        due = sorted(n for n, at in self.asked.items() if self.now - at > self.ask_every_s)[:60]
        if due:
            for number in due:
                self.asked[number] = self.now
            self.back_down.send(
                rtcp.build_nack(1, self.consumer["rtp_parameters"]["encodings"][0]["ssrc"], due), self.now
            )
