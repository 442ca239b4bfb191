# SPDX-License-Identifier: Apache-2.0
"""How long recordings are kept, holds, and what was deleted at its time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_keeping",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("retention_class", sa.String(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("hold_reason", sa.String(), nullable=False),
        sa.Column("hold_by_name", sa.String(), nullable=False),
        sa.Column("hold_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("lock_pending", sa.Boolean(), nullable=False),
        sa.Column("lock_mode", sa.String(), nullable=False),
        sa.Column("locked_until_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("store_held", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_session_keeping_session_id"),
        sa.PrimaryKeyConstraint("session_id", name="pk_session_keeping"),
    )
    op.create_index("ix_session_keeping_pending", "session_keeping", ["county", "lock_pending"])
    op.create_table(
        "tombstone",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("retention_class", sa.String(), nullable=False),
        sa.Column("due_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("begun_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("manifest_key", sa.String(), nullable=False),
        sa.Column("manifest_sha256", sa.String(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_tombstone_session_id"),
        sa.PrimaryKeyConstraint("session_id", name="pk_tombstone"),
    )


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
