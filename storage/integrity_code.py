# SPDX-License-Identifier: Apache-2.0
"""The short code that stands for a sealed manifest on paper, such as `0PST-QWJQ-K9FB-CS03-SNWW`. PURE.

Nineteen characters are the first 95 bits of the SHA-256 of the manifest's stored bytes, the last one checks the others.
The alphabet is Crockford's base 32: no I, L, O or U, so a code read aloud or written by hand can hardly be misread.
The check is a weighted sum over GF(32) with a different weight for every place: any single wrong character and any
two that changed places are found, and the check needs no sign outside the alphabet.
"""

from __future__ import annotations

import unicodedata
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 20
GROUP: Final = 4
_DIGEST_BITS: Final = 5 * (LENGTH - 1)
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_POLYNOMIAL: Final = 0b100101
"""x⁵ + x² + 1, whose root x has order 31: the powers of x are different weights for up to 31 places."""


class CodeFault(ValueError):
    """The text is no integrity code. It says in one sentence what is wrong."""


def integrity_code(sha256: str) -> str:
    """The code of a manifest whose stored bytes have this digest (hex), in groups of four."""
    bits = int(sha256, 16) >> (256 - _DIGEST_BITS)
    values = [bits >> (_DIGEST_BITS - 5 - 5 * place) & 31 for place in range(LENGTH - 1)]
    text = "".join(ALPHABET[value] for value in (*values, _sum(values)))
    return "-".join(text[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def read_code(text: str) -> str:
    """The code that somebody typed, as `integrity_code` writes it. Raises CodeFault.

    Small and full-width letters, blanks, any dashes or none, and O, I, L for 0, 1, 1 are all understood.
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    plain = "".join(sign for sign in plain if not sign.isspace() and unicodedata.category(sign) != "Pd")
    plain = plain.translate(_READ_AS)
    strange = next((sign for sign in plain if sign not in ALPHABET), None)
    if strange is not None:
        raise CodeFault(f"An integrity code has no {strange!r}; it is made of digits and letters.")
    if len(plain) != LENGTH:
        raise CodeFault(f"An integrity code has {LENGTH} characters; this one has {len(plain)}.")
    values = [ALPHABET.index(sign) for sign in plain]
    if _sum(values[:-1]) != values[-1]:
        raise CodeFault("The integrity code is mistyped: its last character does not fit the others.")
    return "-".join(plain[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def _sum(values: list[int]) -> int:
    """The check character: the value at place p times x to the power p + 1, added up; its own weight is 1."""
    total = 0
    for value in reversed(values):
        total = _times_x(total ^ value)
    return total


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ _POLYNOMIAL if doubled & 32 else doubled
