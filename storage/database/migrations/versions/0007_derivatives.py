# SPDX-License-Identifier: Apache-2.0
"""What is made of sealed recordings afterwards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "derivative",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("result_key", sa.String(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_utc_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_derivative_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_derivative"),
        sa.UniqueConstraint("session_id", "kind", name="uq_derivative_session_id_kind"),
    )
    op.create_index("ix_derivative_state", "derivative", ["county", "state"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
