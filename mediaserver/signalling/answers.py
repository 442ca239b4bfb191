# SPDX-License-Identifier: Apache-2.0
"""Offer and answer for WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a stranger's offer is matched with what the
room forwards, turned into the same parameters that the room's own signalling uses, and answered.

All sections that are accepted run over one transport (BUNDLE), RTP and RTCP on one component, the server is ICE-lite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mediaserver.errors import PeerFault
from mediaserver.rtp import codecs
from mediaserver.rtp.renumber import renumber
from mediaserver.signalling.capabilities import router_rtp_capabilities
from mediaserver.signalling.messages import DtlsParameters
from mediaserver.signalling.sdp import MEDIA_PROTOCOLS, Codec, Description, Section

PUBLISHED: Final = frozenset({"sendonly", "sendrecv"})
WATCHED: Final = frozenset({"recvonly", "sendrecv"})
_SETUP_OF_PEER: Final = {"actpass": "client", "active": "client", "passive": "server"}
_LOW_TO_HIGH: Final[tuple[tuple[str, ...], ...]] = (("q", "h", "f"), ("l", "m", "h"), ("low", "mid", "high"))
"""RID names that say by themselves which layer is the smaller one."""
_NUMBERS: Final = frozenset({"packetization-mode", "level-asymmetry-allowed", "profile-id", "profile", "apt"})


@dataclass(frozen=True, slots=True)
class Match:
    """One accepted media section."""

    section: Section
    codec: Codec
    rtx: Codec | None
    feedback: tuple[tuple[str, str], ...]
    extensions: dict[str, int]
    """URI to the offerer's id."""
    stream: dict[str, Any] | None = None
    """What is sent in it (WHEP): a consumer as the room describes it."""


@dataclass(frozen=True, slots=True)
class Renumbering:
    """From the numbers under which the room sends to those of the offer, which alone a viewer by WHEP understands."""

    payload_types: dict[int, int]
    extension_ids: dict[int, int]
    plain: dict[int, tuple[int, int]]
    """Payload type of an RTX that was not offered -> payload type and SSRC under which the packet goes instead."""

    def apply(self, packet: bytearray) -> bool:
        """Change one packet; False when it is not to be sent."""
        return renumber(packet, self.payload_types, self.extension_ids, self.plain)


def dtls_parameters(offer: Description) -> DtlsParameters:
    """The peer's DTLS side. Raises PeerFault `unsupported_offer`."""
    section = offer.sections[0]
    role = _SETUP_OF_PEER.get(section.setup)
    if role is None or not section.fingerprints:
        raise PeerFault("unsupported_offer", "The offer needs a fingerprint and setup actpass, active or passive.")
    return DtlsParameters(role, tuple(section.fingerprints))


def check(offer: Description, wanted: frozenset[str]) -> list[Section]:
    """The media sections whose direction is one of `wanted`, at most one of each kind.

    Raises PeerFault `unsupported_offer`: nothing of that direction, several of a kind, not bundled, no ICE.
    """
    media = [s for s in offer.sections if s.kind in ("audio", "video") and s.protocol in MEDIA_PROTOCOLS]
    found = [s for s in media if s.direction in wanted]
    if not found:
        raise PeerFault("unsupported_offer", f"The offer has no audio or video that is {' or '.join(sorted(wanted))}.")
    if len({s.kind for s in found}) != len(found):
        raise PeerFault("unsupported_offer", "At most one audio and one video section can be taken.")
    if len(found) > 1 and not {s.mid for s in found} <= set(offer.bundle):
        raise PeerFault("unsupported_offer", "All sections must be in one BUNDLE group.")
    if not all(s.ufrag and s.password for s in found):
        raise PeerFault("unsupported_offer", "The offer has no ICE credentials.")
    return found


