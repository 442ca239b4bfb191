# SPDX-License-Identifier: Apache-2.0
"""What browsers may send us: the router's RTP capabilities in mediasoup-client's shape (its `ortc.ts`).

Several wrong shapes are no error in the client and silently lose a codec or every extension: `channels` must be 2 for
Opus, `apt` a number, each entry must have its `kind` and `preferredPayloadType` or `preferredId`.
"""

from __future__ import annotations

from typing import Any

from mediaserver.rtp import codecs
from mediaserver.signalling.messages import REQUEST_TYPES

_OPTIONAL = (("view", "view"), ("watch", "report_source"))


def features() -> list[str]:
    """What this server can beyond version 1 of the protocol; a page does without what it does not find here.

    `simulcast`: the layers of a picture are told apart. `view`: pages may say what they show (a request that a server
    does not know ends the socket, so they ask first). `watch`: pages may report what they measure on their own sources.
    """
    return ["simulcast", *(name for name, kind in _OPTIONAL if kind in REQUEST_TYPES)]


def router_rtp_capabilities() -> dict[str, Any]:
    """A fresh copy of the capabilities: every codec with its RTX, and the header extensions we read or write.

    A browser that is told nothing else takes the first codec of a kind that it knows.
    """
    entries: list[dict[str, Any]] = []
    for codec in codecs.ALL:
        entries.append(_codec(codec))
        if codec.rtx_payload_type:
            entries.append(_rtx(codec))
    entries.insert(1, _red())
    return {"codecs": entries, "headerExtensions": _extensions()}


def _feedback(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": kind, "parameter": parameter} for kind, parameter in pairs]


def _codec(codec: codecs.Codec) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": codec.kind,
        "mimeType": codec.mime_type,
        "preferredPayloadType": codec.payload_type,
        "clockRate": codec.clock_rate,
        "parameters": dict(codec.parameters),
        "rtcpFeedback": _feedback(
            ("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", ""), ("transport-cc", "")
        ),
    }
    if codec.kind == "audio":
        entry["channels"] = codec.channels
        entry["parameters"]["useinbandfec"] = 1
        entry["rtcpFeedback"] = _feedback(("nack", ""), ("transport-cc", ""))
    return entry


def _red() -> dict[str, Any]:
    return {
        "kind": "audio",
        "mimeType": codecs.RED_MIME_TYPE,
        "preferredPayloadType": codecs.RED_PAYLOAD_TYPE,
        "clockRate": codecs.OPUS.clock_rate,
        "channels": codecs.OPUS.channels,
        "parameters": {},
        "rtcpFeedback": [],
    }


def _rtx(codec: codecs.Codec) -> dict[str, Any]:
    return {
        "kind": "video",
        "mimeType": "video/rtx",
        "preferredPayloadType": codec.rtx_payload_type,
        "clockRate": codec.clock_rate,
        "parameters": {"apt": codec.payload_type},
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
        ("audio", codecs.TRANSPORT_CC_URI, "sendrecv"),
        ("video", codecs.TRANSPORT_CC_URI, "sendrecv"),
        ("audio", codecs.AUDIO_LEVEL_URI, "sendrecv"),
        ("video", codecs.DEPENDENCY_DESCRIPTOR_URI, "sendrecv"),
        ("video", codecs.VIDEO_ORIENTATION_URI, "sendrecv"),
        ("audio", codecs.ABS_CAPTURE_TIME_URI, "sendrecv"),
        ("video", codecs.ABS_CAPTURE_TIME_URI, "sendrecv"),
        ("video", codecs.PLAYOUT_DELAY_URI, "sendrecv"),
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
