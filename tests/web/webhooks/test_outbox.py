# SPDX-License-Identifier: Apache-2.0
"""What an event of a session tells outside."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Session, WebhookDelivery
from web.webhooks.outbox import Outbox


class Kept:
    """Stands for the transaction."""

    def __init__(self) -> None:
        self.rows: list[WebhookDelivery] = []

    def add(self, row: WebhookDelivery) -> None:
        self.rows.append(row)


def told(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    kept, session = Kept(), Session(id="s", title="t")
    Outbox(["https://there"], "default").happened(cast(AsyncSession, kept), session, kind, data, 1)
    (row,) = kept.rows
    return cast(dict[str, Any], json.loads(row.body)["data"])


@pytest.mark.parametrize("kind", ["recording_paused", "recording_resumed"])
def test_a_written_reason_stays_inside_a_word_of_the_list_goes_out(kind: str) -> None:
    assert told(kind, {"reason": "rest", "by": {"name": "王"}}) == {"reason": "rest", "by": {"name": "王"}}
    assert told(kind, {"reason": "consent_withdrawn"}) == {"reason": "consent_withdrawn"}
    assert told(kind, {"reason": "吴家要先商量赔多少", "by": {"name": "王"}}) == {"by": {"name": "王"}}
    assert told(kind, {"reason": ""}) == {}


def test_why_a_session_ended_is_no_written_reason() -> None:
    assert told("session_ended", {"reason": "everybody_left"}) == {"reason": "everybody_left"}
