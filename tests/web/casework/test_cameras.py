# SPDX-License-Identifier: Apache-2.0
"""What a camera's address and sign-in may look like."""

from __future__ import annotations

import pytest

from web.casework.cameras import LONGEST_SIGN_IN, check_address, check_sign_in
from web.casework.refusal import Refused


@pytest.mark.parametrize(
    "address",
    ["rtsp://192.168.1.64", "rtsp://cam.lan:8554/Streaming/Channels/102?x=1&y=2", "rtsp://[fd00::5]:554/live"],
)
def test_addresses_of_cameras(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "camera_address_invalid"),
        ("192.168.1.64", "camera_address_invalid"),
        ("http://192.168.1.64/", "camera_address_invalid"),
        ("file:///etc/passwd", "camera_address_invalid"),
        ("rtsp:///live", "camera_address_invalid"),
        ("rtsp://cam:0/live", "camera_address_invalid"),
        ("rtsp://cam:99999/live", "camera_address_invalid"),
        ("rtsp://[fd00::5/live", "camera_address_invalid"),
        ("rtsp://admin:secret@192.168.1.64/live", "camera_address_has_password"),
        ("rtsp://admin@192.168.1.64/live", "camera_address_has_password"),
    ],
)
def test_what_is_no_address(address: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_address(address)
    assert refused.value.code == code


def test_the_longest_sign_in() -> None:
    most = LONGEST_SIGN_IN - len("admin:")
    check_sign_in("admin", "x" * most)
    with pytest.raises(Refused, match="camera_sign_in_too_long"):
        check_sign_in("admin", "x" * (most + 1))
    with pytest.raises(Refused, match="camera_sign_in_too_long"):
        check_sign_in("管理员", "密码密码密码密码密码密码")
    with pytest.raises(Refused, match="camera_user_name_invalid"):
        check_sign_in("a:b", "x")
