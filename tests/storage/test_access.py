# SPDX-License-Identifier: Apache-2.0
"""Room tokens and orders: who may hold one, for how long, and that none stands for another."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from storage.access import (
    AccessDenied,
    CloseOrder,
    EventOrder,
    Order,
    RemoveOrder,
    RoomOrder,
    RoomToken,
    mint_order,
    mint_room_token,
    verify_order,
    verify_room_token,
)
from storage.secret_files import secret_bytes

TOKEN = RoomToken("qingshan", "room1", "room1", "peer1", "王警官", "永安派出所")
NOW_S = 1_900_000_000.0
ORDERS: list[Order] = [
    RoomOrder("qingshan", "room1", "room1", "on", 3),
    EventOrder("room1", "consent", {"name": "李四"}, 1_900_000_000_000),
    CloseOrder("room1", "ended"),
    RemoveOrder("room1", "peer1"),
]


def test_a_room_token_comes_back_as_it_was(tmp_path: Path) -> None:
    assert verify_room_token(tmp_path, mint_room_token(tmp_path, TOKEN)) == TOKEN


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_comes_back_as_it_was(tmp_path: Path, order: Order) -> None:
    assert verify_order(tmp_path, mint_order(tmp_path, order)) == order


def test_a_room_token_ends_after_a_minute(tmp_path: Path) -> None:
    text = mint_room_token(tmp_path, TOKEN, now_s=NOW_S)
    assert verify_room_token(tmp_path, text, now_s=NOW_S + 60) == TOKEN
    with pytest.raises(AccessDenied, match="token_expired"):
        verify_room_token(tmp_path, text, now_s=NOW_S + 66)
    with pytest.raises(ValueError, match="1 to 60 s"):
        mint_room_token(tmp_path, TOKEN, life_s=61)


def test_a_token_with_a_longer_life_is_refused_even_when_it_is_well_signed(tmp_path: Path) -> None:
    mint_room_token(tmp_path, TOKEN)
    claims = {"aud": "room", "iat": int(NOW_S), "exp": int(NOW_S) + 3600, "jti": "x", "county": "c", "room": "r"}
    key = OctKey.import_key((tmp_path / "room_token.key").read_bytes())
    with pytest.raises(AccessDenied, match="token_invalid"):
        verify_room_token(tmp_path, jwt.encode({"alg": "HS256"}, claims, key), now_s=NOW_S)


def test_neither_kind_stands_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match="token_invalid"):
        verify_order(tmp_path, mint_room_token(tmp_path, TOKEN))
    with pytest.raises(AccessDenied, match="token_invalid"):
        verify_room_token(tmp_path, mint_order(tmp_path, ORDERS[0]))


def test_another_servers_key_does_not_open(tmp_path: Path) -> None:
    secret_bytes(tmp_path / "here" / "room_token.key")
    with pytest.raises(AccessDenied, match="token_invalid"):
        verify_room_token(tmp_path / "here", mint_room_token(tmp_path / "there", TOKEN))


def _encode(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_unsigned_changed_and_senseless_tokens_are_refused(tmp_path: Path) -> None:
    good = mint_room_token(tmp_path, TOKEN)
    _, body, signature = good.split(".")
    other = _encode({"aud": "room", "peer_id": "somebody", "exp": 2_000_000_000, "iat": 1, "jti": "x"})
    for text in [
        "",
        "a",
        "a.b.c",
        "....",
        "é.é.é",
        good[:-4],
        f"{_encode({'alg': 'none'})}.{body}.",
        f"{_encode({'alg': 'HS256'})}.{other}.{signature}",
        f"{_encode({'alg': 'HS512'})}.{body}.{signature}",
    ]:
        with pytest.raises(AccessDenied, match="token_invalid"):
            verify_room_token(tmp_path, text)


def test_keys_are_for_the_owner_alone_and_the_same_for_all_who_start_at_once(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "room_token.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: secret_bytes(path), range(16)))
    assert len(keys) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["room_token.key"]
