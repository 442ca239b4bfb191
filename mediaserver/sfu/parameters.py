# SPDX-License-Identifier: Apache-2.0
"""What a browser says it will send (mediasoup-client's rtpParameters), checked and reduced to what the plane needs;
and what a receiver is told about the stream it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mediaserver.errors import PeerFault
from mediaserver.rtp import codecs
from mediaserver.rtp.codecs import Codec
from mediaserver.sfu.events import Kind

MAX_ENCODINGS = 4
MAX_EXTENSIONS = 32


@dataclass(frozen=True, slots=True)
class Encoding:
    """One layer of a producer: announced by SSRC, or by RID whose SSRC shows in its packets."""

    ssrc: int | None
    rtx_ssrc: int | None
    rid: str | None


@dataclass(frozen=True, slots=True)
class SendParameters:
    """What one producer's packets look like."""

    mid: str | None
    codec: Codec
    payload_type: int
    rtx_payload_type: int | None
    extension_ids: dict[str, int]
    """URI to the publisher's id."""
    encodings: tuple[Encoding, ...]
    cname: str


def read_send_parameters(kind: Kind, parameters: dict[str, Any]) -> SendParameters:
    """Check a produce message. Raises PeerFault `bad_rtp_parameters` or `unsupported_codec`."""
    try:
        return _read(kind, parameters)
    except PeerFault:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PeerFault("bad_rtp_parameters", f"rtpParameters are malformed ({type(error).__name__}).") from None


def _number(value: object, last: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= last:
        raise ValueError(value)
    return value


def _read(kind: Kind, parameters: dict[str, Any]) -> SendParameters:
    codec, payload_type = None, 0
    rtx: dict[int, int] = {}
    for entry in parameters["codecs"]:
        mime = str(entry["mimeType"]).lower()
        number = _number(entry["payloadType"], 127)
        if mime.endswith("/rtx"):
            rtx[_number(entry["parameters"]["apt"], 127)] = number
        elif codec is None and (known := codecs.CODECS.get(mime)) is not None and known.kind == kind:
            codec, payload_type = known, number
    if codec is None:
        raise PeerFault("unsupported_codec", "None of the offered codecs is forwarded here.")
    encodings = tuple(_encoding(entry) for entry in parameters["encodings"])
    if not 1 <= len(encodings) <= MAX_ENCODINGS:
        raise ValueError(len(encodings))
    extensions = parameters.get("headerExtensions", [])
    if len(extensions) > MAX_EXTENSIONS:
        raise ValueError(len(extensions))
    mid = parameters.get("mid")
    return SendParameters(
        None if mid is None else str(mid)[:32],
        codec,
        payload_type,
        rtx.get(payload_type),
        {str(entry["uri"]): _number(entry["id"], 255) for entry in extensions},
        encodings,
        str((parameters.get("rtcp") or {}).get("cname") or "")[:64],
    )


def _encoding(entry: dict[str, Any]) -> Encoding:
    ssrc, rid = entry.get("ssrc"), entry.get("rid")
    if ssrc is None and rid is None:
        raise ValueError("neither ssrc nor rid")
    rtx = entry.get("rtx") or {}
    return Encoding(
        None if ssrc is None else _number(ssrc, 0xFFFFFFFF),
        None if rtx.get("ssrc") is None else _number(rtx["ssrc"], 0xFFFFFFFF),
        None if rid is None else str(rid)[:16],
    )


def receive_parameters(codec: Codec, mid: str, ssrc: int, rtx_ssrc: int | None, cname: str) -> dict[str, Any]:
    """rtpParameters of a consumer, as mediasoup-client's `consume` wants them."""
    media: dict[str, Any] = {
        "mimeType": codec.mime_type,
        "payloadType": codec.payload_type,
        "clockRate": codec.clock_rate,
        "parameters": {"useinbandfec": 1} if codec.kind == "audio" else {},
        "rtcpFeedback": [{"type": "nack", "parameter": ""}],
    }
    if codec.channels:
        media["channels"] = codec.channels
    entries = [media]
    encoding: dict[str, Any] = {"ssrc": ssrc}
    if codec.kind == "video":
        media["rtcpFeedback"] += [{"type": "nack", "parameter": "pli"}, {"type": "ccm", "parameter": "fir"}]
    if rtx_ssrc is not None:
        entries.append(
            {
                "mimeType": "video/rtx",
                "payloadType": codec.rtx_payload_type,
                "clockRate": codec.clock_rate,
                "parameters": {"apt": codec.payload_type},
                "rtcpFeedback": [],
            }
        )
        encoding["rtx"] = {"ssrc": rtx_ssrc}
    return {
        "mid": mid,
        "codecs": entries,
        "headerExtensions": [
            {"uri": uri, "id": codecs.EXTENSION_IDS[uri], "encrypt": False, "parameters": {}}
            for uri in codecs.FORWARDED_EXTENSIONS[codec.kind]
        ],
        "encodings": [encoding],
        "rtcp": {"cname": cname, "reducedSize": True},
    }
