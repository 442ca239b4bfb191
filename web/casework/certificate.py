# SPDX-License-Identifier: Apache-2.0
"""The session certificate: "complete", or exactly what is missing, when, whose and why. PURE.

Everything is taken from the sealed manifest, so the certificate can be made again at any time and says the same.
Sources: Ministry of Public Security's rule on recording interrogations 2014 and the Supreme Court's on courtroom
recording 2017 (complete and uninterrupted; faults explained in writing and countersigned).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from storage.integrity_code import integrity_code
from storage.manifest import EXCUSED, Gap, Manifest
from web.casework import breaks

WITHIN_MS: Final = 2_000
"""Gaps of one track and cause that lie no further apart are told as one: lost packets come in bursts."""

Section = Literal["recorded", "finding", "missing", "interruptions", "seal"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on the wall clock."""

    utc_ms: int


@dataclass(frozen=True, slots=True)
class Length:
    """How long something took."""

    ms: int


@dataclass(frozen=True, slots=True)
class Term:
    """A further sentence of the locales, to be put into this one."""

    id: str


@dataclass(frozen=True, slots=True)
class Word:
    """A sentence that others than the certificate use, too, by its whole name in the locales."""

    id: str


Value = Moment | Length | Term | Word | str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its name in the locales (`session-certificate-ID`) and what to put into it."""

    section: Section
    id: str
    params: Mapping[str, Value] = field(default_factory=dict)
    from_ms: int | None = None
    """Where on the session clock, for whoever wants to listen."""


@dataclass(frozen=True, slots=True)
class SessionCertificate:
    """`complete` is the finding in one word; the sentences say everything."""

    complete: bool
    integrity_code: str
    sentences: tuple[Sentence, ...]


def session_certificate(manifest: Manifest, manifest_sha256: str) -> SessionCertificate:
    """The certificate of a sealed manifest whose stored bytes have that digest (hex)."""
    assert manifest.seal is not None, "only what is sealed is certified"
    gaps = merged(manifest.gaps)
    missing = [gap for gap in gaps if gap.cause not in EXCUSED]
    interruptions = [gap for gap in gaps if gap.cause in EXCUSED]
    complete = manifest.complete and not missing
    code = integrity_code(manifest_sha256)
    finding = Sentence("finding", "complete") if complete else Sentence("finding", "gaps", {"count": len(missing)})
    sentences = (
        *_recorded(manifest),
        finding,
        *(_stretch(manifest, gap, "missing") for gap in missing),
        *(_stretch(manifest, gap, "interruptions") for gap in interruptions),
        Sentence("seal", "sealed", {"time": Moment(manifest.seal.sealed_utc_ms)}),
        Sentence("seal", "code", {"code": code}),
        Sentence("seal", "check", {"session": manifest.session_id}),
    )
    return SessionCertificate(complete, code, sentences)


def merged(gaps: Iterable[Gap], within_ms: int = WITHIN_MS) -> list[Gap]:
    """Gaps in order of time, those of one track and cause that nearly touch as one."""
    made: list[Gap] = []
    last: dict[tuple[str | None, str], int] = {}
    for gap in sorted(gaps, key=lambda gap: (gap.from_ms, gap.to_ms)):
        name = (gap.track_id, gap.cause)
        before = made[last[name]] if name in last else None
        if before is not None and gap.from_ms <= before.to_ms + within_ms:
            to_ms = max(before.to_ms, gap.to_ms)
            made[last[name]] = replace(before, to_ms=to_ms, packets=before.packets + gap.packets)
        else:
            last[name] = len(made)
            made.append(gap)
    return made


def _recorded(manifest: Manifest) -> list[Sentence]:
    """From when to when, and of whom."""
    end_ms = max((epoch.end_ms for track in manifest.tracks for epoch in track.epochs), default=0)
    if not manifest.tracks:
        return [Sentence("recorded", "nothing")]
    start_utc_ms = manifest.origin_utc_ms
    params: dict[str, Value] = {
        "from": Moment(start_utc_ms),
        "to": Moment(start_utc_ms + end_ms),
        "length": Length(end_ms),
        "count": len(manifest.peers),
        "names": tuple(peer.name for peer in manifest.peers),
    }
    heard = {track.peer_id for track in manifest.tracks}
    silent = [peer.name for peer in manifest.peers if peer.peer_id not in heard]
    return [
        Sentence("recorded", "recorded", params),
        *(Sentence("recorded", "nothing-from", {"name": name}) for name in silent),
    ]


def _stretch(manifest: Manifest, gap: Gap, section: Section) -> Sentence:
    """When, what, whose, why."""
    source, name = _whose(manifest, gap)
    params: dict[str, Value] = {
        "from": Moment(manifest.origin_utc_ms + gap.from_ms),
        "to": Moment(manifest.origin_utc_ms + gap.to_ms),
        "length": Length(gap.to_ms - gap.from_ms),
    }
    if gap.cause == "paused":
        reason = _pause_reason(manifest, gap)
        word = breaks.word_of(reason)
        why: dict[str, Value] = {"reason": Word(word) if word else reason} if reason else {}
        return Sentence(section, "paused-because" if reason else "paused", {**params, **why}, gap.from_ms)
    params["what"] = Term(f"what-{source}")
    if source != "all":
        params["name"] = name
    if gap.cause != "publisher_away":
        params["cause"] = Term(f"cause-{gap.cause.replace('_', '-')}")
    kind = "away" if gap.cause == "publisher_away" else "missing"
    return Sentence(section, f"{kind}-all" if source == "all" else kind, params, gap.from_ms)


def _whose(manifest: Manifest, gap: Gap) -> tuple[str, str]:
    """Which of a person's media, and the name of the endpoint."""
    if gap.track_id is None:
        return "all", ""
    track = next((track for track in manifest.tracks if track.track_id == gap.track_id), None)
    # A track of which nothing was stored is in no list; its name still says whose it was.
    peer_id, _, source = gap.track_id.rpartition("-")
    if track is not None:
        peer_id, source = track.peer_id, track.source
    name = next((peer.name for peer in manifest.peers if peer.peer_id == peer_id), peer_id)
    known = {"mic": "sound", "cam": "picture", "screen": "screen", "screen_audio": "screen-sound"}
    return known.get(source, "picture"), name


def _pause_reason(manifest: Manifest, gap: Gap) -> str:
    """What was given as the reason when this pause began; empty when nothing was."""
    for event in manifest.events:
        if event.type == breaks.PAUSED and abs(event.at_ms - gap.from_ms) < WITHIN_MS:
            return str(event.data.get("reason", ""))
    return ""
