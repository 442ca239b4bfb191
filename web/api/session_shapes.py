# SPDX-License-Identifier: Apache-2.0
"""Forms of what the API says and takes about sessions; a test holds the answers to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from web.api.core import Body
from web.casework.breaks import BY_RULE, LONGEST_REASON
from web.casework.marks import LONGEST_LABEL

SessionId = Annotated[str, StringConstraints(min_length=1, max_length=26)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]
MarkName = Annotated[str, StringConstraints(max_length=LONGEST_LABEL, pattern=r"^[^\x00-\x1f\x7f]*$")]
SpokenLanguage = Literal["zh", "en"]
AttendeeKind = Literal[
    "officer",
    "mediator",
    "party",
    "companion",
    "village_cadre",
    "witness",
    "guardian",
    "interpreter",
    "other",
]
UtcMs = Annotated[int, Field(description="Milliseconds since 1970, UTC.")]
MAX_PEOPLE = 30


class Exact(BaseModel):
    """An answer: exactly these fields."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class NamedPlace(Exact):
    """Where a session belongs."""

    id: str
    name: str


class Recording(Exact):
    """The recording as the server knows it. Times in ms are on the session clock."""

    state: Literal["off", "on", "paused", "stopped", "uploading", "sealed", "error", "expired"]
    since_utc_ms: UtcMs | None
    started_utc_ms: UtcMs | None
    recorded_to_ms: int
    uploaded_to_ms: int
    waiting_uploads: int
    waiting_bytes: int
    warning: Literal["store_away", "disk_full", "disk_failed", "disk_low", "recorder_away"] | None
    complete: bool | None
    expired_utc_ms: UtcMs | None
    reason: str


class TranscriptState(Exact):
    """How far a transcription is."""

    id: str
    state: Literal["queued", "running", "done", "failed"]
    progress: float
    step: str
    error_code: str | None
    model: str | None


class Can(Exact):
    """What the caller may do."""

    join: bool
    lead: bool
    moderate: bool
    take_over: bool
    read: bool


class SessionSummary(Exact):
    """One line of the list."""

    id: str
    title: str
    place: NamedPlace | None
    state: Literal["open", "live", "ended"]
    created_utc_ms: UtcMs
    started_utc_ms: UtcMs | None
    ended_utc_ms: UtcMs | None
    people: list[str]
    duration_ms: int | None
    recording: Recording
    transcript: TranscriptState | None
    can: Can
    caucus_of: Annotated[str | None, Field(description="Of a private talk: the session beside which it is held.")]


class AttendeeShape(Exact):
    """One person before a camera."""

    id: str
    name: str
    kind: AttendeeKind
    agreed: bool | None
    agreed_utc_ms: UtcMs | None


class ParticipantShape(Exact):
    """One endpoint."""

    peer_id: str
    kind: Literal["account", "set", "camera", "door", "watcher"]
    name: str
    place_name: str
    role: str
    present: bool
    me: bool
    joined_utc_ms: UtcMs | None
    left_utc_ms: UtcMs | None
    attendees: list[AttendeeShape]


class SessionEventShape(Exact):
    """Something that happened."""

    type: str
    data: dict[str, Any]
    utc_ms: UtcMs


class KeptOut(Exact):
    """Somebody who may not come in until the host allows it."""

    peer_id: str
    name: str
    place_name: str
    why: Literal["removed", "denied"]


class ModerationShape(Exact):
    """What lasts of the moderation; only the host is told who is kept out."""

    host_peer_id: str | None
    host_present: bool
    locked: bool
    waiting_room: bool
    kept_out: list[KeptOut]


class SourceAlarmShape(Exact):
    """What is wrong with one source of one endpoint at this moment."""

    name: Literal["track_stalled", "camera_black", "mic_silent", "mic_clipping"]
    peer_id: str
    source: str
    since_utc_ms: int


class MarkerShape(Exact):
    """A moment that somebody marked; `mine`: by the caller."""

    id: str
    label: str
    utc_ms: UtcMs
    by_name: str
    mine: bool


class SectionShape(Exact):
    """A named stretch of the record; the end is null while it goes on."""

    id: str
    label: str
    from_utc_ms: UtcMs
    to_utc_ms: UtcMs | None
    by_name: str


class MarksShape(Exact):
    """Markers and sections as they stand."""

    may_mark: bool
    markers: list[MarkerShape]
    sections: list[SectionShape]


class CaucusShape(Exact):
    """A private talk beside this session; `session_id` null for whom it does not exist."""

    from_utc_ms: UtcMs
    to_utc_ms: UtcMs | None
    session_id: str | None


class SessionDetail(SessionSummary):
    """Everything about one session."""

    language: str
    participants: list[ParticipantShape]
    missing_consents: list[str]
    consent_text_version: str
    moderation: ModerationShape
    alarms: list[SourceAlarmShape]
    """What is wrong with a camera or microphone at this moment."""
    marks: MarksShape
    caucuses: list[CaucusShape]
    events: list[SessionEventShape]


