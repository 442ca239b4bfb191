# SPDX-License-Identifier: Apache-2.0
"""Credentials of relays: what coturn computes, when they end, and how they are written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from storage.settings import Settings
from storage.turn import TURN_LIFE_S, ice_servers, link_values

RELAY, PLAIN = "turn:turn.example.net:3478?transport=udp", "stun:stun.example.net"


def test_the_user_name_says_until_when_and_the_password_is_its_hmac() -> None:
    (found,) = ice_servers([RELAY], "secret", "anna", 1_000_000.7)
    assert found["username"] == f"{1_000_000 + TURN_LIFE_S}:anna"
    # printf '1043200:anna' | openssl dgst -sha1 -hmac secret -binary | base64
    assert found["credential"] == "0gK4DZsl5NZR9g76ce1B0JLmZ20="
    assert link_values([found]) == [
        f'<{RELAY}>; rel="ice-server"; username="1043200:anna"; credential="0gK4DZsl5NZR9g76ce1B0JLmZ20="; '
        'credential-type="password"'
    ]


def test_nothing_is_given_without_a_secret_and_nothing_by_default() -> None:
    assert ice_servers([], "secret", "anna", 1.0) == []
    assert ice_servers([RELAY, PLAIN], "", "anna", 1.0) == [{"urls": [PLAIN]}]
    assert link_values([{"urls": [PLAIN]}]) == [f'<{PLAIN}>; rel="ice-server"']
    assert Settings().turn_uris == []


@pytest.mark.parametrize(
    "uri", ["turn.example.net", "http://turn.example.net", "turn:", 'turn:a"b', "turn:a?transport=x"]
)
def test_a_wrong_address_of_a_relay_is_a_wrong_setting(uri: str) -> None:
    with pytest.raises(ValidationError):
        Settings(turn_uris=[uri])
    Settings(turn_uris=[RELAY, "turns:[2001:db8::1]:443?transport=tcp"])
