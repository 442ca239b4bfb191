# SPDX-License-Identifier: Apache-2.0
"""Who did it: the actor of a step, and the audit row that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from storage.database import audit_chain


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a set, or the system itself."""

    kind: str
    id: str
    name: str
    address: str = ""

    def named(self) -> dict[str, str]:
        """For an event's data."""
        return {"kind": self.kind, "id": self.id, "name": self.name}


SYSTEM: Final = Actor("system", "", "")


def note(
    db: AsyncSession, county: str, actor: Actor, action: str, object_id: str, utc_ms: int, data: dict[str, Any]
) -> None:
    """Add an audit row to this transaction."""
    by = (actor.kind, actor.id, actor.name, actor.address)
    audit_chain.write(db, county, by, action, object_id, utc_ms, data)
