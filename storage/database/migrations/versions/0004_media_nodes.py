# SPDX-License-Identifier: Apache-2.0
"""Media processes with their leases, and which room is where."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media_node",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("peers", sa.BigInteger(), nullable=False),
        sa.Column("rooms", sa.BigInteger(), nullable=False),
        sa.Column("lease_until_utc_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_media_node"),
    )
    op.create_table(
        "room_placement",
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("placed_utc_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", name="pk_room_placement"),
    )
    op.create_index("ix_room_placement_node_id", "room_placement", ["node_id"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
