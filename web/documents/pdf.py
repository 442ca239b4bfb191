# SPDX-License-Identifier: Apache-2.0
"""Papers as PDF on A4: a title, facts, tables, page numbers. The one door to fpdf2.

The library is loaded with the first paper, because it takes a third of a second that a start should not wait for.

The font is Noto Sans SC (SIL Open Font License) from a pip package: a bare server has no Chinese font, and a paper must
look the same on every desk. Only the characters that are used go into the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fpdf import FPDF

MEDIA_TYPE: Final = "application/pdf"
_FONT: Final = "sc"
_FIRST_CJK: Final = "\u2e80"
_GREY: Final = (90, 102, 117)
_HEAD: Final = (238, 241, 245)
_MARGIN_MM: Final = 18.0


def _empty_pages(foot: str) -> FPDF:
    """A4 with a line at the foot of each page."""
    from fpdf import FPDF

    class Pages(FPDF):
        def footer(self) -> None:
            self.set_y(-14)
            self.set_font(_FONT, size=8)
            self.set_text_color(*_GREY)
            self.cell(0, 6, f"{foot}    {self.page_no()} / {{nb}}", align="C")
            self.set_text_color(0)

    return Pages(format="A4")


class Paper:
    """One document, written from the top to the bottom."""

    def __init__(self, title: str, foot: str) -> None:
        """`foot` stands on every page, before its number."""
        self._pages = pages = _empty_pages(foot)
        pages.set_margin(_MARGIN_MM)
        pages.set_auto_page_break(True, margin=_MARGIN_MM)
        with as_file(files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf") as font:
            pages.add_font(_FONT, fname=str(font))
        pages.set_title(title)
        pages.set_font(_FONT, size=16)
        pages.add_page()
        pages.multi_cell(0, 9, title, align="C", new_x="LMARGIN", new_y="NEXT")
        pages.ln(3)

    def heading(self, text: str) -> None:
        """A heading that stays with at least some lines of what follows."""
        pages = self._pages
        if pages.will_page_break(24):
            pages.add_page()
        pages.ln(3)
        pages.set_font(_FONT, size=12)
        pages.multi_cell(0, 7, text, new_x="LMARGIN", new_y="NEXT")

    def text(self, text: str) -> None:
        """A paragraph. Chinese breaks anywhere, English between words."""
        from fpdf.enums import WrapMode

        wrap = WrapMode.CHAR if any(letter >= _FIRST_CJK for letter in text) else WrapMode.WORD
        self._pages.set_font(_FONT, size=9.5)
        self._pages.multi_cell(0, 5.2, text, align="L", wrapmode=wrap, new_x="LMARGIN", new_y="NEXT")
        self._pages.ln(1)

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and what they are, in two columns."""
        self._table(None, rows, (3, 8))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """Rows under a head that every page repeats."""
        self._table(head, rows, widths)

    def _table(self, head: Sequence[str] | None, rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        from fpdf.enums import WrapMode
        from fpdf.fonts import FontFace

        pages = self._pages
        pages.set_font(_FONT, size=9)
        with pages.table(
            col_widths=tuple(widths),
            first_row_as_headings=head is not None,
            headings_style=FontFace(fill_color=_HEAD, emphasis=""),
            line_height=5,
            padding=(0.8, 1.2),
            text_align="LEFT",
            wrapmode=WrapMode.CHAR,
        ) as table:
            for row in ([head] if head is not None else []) + list(rows):
                line = table.row()
                for cell in row:
                    line.cell(cell)
        pages.ln(2)

    def finished(self) -> bytes:
        """The file."""
        return bytes(self._pages.output())
