# SPDX-License-Identifier: Apache-2.0
"""How a rule says no: a code that stands in the locale files, and the values its sentence needs. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


class Refused(Exception):
    """A rule of the casework forbids what was asked (the person's fault, never ours).

    `code` names the sentence `error-CODE`; `params` are JSON values for it and for the page.
    """

    def __init__(self, code: str, params: Mapping[str, object] | None = None) -> None:
        super().__init__(code)
        self.code: Final = code
        self.params: Final[dict[str, object]] = dict(params or {})
