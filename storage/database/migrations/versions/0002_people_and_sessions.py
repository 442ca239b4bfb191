# SPDX-License-Identifier: Apache-2.0
"""People, sets, sign-ins, sessions, consents, events, audit; a transcript belongs to a session from now on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def upgrade() -> None:
    _places_and_people()
    _links_and_sign_ins()
    _sessions()
    _people_in_sessions()
    _evidence()
    _sessions_of_older_transcripts()
    _transcripts()


def _places_and_people() -> None:
    op.create_table(
        "place",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_place"),
        sa.UniqueConstraint("county", "name", name="uq_place_county_name"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_utc_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_account_place_id"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("county", "username", name="uq_account_county_username"),
    )
    op.create_table(
        "room_set",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_room_set_place_id"),
        sa.PrimaryKeyConstraint("id", name="pk_room_set"),
        sa.UniqueConstraint("county", "name", name="uq_room_set_county_name"),
    )


def _links_and_sign_ins() -> None:
    op.create_table(
        "invitation",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_utc_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_invitation"),
    )
    op.create_index("ix_invitation_subject_id", "invitation", ["subject_id"])
    op.create_table(
        "sign_in",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sign_in"),
    )
    op.create_index("ix_sign_in_subject_id", "sign_in", ["subject_id"])


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_left_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("recording", sa.String(), nullable=False),
        sa.Column("recording_version", sa.BigInteger(), nullable=False),
        sa.Column("recording_reason", sa.String(), nullable=False),
        sa.Column("recording_started_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("report_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("manifest_key", sa.String(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_session_place_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_list", "session", ["county", "created_utc_ms"])
    op.create_index("ix_session_state", "session", ["county", "state"])


def _people_in_sessions() -> None:
    op.create_table(
        "participant",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place_name", sa.String(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("joined_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("left_utc_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_participant_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_participant"),
        sa.UniqueConstraint("session_id", "kind", "subject_id", name="uq_participant_session_id_kind_subject_id"),
    )
    op.create_index("ix_participant_session_id", "participant", ["session_id"])
    op.create_index("ix_participant_subject_id", "participant", ["subject_id"])
    op.create_table(
        "attendee",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("removed_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"], name="fk_attendee_participant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attendee"),
    )
    op.create_index("ix_attendee_participant_id", "attendee", ["participant_id"])


def _evidence() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("attendee_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("by_kind", sa.String(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=False),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("utc_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attendee_id"], ["attendee.id"], name="fk_consent_attendee_id"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_consent_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
    )
    op.create_index("ix_consent_session_id", "consent", ["session_id"])
    op.create_table(
        "session_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("utc_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_session_event_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session_event"),
    )
    op.create_index("ix_session_event_session_id", "session_event", ["session_id"])
    op.create_table(
        "audit_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_kind", sa.String(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=False),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_object", "audit_event", ["object_id"])
    op.create_index("ix_audit_event_time", "audit_event", ["county", "utc_ms"])


def _sessions_of_older_transcripts() -> None:
    """Transcripts from before sessions had rows get one that has ended, so that no transcript is lost."""
    link = op.get_bind()
    text = sa.table("transcript", sa.column("session_id"), sa.column("county"), sa.column("language"))
    session = sa.table(
        "session",
        *(sa.column(name) for name in ("id", "county", "title", "language", "created_by", "created_utc_ms", "state")),
        *(sa.column(name) for name in ("recording", "recording_version", "recording_reason")),
    )
    oldest = sa.func.min
    found = link.execute(
        sa.select(text.c.session_id, oldest(text.c.county), oldest(text.c.language)).group_by(text.c.session_id)
    )
    for session_id, county, language in found.all():
        row = {"id": session_id, "county": county, "title": "", "language": language, "created_by": ""}
        row |= {"created_utc_ms": _utc_ms_of_id(session_id), "state": "ended"}
        row |= {"recording": "stopped", "recording_version": 0, "recording_reason": ""}
        link.execute(session.insert().values(**row))


def _utc_ms_of_id(text: str) -> int:
    """When an id was made (its first 50 bits); 0 for a text that is none of our ids."""
    if len(text) != 26 or not set(text) <= set(_ID_ALPHABET):
        return 0
    value = 0
    for letter in text[:10]:
        value = value << 5 | _ID_ALPHABET.index(letter)
    return value


def _transcripts() -> None:
    with op.batch_alter_table("transcript") as table:
        table.add_column(sa.Column("created_utc_ms", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("finished_utc_ms", sa.BigInteger(), nullable=True))
        table.create_foreign_key("fk_transcript_session_id", "session", ["session_id"], ["id"])
    with op.batch_alter_table("transcript") as table:
        table.alter_column("created_utc_ms", existing_type=sa.BigInteger(), server_default=None)
    with op.batch_alter_table("transcript_line") as table:
        for name in ("n", "start_ms", "end_ms"):
            table.alter_column(name, existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False)


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
