# SPDX-License-Identifier: Apache-2.0
"""A session's own key opens with the installation's key, for this session, and says what to do where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.ids import new_id
from storage.own_keys import KEY_NAME, KeyGarbled, KeyUnreadable, fingerprint, new_own_key, open_own_key


def test_every_session_has_another_key_and_each_opens_again(tmp_path: Path) -> None:
    first, second = new_id(), new_id()
    texts = {session: new_own_key(tmp_path, session, may_make=True).encode() for session in (first, second)}
    keys = {open_own_key(tmp_path, session, text) for session, text in texts.items()}
    assert len(keys) == 2 and {len(key) for key in keys} == {32}
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    for text in texts.values():
        assert (tmp_path / KEY_NAME).read_bytes().hex() not in text.decode()
        assert json.loads(text)["wrapped_by"] == fingerprint((tmp_path / KEY_NAME).read_bytes())
        assert not any(key.hex() in text.decode() for key in keys)


def test_the_key_of_another_session_does_not_open(tmp_path: Path) -> None:
    text = new_own_key(tmp_path, new_id(), may_make=True).encode()
    with pytest.raises(KeyGarbled, match="damaged or another's"):
        open_own_key(tmp_path, new_id(), text)


@pytest.mark.parametrize("name", ["nonce", "wrapped_key"])
def test_a_damaged_one_is_told(tmp_path: Path, name: str) -> None:
    session = new_id()
    text = json.loads(new_own_key(tmp_path, session, may_make=True))
    text[name] = ("0" if text[name][0] != "0" else "1") + text[name][1:]
    with pytest.raises(KeyGarbled):
        open_own_key(tmp_path, session, json.dumps(text).encode())


@pytest.mark.parametrize("stored", [b"", b"{}", b"[]", b"null", b'{"format": "video-home-own-key/1"}', b"\xff" * 40])
def test_what_is_none_is_told(tmp_path: Path, stored: bytes) -> None:
    with pytest.raises(KeyGarbled, match="is damaged"):
        open_own_key(tmp_path, new_id(), stored)


def test_a_missing_or_foreign_installation_key_is_named_with_its_file(tmp_path: Path) -> None:
    session, path = new_id(), tmp_path / "secrets" / KEY_NAME
    text = new_own_key(path.parent, session, may_make=True).encode()
    right = path.read_bytes()
    path.unlink()
    with pytest.raises(KeyUnreadable, match=rf"{path} is missing; put it back"):
        open_own_key(path.parent, session, text)
    assert not path.exists(), "whoever reads makes none: it would open nothing"
    path.write_bytes(bytes(32))
    with pytest.raises(KeyUnreadable, match=rf"{path} is not the one .* {fingerprint(right)} is needed"):
        open_own_key(path.parent, session, text)
    path.write_bytes(b"short")
    with pytest.raises(KeyUnreadable, match="is damaged"):
        open_own_key(path.parent, session, text)


def test_a_media_node_makes_no_installation_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable, match="is missing"):
        new_own_key(tmp_path, new_id(), may_make=False)
    assert not (tmp_path / KEY_NAME).exists()
