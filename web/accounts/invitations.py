# SPDX-License-Identifier: Apache-2.0
"""One-time links: by one an account sets its password, by one a browser becomes a set. Nothing here reads a clock."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Invitation
from web.accounts.sign_ins import token_hash

LIFE_MS: Final = 24 * 3_600_000
_LONGEST_TOKEN = 128


class InvitationRefused(Exception):
    """The link cannot be used: `code` is invitation_invalid, invitation_expired or invitation_used."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code: Final = code


async def make(
    db: AsyncSession, county: str, kind: str, subject_id: str, created_by: str, now_ms: int
) -> tuple[str, int]:
    """A new link for an account or set as (token, end of its life); links made before for it end now."""
    older = and_(
        Invitation.kind == kind,
        Invitation.subject_id == subject_id,
        Invitation.used_utc_ms.is_(None),
        Invitation.expires_utc_ms > now_ms,
    )
    await db.execute(update(Invitation).where(older).values(expires_utc_ms=now_ms))
    token = secrets.token_urlsafe(32)
    db.add(
        Invitation(
            token_hash=token_hash(token),
            county=county,
            kind=kind,
            subject_id=subject_id,
            created_by=created_by,
            created_utc_ms=now_ms,
            expires_utc_ms=now_ms + LIFE_MS,
            used_utc_ms=None,
        )
    )
    return token, now_ms + LIFE_MS


async def find(db: AsyncSession, token: str, now_ms: int) -> Invitation:
    """The link of a token while it can be used: until and without the last millisecond. Raises InvitationRefused."""
    if len(token) > _LONGEST_TOKEN:
        raise InvitationRefused("invitation_invalid")
    hashed = token_hash(token)
    found = await db.scalar(select(Invitation).where(Invitation.token_hash == hashed))
    if found is None or not hmac.compare_digest(found.token_hash, hashed):
        raise InvitationRefused("invitation_invalid")
    if found.used_utc_ms is not None:
        raise InvitationRefused("invitation_used")
    if now_ms >= found.expires_utc_ms:
        raise InvitationRefused("invitation_expired")
    return found


async def use(db: AsyncSession, invitation: Invitation, now_ms: int) -> None:
    """Use the link up. Raises InvitationRefused when somebody else did at the same moment."""
    unused = and_(Invitation.token_hash == invitation.token_hash, Invitation.used_utc_ms.is_(None))
    result = await db.execute(update(Invitation).where(unused).values(used_utc_ms=now_ms).returning(Invitation.kind))
    if result.first() is None:
        raise InvitationRefused("invitation_used")
