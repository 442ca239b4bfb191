# SPDX-License-Identifier: Apache-2.0
"""IP cameras of places, and those that are in a session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("county", sa.String(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("password_sealed", sa.String(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("created_utc_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_detail", sa.String(), nullable=False),
        sa.Column("state_utc_ms", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_camera_place_id"),
        sa.PrimaryKeyConstraint("id", name="pk_camera"),
        sa.UniqueConstraint("county", "place_id", "name", name="uq_camera_county_place_id_name"),
    )
    op.create_table(
        "session_camera",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_session_camera_camera_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["participant.id"], name="fk_session_camera_owner_id"),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"], name="fk_session_camera_participant_id"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_session_camera_session_id"),
        sa.PrimaryKeyConstraint("session_id", "camera_id", name="pk_session_camera"),
    )
    op.create_index("ix_session_camera_camera_id", "session_camera", ["camera_id"])


def downgrade() -> None:
    raise NotImplementedError("put the copy in data/backup back instead")
