# SPDX-License-Identifier: Apache-2.0
"""A session with a transcript, as the documents get it."""

from __future__ import annotations

from web.documents.record import (
    ConsentGiven,
    DocumentEndpoint,
    DocumentLine,
    DocumentPerson,
    Making,
    RecordDocument,
)

ORIGIN_UTC_MS = 1_795_510_800_000  # 2026-11-24 17:00:00 in Shanghai, still the morning in UTC

LINES = (
    DocumentLine(0, 0, 3_200, 7_900, "p1", "张三", "今天请两家来，谈一谈田埂的事。", ()),
    DocumentLine(1, 1, 8_400, 15_000, "p2", "吴发明", "地界往我这边挪了两尺 {真的}，\\N 不是一天两天了。", ("echo",)),
    DocumentLine(2, 2, 4_983_000, 4_983_100, "p1", "张三", "Agreed: 2.5 metres <b>&", ()),
)


def document(**changes: object) -> RecordDocument:
    """The example, with other values where given."""
    values: dict[str, object] = {
        "session_id": "01ja0000000000000000000000",
        "county": "beichuan",
        "title": "永安镇田埂纠纷：吴发明/苏长军",
        "place_name": "永安派出所",
        "language": "zh",
        "origin_utc_ms": ORIGIN_UTC_MS,
        "ended_utc_ms": ORIGIN_UTC_MS + 5_000_000,
        "duration_ms": 4_990_000,
        "complete": False,
        "endpoints": (
            DocumentEndpoint(
                "p1",
                "张三",
                "局信访办",
                "hq_officer",
                (DocumentPerson("张三", "officer", (ConsentGiven(True, ORIGIN_UTC_MS - 60_000, "2026-11-24"),)),),
            ),
            DocumentEndpoint(
                "p2",
                "永安派出所 调解室",
                "永安派出所",
                "set",
                (
                    DocumentPerson(
                        "吴发明",
                        "party",
                        (
                            ConsentGiven(True, ORIGIN_UTC_MS - 50_000, "2026-11-24"),
                            ConsentGiven(False, ORIGIN_UTC_MS + 900_000, "2026-11-24"),
                        ),
                    ),
                    DocumentPerson("村支书", "village_cadre", ()),
                ),
            ),
        ),
        "lines": LINES,
        "making": Making("01jb0000000000000000000000", "base", "d01c" * 16, {"language": "zh"}, {}, "ab" * 32),
        "printed_utc_ms": ORIGIN_UTC_MS + 90_000_000,
    }
    return RecordDocument(**{**values, **changes})  # type: ignore[arg-type]
