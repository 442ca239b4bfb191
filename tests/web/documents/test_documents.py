# SPDX-License-Identifier: Apache-2.0
"""Each document opens in the library that its readers use, and holds the lines, the people and the warning."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pysubs2
import pytest
from docx import Document
from docx.oxml.ns import qn

from tests.web.documents.example import LINES, document
from web.documents.docx import docx_bytes
from web.documents.plain_json import json_bytes
from web.documents.record import (
    DocumentBreak,
    DocumentMarker,
    DocumentSection,
    clock_text,
    content_disposition,
    file_name,
)
from web.documents.srt import srt_bytes
from web.words import LANGUAGES, Words

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def all_words() -> Words:
    return Words()


def saying(words: Words, language: str) -> Callable[..., str]:
    return lambda message_id, **params: words.say(message_id, language, params)


def texts(data: bytes) -> list[str]:
    made = Document(io.BytesIO(data))
    cells = [cell.text for table in made.tables for row in table.rows for cell in row.cells]
    edges = [p.text for part in (made.sections[0].header, made.sections[0].footer) for p in part.paragraphs]
    return [p.text for p in made.paragraphs] + cells + edges


def test_the_word_document_holds_lines_people_consents_and_the_warning(all_words: Words) -> None:
    found = texts(docx_bytes(document(), saying(all_words, "zh-CN"), SHANGHAI))
    assert "[00:00:03] 张三：今天请两家来，谈一谈田埂的事。" in found
    assert any(text.startswith("[01:23:03] 张三：Agreed: 2.5 metres <b>&") for text in found)
    assert any(text.startswith("[00:00:08] 吴发明：") and text.endswith("（存疑，请核对录音）") for text in found)
    assert "2026-11-24" in found, "the date is the one in Shanghai"
    assert "17:00:00 – 18:23:20 (UTC+0800)" in found
    assert "同意 2026-11-24 16:59:10\n不同意或撤回 2026-11-24 17:15:00" in found
    assert "村干部" in found
    assert any("未经核对" in text for text in found)
    assert any("base" in text for text in found)
    assert any("ab" * 32 in text for text in found)
    assert any(re.fullmatch(r"第 1 页，共 1 页", text) for text in found), "two fields that Word fills in"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_document_stands_in_both_languages(all_words: Words, language: str) -> None:
    found = texts(docx_bytes(document(lines=(), complete=None), saying(all_words, language), SHANGHAI))
    assert not [text for text in found if re.search(r"\b(document|attendee-kind)-[a-z]", text)]


def test_chinese_text_has_its_own_font_in_every_style_that_is_used(all_words: Words) -> None:
    made = Document(io.BytesIO(docx_bytes(document(), saying(all_words, "zh-CN"), SHANGHAI)))
    for name in ("Normal", "Title", "Heading 1"):
        fonts = made.styles[name].element.rPr.rFonts
        assert fonts.get(qn("w:eastAsia")) in ("宋体", "黑体")
        assert fonts.get(qn("w:eastAsiaTheme")) is None, "a theme font would win"


def test_a_control_character_in_a_name_does_not_cost_the_document(all_words: Words) -> None:
    data = docx_bytes(document(title="甲\x00乙\x0b"), saying(all_words, "zh-CN"), SHANGHAI)
    assert "甲\ufffd乙\ufffd" in texts(data)


def test_subtitles_open_and_keep_every_character() -> None:
    data = srt_bytes(document(), "：")
    assert "吴发明：地界往我这边挪了两尺 {真的}，＼N 不是一天两天了。" in data.decode()
    opened = pysubs2.SSAFile.from_string(data.decode(), "srt")
    assert [(event.start, event.end) for event in opened] == [
        (3_200, 7_900),
        (8_400, 15_000),
        (4_983_000, 4_983_300),  # long enough to be seen
    ]


def test_json_holds_everything() -> None:
    value = json.loads(json_bytes(document()))
    assert [line["text"] for line in value["lines"]] == [line.text for line in LINES]
    assert value["lines"][1]["flags"] == ["echo"]
    assert value["session"]["manifest_sha256"] == "ab" * 32
    assert value["transcript"]["model_sha256"] == "d01c" * 16
    assert value["endpoints"][1]["people"][0]["consents"][1]["agreed"] is False
    assert value["transcript"]["state"] == "machine_draft"


DIVIDED = {
    "sections": (DocumentSection("听取陈述", 0, 8_000), DocumentSection("宣读\\N协议", 8_000, None)),
    "markers": (DocumentMarker("", 8_400), DocumentMarker("争议焦点", 9_000)),
}


def test_sections_are_headings_before_what_was_said_in_them(all_words: Words) -> None:
    data = docx_bytes(document(**DIVIDED), saying(all_words, "zh-CN"), SHANGHAI)
    made = Document(io.BytesIO(data))
    assert [p.text for p in made.paragraphs if p.style.name == "Heading 2"] == [
        "听取陈述　00:00:00",
        "宣读\\N协议　00:00:08",
    ]
    found = [p.text[:16] for p in made.paragraphs]
    first, marked, second = (
        next(n for n, text in enumerate(found) if text.startswith(start))
        for start in ("听取陈述　", "◆ [00:00:08] 标记", "[00:00:08] 吴发明")
    )
    assert first < found.index(next(t for t in found if t.startswith("[00:00:03] 张三"))) < marked < second
    assert "◆ [00:00:09] 标记：争议焦点" in [p.text for p in made.paragraphs]
    english = texts(docx_bytes(document(**DIVIDED), saying(all_words, "en"), SHANGHAI))
    assert "◆ [00:00:09] Marker: 争议焦点" in english


def test_a_sections_name_stands_above_its_first_subtitle() -> None:
    opened = pysubs2.SSAFile.from_string(srt_bytes(document(**DIVIDED), "：").decode(), "srt")
    assert [event.text.split("\\N")[0] for event in opened][:2] == ["【听取陈述】", "【宣读＼N协议】"]
    assert opened[2].text.startswith("张三："), "only the first of a section"
    assert len(opened) == len(LINES), "no subtitle of its own, which would cover what is said"


def test_json_holds_sections_and_markers() -> None:
    value = json.loads(json_bytes(document(**DIVIDED)))
    assert value["sections"][0] == {"label": "听取陈述", "from_ms": 0, "to_ms": 8_000}
    assert value["markers"] == [{"label": "", "at_ms": 8_400}, {"label": "争议焦点", "at_ms": 9_000}]


PAUSED = {
    "breaks": (
        DocumentBreak(8_000, 8_300, "rest"),
        DocumentBreak(9_000, 10_000, "等吴家老人到场"),
        DocumentBreak(5_000_000, None, ""),
    )
}


def test_a_break_stands_where_it_was_with_its_reason(all_words: Words) -> None:
    made = Document(io.BytesIO(docx_bytes(document(**PAUSED), saying(all_words, "zh-CN"), SHANGHAI)))
    found = [p.text for p in made.paragraphs]
    rest = found.index("［00:00:08–00:00:08］录制暂停：休息")
    before = next(n for n, text in enumerate(found) if text.startswith("[00:00:03] 张三"))
    after = next(n for n, text in enumerate(found) if text.startswith("[00:00:08] 吴发明"))
    assert before < rest < after
    assert "［00:00:09–00:00:10］录制暂停：等吴家老人到场" in found
    assert "［01:23:20–结束］录制暂停：没有写明原因" in found
    english = texts(docx_bytes(document(**PAUSED), saying(all_words, "en"), SHANGHAI))
    assert "[00:00:08–00:00:08] Recording paused: a rest" in english
    assert "[01:23:20–end] Recording paused: no reason was given" in english


def test_json_holds_breaks_and_subtitles_do_not() -> None:
    value = json.loads(json_bytes(document(**PAUSED)))
    assert value["breaks"][0] == {"from_ms": 8_000, "to_ms": 8_300, "reason": "rest"}
    assert value["breaks"][2] == {"from_ms": 5_000_000, "to_ms": None, "reason": ""}
    assert srt_bytes(document(**PAUSED), "：") == srt_bytes(document(), "：")


def test_file_names_are_safe_everywhere() -> None:
    name = file_name(document(), "转写草稿", "docx", SHANGHAI)
    assert name == "转写草稿-永安镇田埂纠纷：吴发明_苏长军-2026-11-24.docx"
    assert file_name(document(title="../"), "t", "srt", SHANGHAI) == "t-01ja0000000000000000000000-2026-11-24.srt"
    assert len(file_name(document(title="长" * 300), "t", "srt", SHANGHAI)) < 120
    value = content_disposition(name, "transcript.docx")
    assert value.startswith("attachment; filename=\"transcript.docx\"; filename*=UTF-8''%E8%BD%AC")
    assert value.isascii()


def test_times_of_lines_are_hours_minutes_seconds() -> None:
    assert [clock_text(ms) for ms in (-5, 0, 999, 83_000, 360_000_000)] == [
        "00:00:00",
        "00:00:00",
        "00:00:00",
        "00:01:23",
        "100:00:00",
    ]
