# SPDX-License-Identifier: Apache-2.0
"""Forms of what the API says and takes about custody and copies; a test holds the answers to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from web.api.core import Body
from web.api.session_shapes import Exact, UtcMs


class CustodyEvent(Exact):
    """One row of the audit."""

    seq: int
    utc_ms: UtcMs
    by_kind: str
    by_name: str
    action: str
    data: dict[str, Any]
    address: str
    digest: str


class CustodyPage(Exact):
    """Rows of one session, the newest first. `next`: ask again with it as `before`."""

    events: list[CustodyEvent]
    next: int | None


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Reason = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
TrackId = Annotated[str, StringConstraints(min_length=1, max_length=96)]
SessionMs = Annotated[int, Field(ge=0, le=10**9, description="Milliseconds on the session clock.")]
Format = Literal["docx", "srt", "json"]


class NewCopy(Body):
    """A copy that is asked for. `track_ids` null: all; times null: from the beginning, to the end."""

    purpose: Line
    recipient: Line
    track_ids: Annotated[list[TrackId], Field(min_length=1, max_length=200)] | None = None
    from_ms: SessionMs | None = None
    to_ms: SessionMs | None = None
    formats: Annotated[list[Format], Field(max_length=3)] = []


class Decision(Body):
    """Yes or no; no needs a reason."""

    approve: bool
    reason: Reason = ""


class CopyCan(Exact):
    """What the caller may do with it now."""

    decide: bool
    cancel: bool
    retry: bool
    fetch: bool


class CopyShape(Exact):
    """One copy and how far it is."""

    id: str
    session_id: str
    session_title: str
    state: Literal["asked", "refused", "cancelled", "approved", "ready", "failed", "expired"]
    progress: float
    purpose: str
    recipient: str
    track_ids: list[str] | None
    from_ms: int | None
    to_ms: int | None
    formats: list[str]
    asked_by_name: str
    asked_utc_ms: UtcMs
    decided_by_name: str
    decided_utc_ms: UtcMs | None
    reason: str
    bytes: int
    sha256: str
    expires_utc_ms: UtcMs | None
    downloads: int
    error_code: str
    can: CopyCan


class CopyList(Exact):
    """The newest first."""

    copies: list[CopyShape]
