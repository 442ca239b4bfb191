# SPDX-License-Identifier: Apache-2.0
"""Tables. Every row carries its county or hangs on one that does; times are UTC in milliseconds since 1970.

Rows that are evidence (consents, events, audit) are only ever added. Ids are made by `storage.ids.new_id`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can find it on every engine."""


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON, list[Any]: JSON, int: BigInteger}


class Place(Base):
    """A station with its video room, or a desk at headquarters."""

    __tablename__ = "place"
    __table_args__ = (UniqueConstraint("county", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    kind: Mapped[str]
    """station or desk."""
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    created_utc_ms: Mapped[int]


class Account(Base):
    """A person who signs in."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("county", "username"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    username: Mapped[str]
    """Lower case."""
    name: Mapped[str]
    role: Mapped[str]
    """administrator, station_officer, hq_officer or clerk."""
    place_id: Mapped[str | None] = mapped_column(ForeignKey("place.id"))
    password_hash: Mapped[str | None]
    """argon2id; None until the first password was set by a one-time link."""
    must_change_password: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str | None]
    """zh-CN or en; None: as the browser asks."""
    created_utc_ms: Mapped[int]
    last_sign_in_utc_ms: Mapped[int | None]


class RoomSet(Base):
    """The equipment of one video room: a browser that is enrolled once and stays signed in."""

    __tablename__ = "room_set"
    __table_args__ = (UniqueConstraint("county", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    place_id: Mapped[str] = mapped_column(ForeignKey("place.id"))
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str | None]
    """zh-CN or en; None: as the browser asks."""
    created_utc_ms: Mapped[int]


class Camera(Base):
    """An IP camera of a place, reached by RTSP."""

    __tablename__ = "camera"
    __table_args__ = (UniqueConstraint("county", "place_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    place_id: Mapped[str] = mapped_column(ForeignKey("place.id"))
    name: Mapped[str]
    address: Mapped[str]
    """rtsp://…, without user name and password."""
    username: Mapped[str] = mapped_column(default="")
    password_sealed: Mapped[str] = mapped_column(default="")
    """See `storage.camera_passwords`; empty without a password."""
    transport: Mapped[str]
    """tcp or udp."""
    sound: Mapped[bool] = mapped_column(default=False)
    """Its sound is taken, too."""
    created_utc_ms: Mapped[int]
    state: Mapped[str] = mapped_column(default="")
    """Newest state (mediaserver.cameras.states), of a test picture or a session; empty before the first."""
    state_detail: Mapped[str] = mapped_column(default="")
    state_utc_ms: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]


class Invitation(Base):
    """A one-time link by which an account sets its password or a browser becomes a set."""

    __tablename__ = "invitation"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the token, hex; the token itself is nowhere kept."""
    county: Mapped[str]
    kind: Mapped[str]
    """account or set."""
    subject_id: Mapped[str] = mapped_column(index=True)
    created_by: Mapped[str]
    created_utc_ms: Mapped[int]
    expires_utc_ms: Mapped[int]
    used_utc_ms: Mapped[int | None]


class SignIn(Base):
    """One browser's sign-in. The cookie holds a token of which only the hash is here."""

    __tablename__ = "sign_in"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    kind: Mapped[str]
    """account or set."""
    subject_id: Mapped[str] = mapped_column(index=True)
    created_utc_ms: Mapped[int]
    expires_utc_ms: Mapped[int]
    seen_utc_ms: Mapped[int]
    """Last request, written at most every 15 s."""
    ended_utc_ms: Mapped[int | None]
    end_reason: Mapped[str] = mapped_column(default="")
    """signed_out, replaced, released, disabled or password_changed."""
    user_agent: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")


class Session(Base):
    """One call that may be recorded. Its id is also the room's."""

    __tablename__ = "session"
    __table_args__ = (
        Index("ix_session_list", "county", "created_utc_ms"),
        Index("ix_session_state", "county", "state"),
        Index("ix_session_caucus_of", "caucus_of"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    place_id: Mapped[str | None] = mapped_column(ForeignKey("place.id"))
    title: Mapped[str]
    language: Mapped[str]
    """Spoken language, for the speech engine."""
    created_by: Mapped[str]
    """Id of the account or set that opened it."""
    created_utc_ms: Mapped[int]
    state: Mapped[str]
    """open, live or ended (web.casework.sessions)."""
    started_utc_ms: Mapped[int | None]
    """When the first peer came in."""
    ended_utc_ms: Mapped[int | None]
    last_left_utc_ms: Mapped[int | None]
    recording: Mapped[str]
    """off, on, paused or stopped: the order given to the mediaserver."""
    recording_version: Mapped[int] = mapped_column(default=0)
    recording_reason: Mapped[str] = mapped_column(default="")
    recording_started_utc_ms: Mapped[int | None]
    report: Mapped[dict[str, Any] | None]
    """The recorder's last word on this session, as its `/sessions` gives it."""
    report_utc_ms: Mapped[int | None]
    manifest_key: Mapped[str | None]
    complete: Mapped[bool | None]
    duration_ms: Mapped[int | None]
    """Length of the sealed recording."""
    host_peer_id: Mapped[str | None]
    """Participant who leads; None until the opener's endpoint is known (web.casework.moderation)."""
    locked: Mapped[bool] = mapped_column(default=False)
    waiting_room: Mapped[bool] = mapped_column(default=False)
    barred: Mapped[list[str]] = mapped_column(default=list)
    """Participants who were removed or denied."""
    moderation_version: Mapped[int] = mapped_column(default=0)
    """Grows with every change of the four above, and of the two below; the mediaserver obeys no older one."""
    caucus_id: Mapped[str | None]
    """The private talk that runs now, a session of its own; this one rests meanwhile (web.casework.caucus)."""
    caucus_since_utc_ms: Mapped[int | None]
    caucus_of: Mapped[str | None]
    """Of a private talk: the session beside which it was held."""


class Participant(Base):
    """One endpoint (an account's or a set's browser) in one session. Its id is the peer id."""

    __tablename__ = "participant"
    __table_args__ = (UniqueConstraint("session_id", "kind", "subject_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    kind: Mapped[str]
    """account, set or camera."""
    subject_id: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    """The role at the time; `set` for a set, `camera` for an IP camera."""
    name: Mapped[str]
    place_name: Mapped[str]
    present: Mapped[bool] = mapped_column(default=False)
    joined_utc_ms: Mapped[int | None]
    left_utc_ms: Mapped[int | None]
    admission: Mapped[str] = mapped_column(default="")
    """admitted, removed or denied by the host; empty: nothing was decided."""


class SessionCamera(Base):
    """A camera that an endpoint took into a session. Its own endpoint stays when it is taken out again."""

    __tablename__ = "session_camera"

    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), primary_key=True)
    camera_id: Mapped[str] = mapped_column(ForeignKey("camera.id"), primary_key=True, index=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    """The camera's own endpoint: its peer id."""
    owner_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    """Whose people it shows. It is in the room only while this endpoint is."""


class Attendee(Base):
    """One person before a participant's camera."""

    __tablename__ = "attendee"

    id: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    name: Mapped[str]
    kind: Mapped[str]
    """One of web.casework.consent.ATTENDEE_KINDS."""
    position: Mapped[int]
    removed_utc_ms: Mapped[int | None]
    """Left the room; the row and the consents stay."""
    agreed: Mapped[bool | None]
    """Newest consent; None until asked."""


class Consent(Base):
    """Somebody agreed or withdrew. Only ever added."""

    __tablename__ = "consent"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    attendee_id: Mapped[str] = mapped_column(ForeignKey("attendee.id"))
    name: Mapped[str]
    agreed: Mapped[bool]
    text_version: Mapped[str]
    language: Mapped[str]
    by_kind: Mapped[str]
    by_id: Mapped[str]
    by_name: Mapped[str]
    utc_ms: Mapped[int]


class SessionEvent(Base):
    """Something that happened in a session, as web saw it. Only ever added."""

    __tablename__ = "session_event"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    utc_ms: Mapped[int]


class SessionKeeping(Base):
    """How long a sealed recording is kept, and what the store was told of it. Made once the recording is sealed."""

    __tablename__ = "session_keeping"
    __table_args__ = (Index("ix_session_keeping_pending", "county", "lock_pending"),)

    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), primary_key=True)
    county: Mapped[str]
    retention_class: Mapped[str]
    """A name of the setting `retention_classes`; one that is no longer there is kept for ever."""
    held: Mapped[bool] = mapped_column(default=False)
    """Legal hold: nothing is deleted whatever the class says."""
    hold_reason: Mapped[str] = mapped_column(default="")
    hold_by_name: Mapped[str] = mapped_column(default="")
    hold_utc_ms: Mapped[int | None]
    lock_pending: Mapped[bool] = mapped_column(default=True)
    """The store does not know of this row's class and hold yet."""
    lock_mode: Mapped[str] = mapped_column(default="")
    """governance or compliance; empty: the store enforces no lock, or none was wanted."""
    locked_until_utc_ms: Mapped[int | None]
    """Up to when the store itself refuses to delete; only ever grows."""
    store_held: Mapped[bool] = mapped_column(default=False)
    """The store holds the objects, for a legal hold or a permanent class."""


class Tombstone(Base):
    """A recording that was deleted at its time, or is being deleted. Stays for ever."""

    __tablename__ = "tombstone"

    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), primary_key=True)
    county: Mapped[str]
    retention_class: Mapped[str]
    due_utc_ms: Mapped[int]
    begun_utc_ms: Mapped[int]
    done_utc_ms: Mapped[int | None]
    """None while objects may be left."""
    manifest_key: Mapped[str]
    manifest_sha256: Mapped[str] = mapped_column(default="")
    """Digest of the sealed manifest, which names every segment's; empty when it could not be read any more."""
    objects: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(default=0)