def match_published(offer: Description) -> list[Match]:
    """What a WHIP offer will send. Raises PeerFault `unsupported_offer`."""
    capabilities = router_rtp_capabilities()
    found = []
    for section in check(offer, PUBLISHED):
        known = [entry for entry in capabilities["codecs"] if not entry["mimeType"].lower().endswith(("/rtx", "/red"))]
        matches = ((codec, entry) for codec in _best_first(section) for entry in known)
        best = next(((codec, entry) for codec, entry in matches if _fits(codec, section.kind, entry)), None)
        if best is None:
            raise PeerFault("unsupported_offer", f"None of the {section.kind} codecs is forwarded here.")
        uris = {e["uri"] for e in capabilities["headerExtensions"] if e["kind"] == section.kind}
        found.append(_match(section, *best, uris))
    return found


def match_watched(offer: Description, consumers: Sequence[dict[str, Any]]) -> list[Match]:
    """What a WHEP offer can get of these consumers, one for each section. Raises PeerFault `unsupported_offer`."""
    found = []
    for section in check(offer, WATCHED):
        for consumer in consumers:
            parameters = consumer["rtp_parameters"]
            best = next((c for c in _best_first(section) if _fits(c, section.kind, parameters["codecs"][0])), None)
            if best is not None:
                uris = {entry["uri"] for entry in parameters["headerExtensions"]}
                found.append(_match(section, best, parameters["codecs"][0], uris, consumer))
                break
    if not found:
        raise PeerFault("unsupported_offer", "Nothing that is published has a codec of the offer.")
    return found


def _match(
    section: Section, codec: Codec, ours: dict[str, Any], uris: set[str], stream: dict[str, Any] | None = None
) -> Match:
    rtx = next((other for other in section.codecs.values() if other.apt == codec.payload_type), None)
    feedback = tuple(pair for f in ours["rtcpFeedback"] if (pair := (f["type"], f["parameter"])) in codec.feedback)
    extensions = {uri: number for uri, number in section.extensions.items() if uri in uris}
    return Match(section, codec, rtx, feedback, extensions, stream)


def _best_first(section: Section) -> list[Codec]:
    """In the offerer's order, but of H264 the form in which pictures may be cut into packets anywhere (mode 1): what
    others send has that form, and it may not be sent under mode 0 (RFC 6184 section 6.2)."""
    return sorted(section.codecs.values(), key=_uncut)


def _uncut(codec: Codec) -> bool:
    return codec.name.lower() == "h264" and codec.parameters.get("packetization-mode", "0") != "1"


def _fits(codec: Codec, kind: str, ours: Mapping[str, Any]) -> bool:
    """The same codec in a form that can be passed through: both are the same row of what is forwarded here."""
    if f"{kind}/{codec.name}".lower() != str(ours["mimeType"]).lower() or codec.clock_rate != ours["clockRate"]:
        return False
    if kind == "audio" and codec.channels != ours.get("channels", 1):
        return False
    known = codecs.find(str(ours["mimeType"]), dict(ours.get("parameters", {})))
    return known is not None and codecs.find(str(ours["mimeType"]), dict(codec.parameters)) is known


def produce_parameters(match: Match) -> dict[str, Any]:
    """The `rtpParameters` of a produce message."""
    section = match.section
    entries = [_codec_json(section.kind, match.codec, match.feedback)]
    if match.rtx is not None:
        entries.append(_codec_json(section.kind, match.rtx, ()))
    cname = next((a["cname"] for a in section.ssrcs.values() if a.get("cname")), "")
    return {
        "mid": section.mid,
        "codecs": entries,
        "headerExtensions": [{"uri": uri, "id": number} for uri, number in match.extensions.items()],
        "encodings": _encodings(section),
        "rtcp": {"cname": cname},
    }


def _codec_json(kind: str, codec: Codec, feedback: Iterable[tuple[str, str]]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        key: int(value) if key in _NUMBERS and value.isascii() and value.isdigit() else value
        for key, value in codec.parameters.items()
    }
    entry: dict[str, Any] = {
        "mimeType": f"{kind}/{codec.name}",
        "payloadType": codec.payload_type,
        "clockRate": codec.clock_rate,
        "parameters": parameters,
        "rtcpFeedback": [{"type": name, "parameter": parameter} for name, parameter in feedback],
    }
    if kind == "audio":
        entry["channels"] = codec.channels
    return entry


