# SPDX-License-Identifier: Apache-2.0
"""Word documents on A4: the transcript (head, people with their consents, lines) and the session certificate.

This module is the one door to python-docx. A run names its font for East Asian text on its own (`w:eastAsia`),
else Word falls back to whatever the machine prefers, and a page of Chinese changes its look from desk to desk.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Final

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from web.casework.breaks import word_of
from web.documents import certificate
from web.documents.certificate import CertificateDocument
from web.documents.record import (
    ConsentGiven,
    DocumentBreak,
    DocumentEndpoint,
    DocumentLine,
    DocumentMarker,
    DocumentPerson,
    DocumentSection,
    RecordDocument,
    clock_text,
    in_order,
    local_time,
)

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
Words = Callable[..., str]
"""The sentence of a locale id, with its values by name."""

_LATIN: Final = "Times New Roman"
_BODY: Final = "宋体"
_HEAD: Final = "黑体"
_GREY: Final = RGBColor(0x5A, 0x66, 0x75)
_THEME_FONTS: Final = ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme")

_NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML 1.0 cannot hold; one such character in a name must not cost the whole document."""


def docx_bytes(document: RecordDocument, words: Words, zone: tzinfo) -> bytes:
    """The finished file. `words` gives the sentences in the reader's language; dates are told in `zone`."""
    made = Document()
    _set_up(made, document, words, words("document-title"))
    made.add_heading(words("document-title"), 0).alignment = WD_ALIGN_PARAGRAPH.CENTER
    notice = made.add_paragraph()
    notice.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _grey(notice.add_run(words("document-machine-draft")))
    _facts(made, document, words, zone)
    made.add_heading(words("document-people"), 1)
    _people(made, document, words, zone)
    made.add_heading(words("document-lines"), 1)
    if not document.lines:
        made.add_paragraph(words("document-no-lines"))
    for entry in in_order(document):
        match entry:
            case DocumentSection():
                made.add_heading(_clean(f"{entry.label}　{clock_text(entry.from_ms)}"), 2)
            case DocumentMarker():
                _marker(made, entry, words)
            case DocumentBreak():
                _break(made, entry, words)
            case _:
                _line(made, entry, words)
    _making(made, document, words, zone)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def certificate_docx(document: CertificateDocument, words: Words, zone: tzinfo) -> bytes:
    """The session certificate on A4, with room for the signatures that a recording with gaps needs."""
    made = Document()
    _set_up(made, document, words, words("session-certificate-title"))
    made.add_heading(words("session-certificate-title"), 0).alignment = WD_ALIGN_PARAGRAPH.CENTER
    notice = made.add_paragraph()
    notice.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _grey(notice.add_run(words("session-certificate-notice")))
    rows = [
        (words("document-session"), document.title),
        (words("document-place"), document.place_name or "—"),
        (words("document-number"), document.session_id),
    ]
    _two_columns(made, rows)
    told = certificate.lines(document.certificate, words, zone)
    for section in certificate.SECTIONS:
        own = [line.text for line in told if line.section == section]
        if own:
            made.add_heading(words(f"session-certificate-head-{section}"), 1)
        for text in own:
            made.add_paragraph().add_run(_clean(text)).bold = section == "finding"
    made.add_heading(words("session-certificate-head-signatures"), 1)
    for name in ("officer", "technician", "date"):
        made.add_paragraph(words(f"session-certificate-signature-{name}")).paragraph_format.space_after = Pt(18)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def _set_up(made: Any, document: RecordDocument | CertificateDocument, words: Words, subject: str) -> None:
    section = made.sections[0]
    section.page_width, section.page_height = Cm(21.0), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.6)
    section.top_margin = section.bottom_margin = Cm(2.4)
    for name, size, font in (
        ("Normal", 12, _BODY),
        ("Title", 20, _HEAD),
        ("Heading 1", 14, _HEAD),
        ("Heading 2", 12, _HEAD),
    ):
        style = made.styles[name]
        style.font.size = Pt(size)
        style.font.color.rgb = RGBColor(0, 0, 0)
        _fonts(style.element.get_or_add_rPr(), font)
    made.styles["Normal"].paragraph_format.space_after = Pt(4)
    made.styles["Normal"].paragraph_format.line_spacing = 1.25
    made.core_properties.title = _clean(document.title)
    made.core_properties.subject = subject
    made.core_properties.author = ""
    made.core_properties.identifier = document.session_id
    header = section.header.paragraphs[0]
    _grey(header.add_run(_clean(f"{document.title}　{document.session_id}")), 9)
    _page_numbers(section.footer.paragraphs[0], words)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _fonts(properties: Any, east_asian: str) -> None:
    fonts = properties.get_or_add_rFonts()
    for name in _THEME_FONTS:  # a theme font would win over the named one
        fonts.attrib.pop(qn(f"w:{name}"), None)
    for slot, font in (("ascii", _LATIN), ("hAnsi", _LATIN), ("cs", _LATIN), ("eastAsia", east_asian)):
        fonts.set(qn(f"w:{slot}"), font)


def _grey(run: Any, size: int = 10) -> None:
    run.font.size, run.font.color.rgb = Pt(size), _GREY


def _page_numbers(paragraph: Any, words: Words) -> None:
    """The footer: a sentence in which Word fills in the two numbers."""
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    # Marks that no translation contains; the numbers are fields, so they cannot be given as values.
    page, pages = "\x01", "\x02"
    text = words("document-page", page=page, pages=pages)
    for piece in text.replace(page, f"\x00{page}\x00").replace(pages, f"\x00{pages}\x00").split("\x00"):
        if piece == page:
            _field(paragraph, "PAGE")
        elif piece == pages:
            _field(paragraph, "NUMPAGES")
        elif piece:
            _grey(paragraph.add_run(piece), 9)


