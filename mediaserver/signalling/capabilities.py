# SPDX-License-Identifier: Apache-2.0
"""What browsers may send us: the router's RTP capabilities in mediasoup-client's shape (its `ortc.ts`).

Several wrong shapes are no error in the client and silently lose a codec or every extension: `channels` must be 2 for
Opus, `apt` a number, each entry must have its `kind` and `preferredPayloadType` or `preferredId`.
"""

from __future__ import annotations

from typing import Any

from mediaserver.rtp import codecs


def router_rtp_capabilities() -> dict[str, Any]:
    """A fresh copy of the capabilities: Opus, VP8 and its RTX, and the header extensions we read."""
    return {"codecs": [_opus(), _vp8(), _rtx()], "headerExtensions": _extensions()}


def _feedback(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "parameter": parameter} for kind, parameter in pairs]


def _opus() -> dict[str, Any]:
    return {
        "kind": "audio",
        "mimeType": codecs.OPUS.mime_type,
        "preferredPayloadType": codecs.OPUS.payload_type,
        "clockRate": codecs.OPUS.clock_rate,
        "channels": codecs.OPUS.channels,
        "parameters": {"useinbandfec": 1},
        "rtcpFeedback": _feedback(("nack", ""), ("transport-cc", "")),
    }


def _vp8() -> dict[str, Any]:
    return {
        "kind": "video",
        "mimeType": codecs.VP8.mime_type,
        "preferredPayloadType": codecs.VP8.payload_type,
        "clockRate": codecs.VP8.clock_rate,
        "parameters": {},
        "rtcpFeedback": _feedback(
            ("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", ""), ("transport-cc", "")
        ),
    }


def _rtx() -> dict[str, Any]:
    return {
        "kind": "video",
        "mimeType": "video/rtx",
        "preferredPayloadType": codecs.VP8.rtx_payload_type,
        "clockRate": codecs.VP8.clock_rate,
        "parameters": {"apt": codecs.VP8.payload_type},
        "rtcpFeedback": [],
    }


def _extensions() -> list[dict[str, Any]]:
    """Directions are the router's: what only publishers send is `recvonly`."""
    rows = (
        ("audio", codecs.MID_URI, "sendrecv"),
        ("video", codecs.MID_URI, "sendrecv"),
        ("video", codecs.RID_URI, "recvonly"),
        ("video", codecs.REPAIRED_RID_URI, "recvonly"),
        ("audio", codecs.ABS_SEND_TIME_URI, "sendrecv"),
        ("video", codecs.ABS_SEND_TIME_URI, "sendrecv"),
        ("audio", codecs.TRANSPORT_CC_URI, "recvonly"),
        ("video", codecs.TRANSPORT_CC_URI, "recvonly"),
        ("audio", codecs.AUDIO_LEVEL_URI, "sendrecv"),
        ("video", codecs.VIDEO_ORIENTATION_URI, "sendrecv"),
    )
    return [
        {
            "kind": kind,
            "uri": uri,
            "preferredId": codecs.EXTENSION_IDS[uri],
            "preferredEncrypt": False,
            "direction": direction,
        }
        for kind, uri, direction in rows
    ]