def _encodings(section: Section) -> list[dict[str, Any]]:
    """Low to high. An offer may name no SSRC at all: then the MID or the payload type shows where a packet belongs."""
    rids = [rid for rid in section.simulcast if rid in section.rids] or list(section.rids)[:1]
    if rids:
        return [{"rid": rid} for rid in _low_to_high(rids, section.rids)]
    repeats = set(section.retransmissions.values())
    ssrc = next((number for number in section.ssrcs if number not in repeats), None)
    if ssrc is None:
        return [{}]
    rtx = section.retransmissions.get(ssrc)
    return [{"ssrc": ssrc, "rtx": {"ssrc": rtx}} if rtx is not None else {"ssrc": ssrc}]


def _low_to_high(rids: list[str], restrictions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """By what the names or the restrictions (RFC 8851) say; else as offered."""
    for names in _LOW_TO_HIGH:
        if set(rids) <= set(names):
            return sorted(rids, key=names.index)
    for key in ("max-height", "max-width", "max-br"):
        limits = [restrictions[rid].get(key, "") for rid in rids]
        if all(limit.isascii() and limit.isdigit() and len(limit) < 10 for limit in limits):
            return sorted(rids, key=lambda rid, key=key: int(restrictions[rid][key]))  # type: ignore[misc]
    return rids


def renumbering(matches: Iterable[Match]) -> Renumbering:
    """How the packets of these consumers must be changed for the viewer."""
    payload_types: dict[int, int] = {}
    extension_ids: dict[int, int] = {}
    plain: dict[int, tuple[int, int]] = {}
    for match in matches:
        assert match.stream is not None, "only of what is sent"
        parameters = match.stream["rtp_parameters"]
        media, *others = parameters["codecs"]
        payload_types[media["payloadType"]] = match.codec.payload_type
        for other in others:
            if match.rtx is not None:
                payload_types[other["payloadType"]] = match.rtx.payload_type
            else:
                plain[other["payloadType"]] = match.codec.payload_type, parameters["encodings"][0]["ssrc"]
        for entry in parameters["headerExtensions"]:
            if entry["uri"] in match.extensions:
                extension_ids[entry["id"]] = match.extensions[entry["uri"]]
    return Renumbering(payload_types, extension_ids, plain)


def answer(offer: Description, matches: Sequence[Match], transport: Mapping[str, Any], session: int) -> str:
    """The answer's text. `transport` is the server's side as mediasoup-client would get it; `session` any number."""
    accepted = {id(match.section): match for match in matches}
    lines = ["v=0", f"o=- {session} 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=ice-lite", "a=msid-semantic: WMS *"]
    bundled = [s.mid for s in offer.sections if id(s) in accepted and s.mid in offer.bundle]
    if bundled:
        lines.insert(4, "a=group:BUNDLE " + " ".join(bundled))
    if offer.mixed_extensions:
        lines.append("a=extmap-allow-mixed")
    for section in offer.sections:
        match = accepted.get(id(section))
        if match is None:
            lines += [f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}", "c=IN IP4 0.0.0.0"]
            lines += [f"a=mid:{section.mid}", "a=inactive"]
        else:
            lines += _accepted(match, transport)
    return "\r\n".join(lines) + "\r\n"


def _accepted(match: Match, transport: Mapping[str, Any]) -> list[str]:
    section, codec, rtx = match.section, match.codec, match.rtx
    numbers = [codec.payload_type] + ([rtx.payload_type] if rtx else [])
    lines = [
        f"m={section.kind} 9 {section.protocol} {' '.join(map(str, numbers))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        "a=recvonly" if match.stream is None else "a=sendonly",
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if section.reduced_rtcp else []),
        *_transport_lines(transport, "active" if section.setup == "passive" else "passive"),
    ]
    for entry in (codec, rtx):
        if entry is not None:
            channels = f"/{entry.channels}" if section.kind == "audio" and entry.channels > 1 else ""
            lines.append(f"a=rtpmap:{entry.payload_type} {entry.name}/{entry.clock_rate}{channels}")
            if parameters := _format_parameters(entry):
                lines.append(f"a=fmtp:{entry.payload_type} {parameters}")
    lines += [f"a=rtcp-fb:{codec.payload_type} {kind} {word}".rstrip() for kind, word in match.feedback]
    lines += [f"a=extmap:{number} {uri}" for uri, number in match.extensions.items()]
    if match.stream is not None:
        return lines + _stream_lines(match.stream, with_rtx=rtx is not None)
    if section.simulcast:
        lines += [f"a=rid:{rid} recv" for rid in section.simulcast if rid in section.rids]
        lines.append("a=simulcast:recv " + ";".join(rid for rid in section.simulcast if rid in section.rids))
    return lines


