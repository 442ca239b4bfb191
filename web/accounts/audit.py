# SPDX-License-Identifier: Apache-2.0
"""Who looked at, changed or took out what. Rows are only ever added, in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from storage.database import audit_chain
from web.api.core import Caller


def note(
    db: AsyncSession, caller: Caller, action: str, object_id: str, now_ms: int, data: Mapping[str, Any] | None = None
) -> None:
    """Add a row, for example `account.create`. `data` holds no secret and nothing that people said."""
    by = (caller.kind, caller.id, caller.name, caller.address)
    audit_chain.write(db, caller.county, by, action, object_id, now_ms, dict(data or {}))
