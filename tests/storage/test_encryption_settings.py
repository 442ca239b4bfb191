# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest can only be asked for where it can be had; the technician is told what the store did."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from storage.objects import EncryptionFound
from storage.settings import Settings
from web.api.status import _encryption
from web.words import LANGUAGES, Words

STORE: dict[str, Any] = {"s3_endpoint": "store:9000"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"s3_encryption": "sse-s3"}, "s3_encryption needs s3_endpoint"),
        ({**STORE, "s3_encryption": "sse-kms"}, "give both or neither"),
        ({**STORE, "s3_encryption": "sse-s3", "s3_encryption_key": "k"}, "give both or neither"),
        (
            {**STORE, "s3_encryption": "sse-kms", "s3_encryption_key": "k", "s3_secure": False},
            "needs s3_secure",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Settings(**values)


def test_what_can_be_had() -> None:
    assert Settings(**STORE, s3_encryption="sse-s3", s3_secure=False).s3_encryption == "sse-s3"
    assert Settings(**STORE, s3_encryption="sse-kms", s3_encryption_key="k").s3_encryption_key == "k"


@pytest.mark.parametrize(
    ("found", "state"),
    [(None, "warn"), ("encrypted", "ok"), ("refused", "fail"), ("ignored", "fail"), ("unreadable", "fail")],
)
async def test_the_technician_is_told(found: EncryptionFound | None, state: str) -> None:
    running: Any = SimpleNamespace(custody=SimpleNamespace(encryption=found))
    item = await _encryption(running)
    assert item.state == state
    for language in LANGUAGES:
        code = f"status-{item.code.replace('_', '-')}"
        assert Words().say(code, language, {}) != code
