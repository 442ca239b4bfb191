# SPDX-License-Identifier: Apache-2.0
"""A stamp from a real authority is believed, and nothing that only looks like one."""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from storage.layout import StampKey, parse_key, stamp_key
from storage.settings import Settings
from storage.timestamp import ANSWER_LIMIT_BYTES, RootFault, StampBroken, check, question, read_roots
from tests.storage.authority import Authority

SHA256 = hashlib.sha256(b"manifest").hexdigest()
OTHER = hashlib.sha256(b"another manifest").hexdigest()
NONCE = 0xFFEE_DDCC_BBAA_9988


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "good")


@pytest.fixture(scope="module")
def answer(authority: Authority) -> bytes:
    return authority.reply(question(SHA256, NONCE))


def roots(authority: Authority) -> list:  # type: ignore[type-arg]
    return read_roots(authority.root.read_bytes())


def test_a_good_stamp_says_when_and_who(authority: Authority, answer: bytes) -> None:
    stamp = check(answer, SHA256, roots(authority), NONCE)
    assert abs(stamp.utc_ms - time.time() * 1000) < 600_000
    assert stamp.authority == "CN=Test stamps" and stamp.serial_number > 0
    assert check(answer, SHA256, roots(authority)) == stamp, "without the nonce, as long after"


def test_openssl_reads_the_question_and_agrees_about_the_stamp(
    authority: Authority, answer: bytes, tmp_path: Path
) -> None:
    (tmp_path / "query").write_bytes(question(SHA256, NONCE))
    (tmp_path / "answer").write_bytes(answer)
    shown = subprocess.run(
        ["openssl", "ts", "-query", "-in", tmp_path / "query", "-text"], check=True, capture_output=True, text=True
    ).stdout.lower()
    assert "hash algorithm: sha256" in shown and f"{NONCE:x}" in shown and "certificate required: yes" in shown
    command = ["openssl", "ts", "-verify", "-digest", SHA256, "-in", tmp_path / "answer", "-CAfile", authority.root]
    assert b"Verification: OK" in subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("nonce", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 2**63, 2**64 - 1])
def test_every_nonce_comes_back(authority: Authority, nonce: int) -> None:
    check(authority.reply(question(SHA256, nonce)), SHA256, roots(authority), nonce)


def test_a_stamp_of_other_bytes_or_for_another_question_is_refused(authority: Authority, answer: bytes) -> None:
    with pytest.raises(StampBroken, match="other bytes"):
        check(answer, OTHER, roots(authority), NONCE)
    with pytest.raises(StampBroken, match="Nonce"):
        check(answer, SHA256, roots(authority), NONCE + 1)


def test_a_foreign_authority_is_refused(authority: Authority, answer: bytes, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    with pytest.raises(StampBroken, match="not the trusted authority's"):
        check(answer, SHA256, roots(stranger), NONCE)
    with pytest.raises(StampBroken, match="not the trusted authority's"):
        check(stranger.reply(question(SHA256, NONCE)), SHA256, roots(authority), NONCE)


def test_a_certificate_that_had_expired_when_it_stamped_is_refused(tmp_path: Path) -> None:
    expired = Authority(tmp_path / "expired", days=(-30, -1))
    with pytest.raises(StampBroken, match="expired"):
        check(expired.reply(question(SHA256, NONCE)), SHA256, roots(expired), NONCE)


@pytest.mark.parametrize("place", ["digest", "time", "signature"])
def test_a_changed_stamp_is_refused(authority: Authority, answer: bytes, place: str) -> None:
    data = bytearray(answer)
    at = {
        "digest": answer.index(bytes.fromhex(SHA256)),
        "time": answer.index(time.strftime("%Y%m", time.gmtime()).encode()) + 7,
        "signature": len(answer) - 3,
    }[place]
    data[at] ^= 1
    with pytest.raises(StampBroken):
        check(bytes(data), SHA256, roots(authority), NONCE)


@pytest.mark.parametrize("garbage", [b"", b"\x30", b"<html>busy</html>", bytes(5_000), bytes(ANSWER_LIMIT_BYTES + 1)])
def test_garbage_is_refused(authority: Authority, garbage: bytes) -> None:
    with pytest.raises(StampBroken):
        check(garbage, SHA256, roots(authority), NONCE)


def test_every_cut_of_a_stamp_is_refused(authority: Authority, answer: bytes) -> None:
    for length in range(0, len(answer), 37):
        with pytest.raises(StampBroken):
            check(answer[:length], SHA256, roots(authority), NONCE)


def test_a_refusal_of_the_authority_is_told(authority: Authority) -> None:
    sha1 = question(SHA256, NONCE).replace(
        bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040202")
    )
    with pytest.raises(StampBroken, match="refused with status 2"):
        check(authority.reply(sha1), SHA256, roots(authority), NONCE)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"timestamp_url": "http://tsa/"}, "needs timestamp_certificate"),
        ({"timestamp_url": "tsa", "timestamp_certificate": "root.pem"}, "timestamp_url"),
    ],
)
def test_settings_that_cannot_work_are_told(values: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(**values)  # type: ignore[arg-type]


def test_the_stamps_key_is_read_back() -> None:
    key = stamp_key("default", "01m86wtn24vp4mzv2yqy1mpt57")
    assert key.endswith("/manifest.tsr") and parse_key(key) == StampKey("default", "01m86wtn24vp4mzv2yqy1mpt57")


def test_a_file_without_certificate_is_told() -> None:
    with pytest.raises(RootFault, match="holds no certificate"):
        read_roots(b"nothing")
