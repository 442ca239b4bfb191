# SPDX-License-Identifier: Apache-2.0
"""Passwords of cameras at rest."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from storage.camera_passwords import KEY_FILE, PasswordLost, open_password, seal_password


def test_what_is_sealed_opens_again_and_stands_nowhere(tmp_path: Path) -> None:
    sealed = seal_password(tmp_path, "cam1", "密码 pa:ss")
    assert open_password(tmp_path, "cam1", sealed) == "密码 pa:ss"
    assert "密码 pa:ss".encode() not in base64.b64decode(sealed)
    assert seal_password(tmp_path, "cam1", "密码 pa:ss") != sealed
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_no_password_is_no_secret(tmp_path: Path) -> None:
    assert seal_password(tmp_path, "cam1", "") == ""
    assert open_password(tmp_path, "cam1", "") == ""


def test_only_its_own_camera_opens_it_with_its_own_key(tmp_path: Path) -> None:
    sealed = seal_password(tmp_path, "cam1", "secret")
    for camera, text in (
        ("cam2", sealed),
        ("cam1", sealed[:-8] + "AAAAAAA="),
        ("cam1", "no base64!"),
        ("cam1", "AAAA"),
    ):
        with pytest.raises(PasswordLost):
            open_password(tmp_path, camera, text)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(PasswordLost):
        open_password(tmp_path, "cam1", sealed)