class MarkPut(Exact):
    """What was set, and the session after it."""

    id: str
    session: SessionDetail


class SessionList(Exact):
    """A page of the list; `next` goes into `before` of the next question."""

    sessions: list[SessionSummary]
    next: str | None


class JoinAnswer(Exact):
    """What a page needs to come in; the token lives for a minute."""

    token: str
    ws_path: str
    peer_id: str


class ConsentText(Exact):
    """The text in force, by language."""

    version: str
    texts: dict[str, str]


class TranscriptLineShape(Exact):
    """One line on the session clock."""

    n: int
    turn: int
    start_ms: int
    end_ms: int
    peer_id: str
    speaker: str
    text: str
    flags: list[str]


class TranscriptShape(Exact):
    """A transcript with what is written so far."""

    transcript: TranscriptState | None
    lines: list[TranscriptLineShape]


class CertificateSentence(Exact):
    """One sentence of a certificate; `from_ms` lies on the session clock."""

    section: Literal["recorded", "finding", "missing", "interruptions", "seal"]
    text: str
    from_ms: int | None


class CertificateShape(Exact):
    """What the seal says of a recording."""

    session_id: str
    complete: bool
    integrity_code: str
    sentences: list[CertificateSentence]


class NewSession(Body):
    """A new session at the caller's place."""

    title: Title
    language: SpokenLanguage | None = None


class SessionChange(Body):
    """What shall change."""

    title: Title


class PersonBody(Body):
    """One person before the camera; without an id, somebody new."""

    id: SessionId | None = None
    name: PersonName
    kind: AttendeeKind


class AttendeesBody(Body):
    """Everybody before the caller's camera, in order."""

    people: list[PersonBody] = Field(min_length=1, max_length=MAX_PEOPLE)


class ConsentBody(Body):
    """Somebody's word."""

    attendee_id: SessionId
    agreed: bool
    text_version: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ModerationBody(Body):
    """One act of moderation."""

    action: Annotated[
        Literal[
            "mute",
            "ask_unmute",
            "remove",
            "allow",
            "lock",
            "waiting_room",
            "admit",
            "deny",
            "raise_hand",
            "lower_hand",
            "hand_over",
            "take_over",
            "spotlight",
        ],
        Field(description="Who leads the session may do all of them, everybody raise_hand and lower_hand (their own)."),
    ]
    peer_id: Annotated[
        SessionId | None,
        Field(description="Whom; null: everybody else (mute), all hands (lower_hand), nobody (spotlight)."),
    ] = None
    source: Annotated[Literal["mic", "cam", "screen"], Field(description="For mute and ask_unmute.")] = "mic"
    on: Annotated[bool, Field(description="For lock and waiting_room.")] = True


class PeerName(Exact):
    """Who did something."""

    peer_id: str
    name: str


class MutedShape(Exact):
    """A source that the host muted and its owner has not switched on again."""

    peer_id: str
    source: Literal["mic", "cam", "screen"]
    by: PeerName


class HandShape(Exact):
    """A raised hand."""

    peer_id: str
    since_utc_ms: UtcMs


class KnockShape(Exact):
    """Somebody who waits to be let in."""

    peer_id: str
    name: str
    place: str
    since_utc_ms: UtcMs


class LiveModeration(Exact):
    """The moderation of the running room; only the host is told who knocks."""

    host: str
    locked: bool
    waiting_room: bool
    spotlight: str
    hands: list[HandShape]
    muted: list[MutedShape]
    resting_since_utc_ms: Annotated[UtcMs, Field(description="A private talk is held beside the room; 0: none.")]
    knocking: list[KnockShape]
    knocking_count: int


class CaucusBody(Body):
    """Whom the host asks into a private talk."""

    peer_ids: list[SessionId] = Field(min_length=1, max_length=MAX_PEOPLE)


class CaucusBegun(Exact):
    """The session of the private talk, and the main one after it began."""

    session_id: str
    session: SessionDetail


class RecordingBody(Body):
    """A press of a recording button."""

    step: Literal["start", "pause", "resume"]
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON, pattern=r"^[^\x00-\x1f\x7f]*$"),
        Field(
            description="Why: one of rest, papers, enquiry, equipment, or a few words. It is sealed with the record."
        ),
    ] = ""

    @model_validator(mode="after")
    def _reason_is_the_persons(self) -> Self:
        if self.reason in BY_RULE:
            raise ValueError("this reason is given by the rules alone")
        return self


class MarkBody(Body):
    """A press of the marker's or a section's button. A section needs a label, a marker gets one also afterwards."""

    kind: Literal["marker", "section"]
    label: MarkName = ""

    @model_validator(mode="after")
    def _section_is_named(self) -> Self:
        if self.kind == "section" and not self.label.strip():
            raise ValueError("a section needs a label")
        return self


class MarkLabel(Body):
    """What a marker or section is called from now on."""

    label: Annotated[MarkName, StringConstraints(min_length=1)]