class AuditEvent(Base):
    """Who looked at, changed or took out what. Only ever added, by `storage.database.audit_chain`; triggers of the
    database refuse changes."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_time", "county", "utc_ms"),
        Index("ix_audit_event_object", "object_id"),
        UniqueConstraint("county", "seq"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    utc_ms: Mapped[int]
    by_kind: Mapped[str]
    """account, set, anonymous or system."""
    by_id: Mapped[str]
    by_name: Mapped[str]
    action: Mapped[str]
    """For example session.play, transcript.download, account.create, sign_in.refused."""
    object_id: Mapped[str]
    data: Mapped[dict[str, Any]]
    address: Mapped[str] = mapped_column(default="")
    seq: Mapped[int]
    """1, 2, 3 … within the county."""
    digest: Mapped[str]
    """See `storage.custody`."""


class AuditHead(Base):
    """Where a county's chain of audit rows ends."""

    __tablename__ = "audit_head"

    county: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    digest: Mapped[str]


class ExportRequest(Base):
    """A copy of a recording that was asked for, and what became of it (web.casework.exports)."""

    __tablename__ = "export_request"
    __table_args__ = (
        Index("ix_export_request_session_id", "session_id"),
        Index("ix_export_request_state", "county", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"))
    state: Mapped[str]
    purpose: Mapped[str]
    recipient: Mapped[str]
    track_ids: Mapped[list[str] | None]
    """None: all."""
    from_ms: Mapped[int | None]
    to_ms: Mapped[int | None]
    """On the session clock; None: from the beginning, to the end."""
    formats: Mapped[list[str]]
    """docx, srt, json: the transcript goes along."""
    language: Mapped[str]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    asked_utc_ms: Mapped[int]
    decided_by: Mapped[str] = mapped_column(default="")
    decided_by_name: Mapped[str] = mapped_column(default="")
    decided_utc_ms: Mapped[int | None]
    reason: Mapped[str] = mapped_column(default="")
    """The decider's word."""
    bytes: Mapped[int] = mapped_column(default=0)
    sha256: Mapped[str] = mapped_column(default="")
    made_utc_ms: Mapped[int | None]
    expires_utc_ms: Mapped[int | None]
    downloads: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str] = mapped_column(default="")


class MediaNode(Base):
    """One media process as web heard of it last."""

    __tablename__ = "media_node"

    id: Mapped[str] = mapped_column(primary_key=True)
    """worker-0, worker-1 … of this machine, NAME/0, NAME/1 … of the media node NAME."""
    boot_id: Mapped[str]
    state: Mapped[str]
    """up or draining; whose lease has run out is away, whatever stands here."""
    peers: Mapped[int]
    rooms: Mapped[int]
    lease_until_utc_ms: Mapped[int]


class RoomPlacement(Base):
    """On which media process a room is."""

    __tablename__ = "room_placement"
    __table_args__ = (Index("ix_room_placement_node_id", "node_id"),)

    room: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str]
    pinned: Mapped[bool]
    """Its recording is with the recorder there."""
    placed_utc_ms: Mapped[int]


