# SPDX-License-Identifier: Apache-2.0
"""What a camera's peer sends: numbered RTP packets, sender reports, and once more what was lost on the way. PURE."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from mediaserver.cameras.clock import rtp_time
from mediaserver.rtp import codecs, packet, rtcp
from mediaserver.rtp.clock import ntp_from_utc

RING_PACKETS: Final = 2048
"""Sent packets kept for those who ask again: 2 s of a stream of 10 Mbit/s."""
PAYLOAD_TYPES: Final = {"video": 96, "audio": 111}
LEVEL_ID: Final = 1
"""Our id of the audio level extension (RFC 6464)."""


class OutgoingStream:
    """One stream with an SSRC, sequence numbers and times of its own."""

    def __init__(self, kind: str, ssrc: int, first_sequence_number: int, time_offset: int) -> None:
        self.kind, self.ssrc = kind, ssrc
        self.clock_rate = 90_000 if kind == "video" else 48_000
        self.time_offset = time_offset
        self.packets = self.octets = self.resent = 0
        self._sequence_number = first_sequence_number
        self._ring: OrderedDict[int, bytes] = OrderedDict()

    def rtp_time(self, line_s: float) -> int:
        """The stream's RTP time of a time on the camera's line."""
        return rtp_time(line_s, self.clock_rate, self.time_offset)

    def send(self, payloads: list[bytes], line_s: float, *, level: int | None = None) -> list[bytes]:
        """Packets of one picture (the last one is marked) or of 20 ms of sound."""
        timestamp = self.rtp_time(line_s)
        block = b"" if level is None else packet.build_extensions([(LEVEL_ID, bytes([level]))])
        made = []
        for number, payload in enumerate(payloads, 1):
            data = packet.build(
                payload_type=PAYLOAD_TYPES[self.kind],
                sequence_number=self._sequence_number,
                timestamp=timestamp,
                ssrc=self.ssrc,
                payload=payload,
                marker=self.kind == "video" and number == len(payloads),
                extension_block=block,
            )
            made.append(bytes(data))
            self._ring[self._sequence_number] = made[-1]
            self._sequence_number = self._sequence_number + 1 & 0xFFFF
            self.octets += len(payload)
        self.packets += len(payloads)
        while len(self._ring) > RING_PACKETS:
            self._ring.popitem(last=False)
        return made

    def again(self, sequence_numbers: tuple[int, ...]) -> list[bytes]:
        """What is asked for once more, as far as it is still there."""
        found = [data for number in sequence_numbers if (data := self._ring.get(number)) is not None]
        self.resent += len(found)
        return found

    def report(self, line_s: float, utc_s: float, cname: str) -> bytes:
        """A sender report: the line stands at `line_s` at `utc_s`."""
        ntp = ntp_from_utc(utc_s)
        report = rtcp.SenderReport(self.ssrc, ntp, self.rtp_time(line_s), self.packets, self.octets)
        return rtcp.build_sender_report(report) + rtcp.build_sdes(self.ssrc, cname)

    def parameters(self, profile_level_id: str = "") -> dict[str, Any]:
        """rtpParameters of the `produce` request."""
        codec: dict[str, Any] = {"payloadType": PAYLOAD_TYPES[self.kind], "clockRate": self.clock_rate}
        extensions = []
        if self.kind == "video":
            codec["mimeType"] = "video/H264"
            codec["parameters"] = {
                "packetization-mode": 1,
                "level-asymmetry-allowed": 1,
                "profile-level-id": profile_level_id,
            }
            codec["rtcpFeedback"] = [{"type": "nack", "parameter": ""}, {"type": "nack", "parameter": "pli"}]
        else:
            codec |= {"mimeType": "audio/opus", "channels": 2, "parameters": {"useinbandfec": 1}}
            codec["rtcpFeedback"] = [{"type": "nack", "parameter": ""}]
            extensions = [{"uri": codecs.AUDIO_LEVEL_URI, "id": LEVEL_ID, "encrypt": False, "parameters": {}}]
        return {
            "codecs": [codec],
            "headerExtensions": extensions,
            "encodings": [{"ssrc": self.ssrc}],
            "rtcp": {"cname": "camera", "reducedSize": True},
        }
