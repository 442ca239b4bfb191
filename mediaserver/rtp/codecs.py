# SPDX-License-Identifier: Apache-2.0
"""Codecs and header extensions that we forward, and the numbers under which receivers get them.

Publishers choose their own payload types and extension ids; every packet is rewritten once, at arrival, to the numbers
below, so that one copy serves all receivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
DEPENDENCY_DESCRIPTOR_URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
VIDEO_ORIENTATION_URI = "urn:3gpp:video-orientation"
ABS_CAPTURE_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

EXTENSION_IDS: dict[str, int] = {
    MID_URI: 1,
    RID_URI: 2,
    REPAIRED_RID_URI: 3,
    ABS_SEND_TIME_URI: 4,
    TRANSPORT_CC_URI: 5,
    AUDIO_LEVEL_URI: 6,
    DEPENDENCY_DESCRIPTOR_URI: 7,
    VIDEO_ORIENTATION_URI: 8,
    ABS_CAPTURE_TIME_URI: 10,
    PLAYOUT_DELAY_URI: 11,
}
"""URI to the id in our capabilities and in what we send; all below 15, so both header forms can carry them."""

OWN_EXTENSIONS: tuple[str, ...] = (TRANSPORT_CC_URI, ABS_SEND_TIME_URI)
"""What we write ourselves into every packet for a receiver: the publisher's values tell of the first leg only."""

_PASSED: dict[str, tuple[str, ...]] = {
    "audio": (AUDIO_LEVEL_URI, ABS_CAPTURE_TIME_URI),
    "video": (VIDEO_ORIENTATION_URI, ABS_CAPTURE_TIME_URI, PLAYOUT_DELAY_URI),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One media codec as receivers get it."""

    name: str
    """Lower-case, as in the recording's manifest."""
    kind: Literal["audio", "video"]
    mime_type: str
    payload_type: int
    rtx_payload_type: int
    """0: lost packets are sent again on the stream's own SSRC."""
    clock_rate: int
    channels: int
    """0 for video."""
    parameters: tuple[tuple[str, Any], ...] = ()
    """Format parameters that tell the profile, as both sides must give them."""
    layered: bool = False
    """One stream may hold spatial layers (SVC); its dependency descriptor goes on to receivers."""

    @property
    def passed_extensions(self) -> tuple[str, ...]:
        """URIs of the publisher's extensions that go on to receivers.

        A dependency descriptor of VP8 or H264 does not: those are told by their payload, and temporal layers that we
        leave out would contradict it.
        """
        return (*_PASSED[self.kind], DEPENDENCY_DESCRIPTOR_URI) if self.layered else _PASSED[self.kind]


def _h264(profile: str, payload_type: int) -> Codec:
    parameters = (("level-asymmetry-allowed", 1), ("packetization-mode", 1), ("profile-level-id", profile))
    return Codec("h264", "video", "video/H264", payload_type, payload_type + 1, 90000, 0, parameters)


OPUS = Codec("opus", "audio", "audio/opus", 100, 0, 48000, 2)
VP8 = Codec("vp8", "video", "video/VP8", 101, 102, 90000, 0)
H264 = _h264("42e01f", 103)
"""Constrained baseline, what every browser and most hardware decodes."""
H264_HIGH = _h264("64001f", 105)
"""High and main: cameras send them."""
VP9 = Codec("vp9", "video", "video/VP9", 107, 108, 90000, 0, (("profile-id", 0),), layered=True)
AV1 = Codec("av1", "video", "video/AV1", 109, 110, 90000, 0, layered=True)

ALL: tuple[Codec, ...] = (OPUS, VP8, H264, VP9, H264_HIGH, AV1)
"""In the order in which a browser that was told nothing else chooses."""

RED_MIME_TYPE = "audio/red"
RED_PAYLOAD_TYPE = 111
"""Opus with copies of earlier packets (RFC 2198)."""


def find(mime_type: str, parameters: dict[str, Any]) -> Codec | None:
    """Our codec for a publisher's entry; None for one that is not forwarded.

    H264 without a packetization mode 1 is taken all the same: what mode 0 allows is part of mode 1.
    """
    name = mime_type.lower()
    if name == "video/h264":
        profile = str(parameters.get("profile-level-id", "42e01f")).lower()
        return H264 if profile.startswith("42") else H264_HIGH
    if name == "video/vp9" and str(parameters.get("profile-id", 0)) != "0":
        return None
    return next((codec for codec in ALL if codec.mime_type.lower() == name), None)
