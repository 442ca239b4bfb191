# SPDX-License-Identifier: Apache-2.0
"""Session descriptions (RFC 8866) as WebRTC writes them (RFC 8829), read into what a forwarding server needs.

Simulcast (RFC 8853), RIDs (RFC 8851), BUNDLE (RFC 9143) and `extmap-allow-mixed` (RFC 8285) are kept; what is not known
is passed over. Text of strangers comes in here: whatever it is, the outcome is a description or a PeerFault `bad_sdp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from mediaserver.errors import PeerFault

MAX_SDP_CHARACTERS: Final = 64 * 1024
MAX_LINES: Final = 4_000
MAX_MEDIA: Final = 16
DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
MEDIA_PROTOCOLS: Final = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF"})
_LINE = re.compile(r"([a-z])=(.*)")
_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")


@dataclass(slots=True)
class Codec:
    """One payload type of a media section."""

    payload_type: int
    name: str = ""
    """As written; compare in lower case."""
    clock_rate: int = 0
    channels: int = 1
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: list[tuple[str, str]] = field(default_factory=list)

    @property
    def apt(self) -> int | None:
        """The payload type that this one repeats (RFC 4588); None unless it is RTX."""
        apt = self.parameters.get("apt", "")
        return int(apt) if self.name.lower() == "rtx" and apt.isascii() and apt.isdigit() and len(apt) < 4 else None


@dataclass(slots=True)
class Section:
    """One media section, with what it inherits from the session."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    mid: str = ""
    direction: str = "sendrecv"
    codecs: dict[int, Codec] = field(default_factory=dict)
    """By payload type, in the order of preference."""
    extensions: dict[str, int] = field(default_factory=dict)
    """URI to id."""
    ssrcs: dict[int, dict[str, str]] = field(default_factory=dict)
    retransmissions: dict[int, int] = field(default_factory=dict)
    """SSRC to the SSRC that repeats it (`ssrc-group:FID`)."""
    rids: dict[str, dict[str, str]] = field(default_factory=dict)
    """RIDs that the offerer sends, to their restrictions."""
    simulcast: tuple[str, ...] = ()
    """RIDs sent as simulcast, in the order of the description."""
    ufrag: str = ""
    password: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    setup: str = ""
    muxes_rtcp: bool = False
    reduced_rtcp: bool = False