class WebhookDelivery(Base):
    """One event on its way to one address outside; deleted when it was taken or given up (web.webhooks)."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_url", "url", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    """Sorts by time: each address gets its events in this order."""
    county: Mapped[str]
    url: Mapped[str]
    event_id: Mapped[str]
    """The same for all addresses and all attempts."""
    body: Mapped[str]
    """JSON as it is signed and sent."""
    created_utc_ms: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)


class Transcript(Base):
    """One transcription of one session: the order, its progress, and where its result lies."""

    __tablename__ = "transcript"
    __table_args__ = (Index("ix_transcript_state", "county", "state"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), index=True)
    state: Mapped[str]
    """queued, running, done or failed."""
    progress: Mapped[float] = mapped_column(default=0.0)
    """0 to 1."""
    step: Mapped[str] = mapped_column(default="")
    error_code: Mapped[str | None]
    model: Mapped[str | None]
    options: Mapped[dict[str, Any] | None]
    result_key: Mapped[str | None]
    language: Mapped[str]
    created_utc_ms: Mapped[int]
    finished_utc_ms: Mapped[int | None]


class TranscriptLine(Base):
    """One line of a transcript on the session clock."""

    __tablename__ = "transcript_line"

    transcript_id: Mapped[str] = mapped_column(ForeignKey("transcript.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start_ms: Mapped[int]
    end_ms: Mapped[int]
    peer_id: Mapped[str]
    speaker: Mapped[str]
    text: Mapped[str]
    flags: Mapped[list[str]]


class Derivative(Base):
    """What is made of a sealed recording afterwards: the order, its progress, and where its result lies."""

    __tablename__ = "derivative"
    __table_args__ = (UniqueConstraint("session_id", "kind"), Index("ix_derivative_state", "county", "state"))

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"))
    kind: Mapped[str]
    """composite or overview."""
    state: Mapped[str]
    """queued, running, done, failed or cancelled."""
    progress: Mapped[float] = mapped_column(default=0.0)
    """0 to 1."""
    error_code: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    result_key: Mapped[str | None]
    bytes: Mapped[int | None]
    sha256: Mapped[str | None]
    """Of the result, hex."""
    created_utc_ms: Mapped[int]
    finished_utc_ms: Mapped[int | None]


class WorkerHeartbeat(Base):
    """When a worker was last seen alive; a silent one's jobs are taken over."""

    __tablename__ = "worker_heartbeat"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    beat_utc_ms: Mapped[int]
