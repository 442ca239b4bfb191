# SPDX-License-Identifier: Apache-2.0
"""Tables. Every row carries its county; times are UTC in milliseconds since 1970."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON, list[Any]: JSON}


class Transcript(Base):
    """One transcription of one session: the order, its progress, and where its result lies."""

    __tablename__ = "transcript"
    __table_args__ = (Index("ix_transcript_state", "county", "state"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    county: Mapped[str]
    session_id: Mapped[str] = mapped_column(index=True)
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


class TranscriptLine(Base):
    """One line of a transcript on the session clock."""

    __tablename__ = "transcript_line"

    transcript_id: Mapped[str] = mapped_column(ForeignKey("transcript.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    start_ms: Mapped[int]
    end_ms: Mapped[int]
    peer_id: Mapped[str]
    speaker: Mapped[str]
    text: Mapped[str]
    flags: Mapped[list[str]]


class WorkerHeartbeat(Base):
    """When a worker was last seen alive; a silent one's jobs are taken over."""

    __tablename__ = "worker_heartbeat"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    beat_utc_ms: Mapped[int]