def _field(paragraph: Any, instruction: str) -> None:
    """A field takes a run for each of its pieces, else its result loses the run's size."""
    for kind, text in (
        ("fldChar", "begin"),
        ("instrText", instruction),
        ("fldChar", "separate"),
        ("t", "1"),
        ("fldChar", "end"),
    ):
        run = paragraph.add_run()
        _grey(run, 9)
        piece = OxmlElement(f"w:{kind}")
        if kind == "fldChar":
            piece.set(qn("w:fldCharType"), text)
        else:
            piece.text = text
        run._r.append(piece)


def _facts(made: Any, document: RecordDocument, words: Words, zone: tzinfo) -> None:
    started = local_time(document.origin_utc_ms, zone)
    rows = [
        (words("document-session"), document.title),
        (words("document-place"), document.place_name or "—"),
        (words("document-date"), f"{started:%Y-%m-%d}"),
        (words("document-time"), _span(document, zone)),
        (words("document-length"), clock_text(document.duration_ms or 0)),
        (words("document-recording"), words(f"document-recording-{_completeness(document.complete)}")),
        (words("document-number"), document.session_id),
    ]
    _two_columns(made, rows)


def _two_columns(made: Any, rows: list[tuple[str, str]]) -> None:
    table = made.add_table(rows=0, cols=2)
    table.style = "Table Grid"
    for name, value in rows:
        cells = table.add_row().cells
        cells[0].text, cells[1].text = name, _clean(value)
    _widths(table, (4.0, 11.8))


def _span(document: RecordDocument, zone: tzinfo) -> str:
    started = local_time(document.origin_utc_ms, zone)
    ended = f"{local_time(document.ended_utc_ms, zone):%H:%M:%S}" if document.ended_utc_ms is not None else ""
    return f"{started:%H:%M:%S} – {ended} ({started:UTC%z})"


def _completeness(complete: bool | None) -> str:
    return {True: "complete", False: "with-gaps", None: "unknown"}[complete]


def _widths(table: Any, widths_cm: tuple[float, ...]) -> None:
    table.autofit = False
    for column, width in zip(table.columns, widths_cm, strict=True):
        column.width = Cm(width)  # LibreOffice goes by the columns, Word by the cells
    for row in table.rows:
        for cell, width in zip(row.cells, widths_cm, strict=True):
            cell.width = Cm(width)
            for paragraph in cell.paragraphs:
                paragraph.paragraph_format.space_after = Pt(0)


def _people(made: Any, document: RecordDocument, words: Words, zone: tzinfo) -> None:
    table = made.add_table(rows=1, cols=4)
    table.style = "Table Grid"
    names = ("document-person", "document-person-kind", "document-endpoint", "document-consent")
    for cell, name in zip(table.rows[0].cells, names, strict=True):
        cell.text = words(name)
        cell.paragraphs[0].runs[0].bold = True
    for endpoint in document.endpoints:
        for person in endpoint.people or (DocumentPerson(endpoint.name, "other", ()),):
            _person(table.add_row().cells, endpoint, person, words, zone)
    _widths(table, (2.8, 2.8, 4.4, 5.8))


def _person(cells: Any, endpoint: DocumentEndpoint, person: DocumentPerson, words: Words, zone: tzinfo) -> None:
    named = endpoint.name.startswith(endpoint.place_name)
    where = endpoint.name if named else f"{endpoint.place_name}　{endpoint.name}"
    consents = "\n".join(_consent(consent, words, zone) for consent in person.consents)
    values = (
        person.name,
        words(f"attendee-kind-{person.kind.replace('_', '-')}"),
        where,
        consents or words("document-consent-none"),
    )
    for cell, value in zip(cells, values, strict=True):
        cell.text = _clean(value)


def _consent(consent: ConsentGiven, words: Words, zone: tzinfo) -> str:
    said = words("document-consent-agreed" if consent.agreed else "document-consent-withdrawn")
    return f"{said} {local_time(consent.utc_ms, zone):%Y-%m-%d %H:%M:%S}"


def _line(made: Any, line: DocumentLine, words: Words) -> None:
    paragraph = made.add_paragraph()
    _grey(paragraph.add_run(f"[{clock_text(line.start_ms)}] "))
    paragraph.add_run(_clean(line.speaker) + words("document-colon")).bold = True
    paragraph.add_run(_clean(line.text))
    if line.flags:
        _grey(paragraph.add_run(words("document-doubtful")))


def _break(made: Any, pause: DocumentBreak, words: Words) -> None:
    word = word_of(pause.reason)
    reason = words(word) if word else pause.reason or words("document-break-unsaid")
    end = words("document-break-end") if pause.to_ms is None else clock_text(pause.to_ms)
    text = words("document-break", start=clock_text(pause.from_ms), end=end, reason=reason)
    _grey(made.add_paragraph().add_run(_clean(text)))


def _marker(made: Any, marker: DocumentMarker, words: Words) -> None:
    named = words("document-marker-named", label=marker.label) if marker.label else words("document-marker")
    _grey(made.add_paragraph().add_run(_clean(f"◆ [{clock_text(marker.at_ms)}] {named}")))


def _making(made: Any, document: RecordDocument, words: Words, zone: tzinfo) -> None:
    made.add_heading(words("document-making"), 1)
    making = document.making
    printed = f"{local_time(document.printed_utc_ms, zone):%Y-%m-%d %H:%M:%S}"
    for text in (
        words("document-making-note", model=making.model or "—"),
        words("document-making-model", digest=making.model_digest or "—"),
        words("document-making-manifest", digest=making.manifest_sha256 or "—"),
        words("document-printed", time=printed),
    ):
        _grey(made.add_paragraph().add_run(text))
