# SPDX-License-Identifier: Apache-2.0
"""Private talks: sessions of their own beside a main one, which rests meanwhile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("caucus_id", sa.String(), nullable=True))
    op.add_column("session", sa.Column("caucus_since_utc_ms", sa.BigInteger(), nullable=True))
    op.add_column("session", sa.Column("caucus_of", sa.String(), nullable=True))
    op.create_index("ix_session_caucus_of", "session", ["caucus_of"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
