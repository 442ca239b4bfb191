# SPDX-License-Identifier: Apache-2.0
"""Transcripts, their lines and the workers that make them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transcript",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=True),
        sa.Column("result_key", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transcript"),
    )
    op.create_index("ix_transcript_session_id", "transcript", ["session_id"])
    op.create_index("ix_transcript_state", "transcript", ["county", "state"])
    op.create_table(
        "transcript_line",
        sa.Column("transcript_id", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.Column("peer_id", sa.String(), nullable=False),
        sa.Column("speaker", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["transcript_id"], ["transcript.id"], name="fk_transcript_line_transcript_id"),
        sa.PrimaryKeyConstraint("transcript_id", "n", name="pk_transcript_line"),
    )
    op.create_table(
        "worker_heartbeat",
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("beat_utc_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name="pk_worker_heartbeat"),
    )


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
