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
    """One layer of a producer: announced by SSRC, or by RID whose SSRC shows in its packets. A single one may be
    announced by neither: then the MID or the payload type shows it."""

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
    """The lowest layer first."""
    cname: str
    red_payload_type: int | None = None
    """Opus comes with copies of earlier packets under this payload type (RFC 2198)."""
    stereo: bool = False
    """Sound that was announced as stereo is music or a film, not a voice."""


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
    red: int | None = None
    stereo = False
    rtx: dict[int, int] = {}
    for entry in parameters["codecs"]:
        mime = str(entry["mimeType"]).lower()
        number = _number(entry["payloadType"], 127)
        format_parameters = entry.get("parameters") or {}
        if mime.endswith("/rtx"):
            rtx[_number(format_parameters["apt"], 127)] = number
        elif mime == codecs.RED_MIME_TYPE:
            red = number
        elif codec is None and (known := codecs.find(mime, format_parameters)) is not None and known.kind == kind:
            codec, payload_type = known, number
            stereo = any(str(format_parameters.get(name, 0)) == "1" for name in ("stereo", "sprop-stereo"))
    if codec is None:
        raise PeerFault("unsupported_codec", "None of the offered codecs is forwarded here.")
    if not 1 <= len(parameters["encodings"]) <= MAX_ENCODINGS:
        raise ValueError(len(parameters["encodings"]))
    encodings = tuple(_encoding(entry) for entry in _lowest_first(parameters["encodings"]))
    if len(encodings) > 1 and any(e.ssrc is None and e.rid is None for e in encodings):
        raise ValueError("neither ssrc nor rid")
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
        red if kind == "audio" else None,
        stereo and kind == "audio",
    )


def _lowest_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Encodings in the order of their size, where they tell it: by scale, else by bitrate, else by a usual name."""
    if all("scaleResolutionDownBy" in entry for entry in entries):
        return sorted(entries, key=lambda entry: -float(entry["scaleResolutionDownBy"]))
    if all("maxBitrate" in entry for entry in entries):
        return sorted(entries, key=lambda entry: float(entry["maxBitrate"]))
    if all(str(entry.get("rid")) in _USUAL_RIDS for entry in entries):
        return sorted(entries, key=lambda entry: _USUAL_RIDS.index(str(entry["rid"])))
    return entries


_USUAL_RIDS = ("q", "l", "m", "h", "f")
"""Quarter, low, middle or half, high, full: `q h f`, `l m h` and `h f` all come out in order."""


def _encoding(entry: dict[str, Any]) -> Encoding:
    ssrc, rid = entry.get("ssrc"), entry.get("rid")
    rtx = entry.get("rtx") or {}
    return Encoding(
        None if ssrc is None else _number(ssrc, 0xFFFFFFFF),
        None if rtx.get("ssrc") is None else _number(rtx["ssrc"], 0xFFFFFFFF),
        None if rid is None else str(rid)[:16],
    )


def receive_parameters(
    codec: Codec, mid: str, ssrc: int, rtx_ssrc: int | None, cname: str, *, red: bool = False, stereo: bool = False
) -> dict[str, Any]:
    """rtpParameters of a consumer, as mediasoup-client's `consume` wants them. `red`: the sound may come as RED."""
    feedback = [{"type": "transport-cc", "parameter": ""}, {"type": "nack", "parameter": ""}]
    parameters = dict(codec.parameters)
    encoding: dict[str, Any] = {"ssrc": ssrc}
    if codec.kind == "audio":
        parameters["useinbandfec"] = 1
        if stereo:
            parameters["stereo"] = parameters["sprop-stereo"] = 1
    else:
        feedback += [
            {"type": "nack", "parameter": "pli"},
            {"type": "ccm", "parameter": "fir"},
            {"type": "goog-remb", "parameter": ""},
        ]
    entries = [_entry(codec.mime_type, codec.payload_type, codec, parameters, feedback)]
    if red:
        pair = {f"{codec.payload_type}/{codec.payload_type}": ""}
        entries.insert(0, _entry(codecs.RED_MIME_TYPE, codecs.RED_PAYLOAD_TYPE, codec, pair, []))
    if rtx_ssrc is not None:
        entries.append(_entry("video/rtx", codec.rtx_payload_type, codec, {"apt": codec.payload_type}, []))
        encoding["rtx"] = {"ssrc": rtx_ssrc}
    return {
        "mid": mid,
        "codecs": entries,
        "headerExtensions": [
            {"uri": uri, "id": codecs.EXTENSION_IDS[uri], "encrypt": False, "parameters": {}}
            for uri in (*codecs.OWN_EXTENSIONS, *codec.passed_extensions)
        ],
        "encodings": [encoding],
        "rtcp": {"cname": cname, "reducedSize": True},
    }


def _entry(
    mime_type: str, payload_type: int, codec: Codec, parameters: dict[str, Any], feedback: list[dict[str, str]]
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "mimeType": mime_type,
        "payloadType": payload_type,
        "clockRate": codec.clock_rate,
        "parameters": parameters,
        "rtcpFeedback": feedback,
    }
    if codec.channels:
        entry["channels"] = codec.channels
    return entry
