# SPDX-License-Identifier: Apache-2.0
"""Codecs and header extensions that we forward, and the numbers under which receivers get them.

Publishers choose their own payload types and extension ids; every packet is rewritten once, at arrival, to the numbers
below, so that one copy serves all receivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION_URI = "urn:3gpp:video-orientation"

EXTENSION_IDS: dict[str, int] = {
    MID_URI: 1,
    RID_URI: 2,
    REPAIRED_RID_URI: 3,
    ABS_SEND_TIME_URI: 4,
    TRANSPORT_CC_URI: 5,
    AUDIO_LEVEL_URI: 6,
    VIDEO_ORIENTATION_URI: 8,
}
"""URI to the id in our capabilities and in what we send; all below 15, so both header forms can carry them."""

FORWARDED_EXTENSIONS: dict[str, tuple[str, ...]] = {"audio": (AUDIO_LEVEL_URI,), "video": (VIDEO_ORIENTATION_URI,)}
"""What passes on to receivers, by kind. The send time does not: the publisher's is wrong for the second leg."""


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


OPUS = Codec("opus", "audio", "audio/opus", 100, 0, 48000, 2)
VP8 = Codec("vp8", "video", "video/VP8", 101, 102, 90000, 0)
CODECS: dict[str, Codec] = {codec.mime_type.lower(): codec for codec in (OPUS, VP8)}
"""Lower-case MIME type to codec."""
