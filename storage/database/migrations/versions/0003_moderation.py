# SPDX-License-Identifier: Apache-2.0
"""Who leads a session and who may come in; events on their way to addresses outside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("session") as table:
        table.add_column(sa.Column("host_peer_id", sa.String(), nullable=True))
        table.add_column(sa.Column("locked", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("waiting_room", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("barred", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("moderation_version", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("participant") as table:
        table.add_column(sa.Column("admission", sa.String(), nullable=False, server_default=""))
    # The defaults were for the rows that are there; new rows bring their own values.
    with op.batch_alter_table("session") as table:
        for name, kind in (("locked", sa.Boolean()), ("waiting_room", sa.Boolean()), ("barred", sa.JSON())):
            table.alter_column(name, existing_type=kind, server_default=None)
        table.alter_column("moderation_version", existing_type=sa.BigInteger(), server_default=None)
    with op.batch_alter_table("participant") as table:
        table.alter_column("admission", existing_type=sa.String(), server_default=None)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
    )
    op.create_index("ix_webhook_delivery_url", "webhook_delivery", ["url", "id"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
