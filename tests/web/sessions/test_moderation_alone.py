# SPDX-License-Identifier: Apache-2.0
"""Moderation without a mediaserver, and what is no act of moderation at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.front import Browser, Reply
from tests.web.sessions.house import House


async def moderate(browser: Browser, session_id: str, action: str) -> Reply:
    return await browser.post(f"/api/sessions/{session_id}/moderation", {"action": action})


@pytest.mark.parametrize(
    "body", [{}, {"action": "dance"}, {"action": "mute", "source": "x"}, {"action": "lock", "n": 1}]
)
async def test_what_is_no_act_is_refused(lonely: House, body: dict[str, Any]) -> None:
    host = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(host)
    reply = await host.post(f"/api/sessions/{session_id}/moderation", body)
    assert (reply.status, reply.code) == (400, "input_invalid")


async def test_without_a_mediaserver_what_lasts_is_kept_and_the_rest_says_so(lonely: House) -> None:
    host = await lonely.front.signed_in("station_officer")
    session_id = await lonely.session(host)
    assert (await moderate(host, session_id, "lock")).body["moderation"]["locked"] is True
    assert (await moderate(host, session_id, "mute")).code == "media_away"
