# SPDX-License-Identifier: Apache-2.0
"""The certificate reads as plain sentences in both languages, as text and in Word."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from docx import Document

from storage.manifest import Cause, Gap
from tests.web.casework.test_certificate import DIGEST, ORIGIN_UTC_MS, manifest
from web.casework.certificate import session_certificate
from web.documents.certificate import CertificateDocument, certificate_json, length_text, lines, text_bytes
from web.documents.docx import certificate_docx
from web.words import LANGUAGES, Words

SHANGHAI = ZoneInfo("Asia/Shanghai")
CAUSES: tuple[Cause, ...] = (
    "loss",
    "recorder_down",
    "mediaserver_down",
    "feed_overflow",
    "disk_full",
    "paused",
    "publisher_away",
)


@pytest.fixture(scope="module")
def all_words() -> Words:
    return Words()


def saying(words: Words, language: str) -> Callable[..., str]:
    return lambda message_id, **params: words.say(message_id, language, params)


def document(*gaps: Gap, complete: bool = False) -> CertificateDocument:
    made = session_certificate(manifest(*gaps, complete=complete), DIGEST)
    return CertificateDocument("01ja0000000000000000000000", "田埂纠纷", "永安派出所", ORIGIN_UTC_MS, made)


def test_a_gap_in_plain_chinese(all_words: Words) -> None:
    made = document(Gap("p1-mic", 61_000, 65_000, "loss"), Gap(None, 0, 400, "disk_full"))
    found = [line.text for line in lines(made.certificate, saying(all_words, "zh-CN"), SHANGHAI)]
    assert "不完整。有2处缺失，逐处说明如下；其余部分完整。" in found
    gap = "2026-11-24 17:01:01至2026-11-24 17:01:05（4 秒）缺失永安派出所的声音。原因：网络不稳，这一段数据没有送到。"
    assert gap in found
    assert any("（0.4 秒）缺失所有人的声音和图像。原因：服务器硬盘已满，写不下。" in text for text in found)


def test_a_complete_recording_in_plain_english(all_words: Words) -> None:
    made = document(complete=True)
    text = text_bytes(made, saying(all_words, "en"), SHANGHAI).decode("utf-8-sig")
    assert "Complete. Nothing that should have been recorded is missing." in text
    assert "began 2026-11-24 17:00:00 and ended 2026-11-24 17:01:00, length 1 min 0 s" in text
    assert f"Integrity code: {made.certificate.integrity_code}." in text
    assert "What is missing" not in text, "a section without sentences has no head"
    assert text.count("\r\n") == text.count("\n"), "for the editor of an old Windows"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_has_its_words(all_words: Words, language: str) -> None:
    gaps = [
        Gap(track, 1_000 * n, 1_000 * n + 500, cause) for n, cause in enumerate(CAUSES) for track in (None, "p1-mic")
    ]
    gaps += [Gap(f"p2-{source}", 9_000, 9_500, "loss") for source in ("cam", "screen", "screen_audio")]
    made, say = document(*gaps), saying(all_words, language)
    text = text_bytes(made, say, SHANGHAI).decode()
    opened = Document(io.BytesIO(certificate_docx(made, say, SHANGHAI)))
    word = "\n".join(paragraph.text for paragraph in opened.paragraphs)
    for found in (text, word):
        assert not re.search(r"session-certificate|document-[a-z]", found)
    for line in lines(made.certificate, say, SHANGHAI):
        assert line.text in text and line.text in word


def test_the_word_document_names_the_session_and_leaves_room_to_sign(all_words: Words) -> None:
    opened = Document(io.BytesIO(certificate_docx(document(complete=True), saying(all_words, "zh-CN"), SHANGHAI)))
    cells = [cell.text for table in opened.tables for row in table.rows for cell in row.cells]
    assert {"田埂纠纷", "永安派出所", "01ja0000000000000000000000"} <= set(cells)
    assert "承办人（签名）：" in [paragraph.text for paragraph in opened.paragraphs]
    assert opened.core_properties.subject == "录音录像完整性说明"


def test_the_api_gets_finished_sentences_and_where_to_listen(all_words: Words) -> None:
    value = certificate_json(document(Gap("p1-mic", 500, 900, "loss")), saying(all_words, "en"), SHANGHAI)
    assert value["complete"] is False
    (missing,) = [item for item in value["sentences"] if item["section"] == "missing"]
    assert missing["from_ms"] == 500 and "the sound of 永安派出所 is missing" in missing["text"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.1 秒"),
        (949, "0.9 秒"),
        (1_000, "1 秒"),
        (59_600, "1 分 0 秒"),
        (3_599_999, "1 小时 0 分 0 秒"),
        (3_725_000, "1 小时 2 分 5 秒"),
    ],
)
def test_lengths_are_told_in_words(all_words: Words, ms: int, text: str) -> None:
    assert length_text(ms, saying(all_words, "zh-CN")) == text
