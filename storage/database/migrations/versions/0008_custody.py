# SPDX-License-Identifier: Apache-2.0
"""The audit becomes a chain that only grows, and copies of recordings are asked for and approved."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from storage.custody import FIRST, Entry, digest_of

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_REFUSAL = "audit rows are only ever added"
_ENTRY = "county, id, utc_ms, by_kind, by_id, by_name, action, object_id, data, address"


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("county", name="pk_audit_head"),
    )
    with op.batch_alter_table("audit_event") as batch:
        batch.add_column(sa.Column("seq", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("digest", sa.String(), nullable=True))
    _chain_what_is_there()
    with op.batch_alter_table("audit_event") as batch:
        batch.alter_column("seq", existing_type=sa.BigInteger(), nullable=False)
        batch.alter_column("digest", existing_type=sa.String(), nullable=False)
        batch.create_unique_constraint("uq_audit_event_county_seq", ["county", "seq"])
    _refuse_changes()
    _make_exports()


def _chain_what_is_there() -> None:
    """Rows of before get their numbers in the order of their making."""
    link = op.get_bind()
    heads: dict[str, tuple[int, str]] = {}
    found = link.execute(sa.text(f"SELECT {_ENTRY} FROM audit_event ORDER BY id")).mappings().all()  # noqa: S608
    for row in found:
        seq, digest = heads.get(row["county"], (0, FIRST))
        data = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
        made = digest_of(digest, Entry(**{**row, "data": data, "seq": seq + 1}))
        values = {"id": row["id"], "seq": seq + 1, "digest": made}
        link.execute(sa.text("UPDATE audit_event SET seq = :seq, digest = :digest WHERE id = :id"), values)
        heads[row["county"]] = (seq + 1, made)
    for county, (seq, digest) in heads.items():
        values = {"county": county, "seq": seq, "digest": digest}
        link.execute(sa.text("INSERT INTO audit_head (county, seq, digest) VALUES (:county, :seq, :digest)"), values)


def _refuse_changes() -> None:
    """A migration that makes this table anew on SQLite has to put the triggers back."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_event_no_{what.lower()} BEFORE {what} ON audit_event "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()"
    )
    op.execute(
        "CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()"
    )


def _make_exports() -> None:
    op.create_table(
        "export_request",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("track_ids", sa.JSON(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("formats", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_by_name", sa.String(), nullable=False),
        sa.Column("asked_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_by_name", sa.String(), nullable=False),
        sa.Column("decided_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("made_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_export_request_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_export_request"),
    )
    op.create_index("ix_export_request_session_id", "export_request", ["session_id"])
    op.create_index("ix_export_request_state", "export_request", ["county", "state"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