def _format_parameters(codec: Codec) -> str:
    """What we want to be sent: for sound, its own repair and the offer's channels; else what was offered."""
    parameters = dict(codec.parameters)
    if codec.name.lower() == "opus":
        stereo = parameters.get("stereo") == "1" or parameters.get("sprop-stereo") == "1"
        parameters = {"minptime": "10", "useinbandfec": "1"} | ({"stereo": "1"} if stereo else {})
    return ";".join(f"{key}={value}" if value else key for key, value in parameters.items())


def _stream_lines(stream: Mapping[str, Any], *, with_rtx: bool) -> list[str]:
    encoding = stream["rtp_parameters"]["encodings"][0]
    cname = stream["rtp_parameters"]["rtcp"]["cname"]
    numbers = [encoding["ssrc"]]
    if with_rtx and "rtx" in encoding:
        numbers.append(encoding["rtx"]["ssrc"])
    lines = [f"a=msid:{stream['peer_id']} {stream['peer_id']}-{stream['source']}"]
    if len(numbers) == 2:
        lines.append(f"a=ssrc-group:FID {numbers[0]} {numbers[1]}")
    return lines + [f"a=ssrc:{number} cname:{cname}" for number in numbers]


def _transport_lines(transport: Mapping[str, Any], setup: str) -> list[str]:
    ice = transport["iceParameters"]
    lines = [f"a=ice-ufrag:{ice['usernameFragment']}", f"a=ice-pwd:{ice['password']}"]
    # One is enough, and SHA-256 is the one that everybody has to know (RFC 8122 section 5).
    prints = sorted(transport["dtlsParameters"]["fingerprints"], key=lambda f: f["algorithm"] != "sha-256")
    lines += [f"a=fingerprint:{f['algorithm']} {f['value']}" for f in prints[:1]]
    return [*lines, f"a=setup:{setup}", *candidate_lines(transport)]


def candidate_lines(transport: Mapping[str, Any]) -> list[str]:
    """Every candidate, and that there are no more."""
    lines = []
    for number, c in enumerate(transport["iceCandidates"], 1):
        tail = f" tcptype {c['tcpType']}" if "tcpType" in c else ""
        port = c["port"]
        lines.append(f"a=candidate:{number} 1 {c['protocol']} {c['priority']} {c['address']} {port} typ host{tail}")
    return [*lines, "a=end-of-candidates"]


def restart_fragment(transport: Mapping[str, Any]) -> str:
    """The body of the answer to an ICE restart (RFC 9725 section 4.3.2)."""
    ice = transport["iceParameters"]
    lines = ["a=ice-lite", f"a=ice-ufrag:{ice['usernameFragment']}", f"a=ice-pwd:{ice['password']}"]
    return "\r\n".join([*lines, *candidate_lines(transport)]) + "\r\n"