@dataclass(slots=True)
class Description:
    """A whole session description."""

    sections: list[Section] = field(default_factory=list)
    bundle: tuple[str, ...] = ()
    mixed_extensions: bool = False


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickle fragment (RFC 8840): credentials and how many candidates came with them."""

    ufrag: str
    password: str
    candidates: int


def _bad(message: str) -> PeerFault:
    return PeerFault("bad_sdp", message)


def _lines(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_SDP_CHARACTERS:
        raise _bad(f"A description has at most {MAX_SDP_CHARACTERS} characters.")
    found: list[tuple[str, str]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip("\r "))
        if match is None:
            raise _bad("A line is not of the form x=value.")
        found.append((match[1], match[2]))
    if len(found) > MAX_LINES:
        raise _bad(f"A description has at most {MAX_LINES} lines.")
    return found


def _number(text: str, last: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > last:
        raise _bad(f"{text[:20]!r} is no number from 0 to {last}.")
    return int(text)


def parse(text: str) -> Description:
    """Read a description. Raises PeerFault `bad_sdp`."""
    lines = _lines(text)
    if not lines or lines[0] != ("v", "0"):
        raise _bad("A description begins with v=0.")
    found = Description()
    common = Section("", 0, "", ())
    section = common
    for kind, value in lines:
        if kind == "m":
            section = _media_line(value, common)
            found.sections.append(section)
            if len(found.sections) > MAX_MEDIA:
                raise _bad(f"A description has at most {MAX_MEDIA} media sections.")
        elif kind == "a":
            name, _, rest = value.partition(":")
            _attribute(found, section, common, name, rest.strip())
    for number, made in enumerate(found.sections):
        made.mid = made.mid or str(number)
    if len({made.mid for made in found.sections}) != len(found.sections):
        raise _bad("Two media sections have the same mid.")
    return found


def _media_line(value: str, common: Section) -> Section:
    words = value.split()
    if len(words) < 4 or not all(_TOKEN.fullmatch(word) for word in words[3:]) or len(words) > 260:
        raise _bad("A media line has kind, port, protocol and formats.")
    section = Section(
        words[0],
        _number(words[1].partition("/")[0], 65535),
        words[2],
        tuple(words[3:]),
        direction=common.direction,
        extensions=dict(common.extensions),
        ufrag=common.ufrag,
        password=common.password,
        fingerprints=list(common.fingerprints),
        setup=common.setup,
    )
    if section.protocol in MEDIA_PROTOCOLS:
        section.codecs = {number: Codec(number) for number in (_number(word, 127) for word in section.formats)}
    return section


def _attribute(found: Description, section: Section, common: Section, name: str, value: str) -> None:
    if name == "group" and section is common:
        words = value.split()
        if words and words[0] == "BUNDLE":
            found.bundle = tuple(words[1:])
    elif name == "extmap-allow-mixed":
        found.mixed_extensions = True
    elif name in DIRECTIONS:
        section.direction = name
    elif name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        _transport(section, name, value)
    elif name == "extmap":
        _extension(section, value)
    elif section is not common:
        _media_attribute(section, name, value)


def _media_attribute(section: Section, name: str, value: str) -> None:
    if name == "mid":
        if _TOKEN.fullmatch(value) is None or len(value) > 32:
            raise _bad("A mid is a short word.")
        section.mid = value
    elif name == "rtcp-mux":
        section.muxes_rtcp = True
    elif name == "rtcp-rsize":
        section.reduced_rtcp = True
    elif name in ("rtpmap", "fmtp", "rtcp-fb"):
        _codec(section, name, value)
    elif name in ("ssrc", "ssrc-group"):
        _ssrc(section, name, value)
    elif name in ("rid", "simulcast"):
        _simulcast(section, name, value)


def _transport(section: Section, name: str, value: str) -> None:
    if name == "ice-ufrag":
        if _UFRAG.fullmatch(value) is None:
            raise _bad("An ice-ufrag has 4 to 256 ice characters.")
        section.ufrag = value
    elif name == "ice-pwd":
        if _PASSWORD.fullmatch(value) is None:
            raise _bad("An ice-pwd has 22 to 256 ice characters.")
        section.password = value
    elif name == "setup":
        section.setup = value
    else:
        words = value.split()
        if len(words) != 2 or len(section.fingerprints) >= 8 or len(value) > 256:
            raise _bad("A fingerprint has a hash function and a value.")
        section.fingerprints.append((words[0].lower(), words[1].upper()))


def _extension(section: Section, value: str) -> None:
    words = value.split()
    if len(words) < 2 or len(words[1]) > 200 or len(section.extensions) >= 32:
        raise _bad("An extmap has an id and a URI, and there are at most 32.")
    section.extensions[words[1]] = _number(words[0].partition("/")[0], 255)


def _codec(section: Section, name: str, value: str) -> None:
    number, _, rest = value.partition(" ")
    rest = rest.strip()
    if name == "rtcp-fb":
        kind, _, parameter = rest.partition(" ")
        chosen = section.codecs.values() if number == "*" else [_of(section, number)]
        for codec in chosen:
            if codec is not None and len(codec.feedback) < 32:
                codec.feedback.append((kind, parameter.strip()))
        return
    codec = _of(section, number)
    if codec is None:
        return  # for a format that the media line does not name
    if name == "fmtp":
        for pair in rest.split(";")[:32]:
            key, _, parameter = pair.strip().partition("=")
            if key:
                codec.parameters[key.strip().lower()[:64]] = parameter.strip()[:256]
        return
    parts = rest.split("/")
    if len(parts) < 2 or _TOKEN.fullmatch(parts[0]) is None:
        raise _bad("An rtpmap has name/clock rate[/channels].")
    codec.name, codec.clock_rate = parts[0], _number(parts[1], 2**31)
    codec.channels = _number(parts[2], 255) if len(parts) > 2 else 1


def _of(section: Section, number: str) -> Codec | None:
    return section.codecs.get(_number(number, 127)) if section.codecs else None


def _ssrc(section: Section, name: str, value: str) -> None:
    words = value.split()
    if name == "ssrc-group":
        if len(words) == 3 and words[0] == "FID":
            section.retransmissions[_number(words[1], 2**32 - 1)] = _number(words[2], 2**32 - 1)
        return
    if not words:
        raise _bad("An ssrc attribute names an SSRC.")
    known = section.ssrcs.setdefault(_number(words[0], 2**32 - 1), {})
    if len(section.ssrcs) > 32:
        raise _bad("A media section has at most 32 SSRCs.")
    key, _, text = value.partition(" ")[2].partition(":")
    known[key.strip()[:32]] = text.strip()[:256]


def _simulcast(section: Section, name: str, value: str) -> None:
    words = value.split()
    if name == "rid":
        if len(words) >= 2 and words[1] == "send":
            if _RID.fullmatch(words[0]) is None or len(section.rids) >= 8:
                raise _bad("A rid is a short word of letters and digits, and there are at most 8.")
            pairs = (pair.partition("=") for pair in " ".join(words[2:]).split(";"))
            section.rids[words[0]] = {key.strip(): text.strip() for key, _, text in pairs if key.strip()}
        return
    for direction, streams in zip(words[::2], words[1::2], strict=False):
        if direction == "send":
            first = (stream.split(",")[0].lstrip("~") for stream in streams.split(";"))
            section.simulcast = tuple(rid for rid in first if rid)[:8]


def parse_fragment(text: str) -> Fragment:
    """Read the body of a trickle PATCH. Raises PeerFault `bad_sdp`."""
    section = Section("", 0, "", ())
    candidates = 0
    for kind, value in _lines(text):
        name, _, rest = value.partition(":")
        if kind == "a" and name in ("ice-ufrag", "ice-pwd"):
            _transport(section, name, rest.strip())
        candidates += kind == "a" and name == "candidate"
    if not section.ufrag or not section.password:
        raise _bad("A fragment names ice-ufrag and ice-pwd.")
    return Fragment(section.ufrag, section.password, candidates)
