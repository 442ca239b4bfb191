# SPDX-License-Identifier: Apache-2.0
"""The code on paper: the same for the same manifest, and no slip of the pen goes unnoticed."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest

from storage.integrity_code import ALPHABET, CodeFault, integrity_code, read_code

DIGEST = hashlib.sha256(b"manifest").hexdigest()
CODE = integrity_code(DIGEST)


def test_the_code_is_the_digests_first_95_bits_in_base_32() -> None:
    """Worked out another way: as a number written to the base of 32."""
    assert integrity_code("0" * 64) == "0000-0000-0000-0000-0000"
    number, expected = int(DIGEST, 16) // 2 ** (256 - 95), ""
    for _ in range(19):
        number, digit = divmod(number, 32)
        expected = ALPHABET[digit] + expected
    assert CODE.replace("-", "")[:19] == expected
    assert [len(group) for group in CODE.split("-")] == [4] * 5


def test_codes_on_paper_stay_valid() -> None:
    """Whoever changes how a code is made breaks every signed agreement."""
    assert integrity_code("f" * 64) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZT"
    assert CODE == "0PST-QWJQ-K9FB-CS03-SNWW"


def test_other_manifests_have_other_codes() -> None:
    assert len({integrity_code(hashlib.sha256(bytes([n])).hexdigest()) for n in range(200)}) == 200


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.lower(),
        CODE.replace("-", ""),
        f"  {CODE.replace('-', '  ')} ",
        CODE.replace("-", "–"),
        "".join(chr(ord(sign) + 0xFEE0) for sign in CODE),
        CODE.replace("0", "O").replace("1", "l"),
    ],
)
def test_a_code_is_read_however_it_was_typed(typed: str) -> None:
    assert read_code(typed) == CODE


def test_letters_that_look_like_digits_are_those_digits() -> None:
    zeros = integrity_code("0" * 64)
    assert read_code(zeros.replace("0", "o")) == read_code(zeros.replace("0", "O")) == zeros


def test_every_single_wrong_character_is_found() -> None:
    plain = CODE.replace("-", "")
    for place in range(20):
        for sign in ALPHABET:
            if sign != plain[place]:
                with pytest.raises(CodeFault, match="mistyped"):
                    read_code(plain[:place] + sign + plain[place + 1 :])


def test_any_two_characters_that_changed_places_are_found() -> None:
    plain = CODE.replace("-", "")
    for first, second in combinations(range(20), 2):
        signs = list(plain)
        signs[first], signs[second] = signs[second], signs[first]
        if signs[first] != signs[second]:
            with pytest.raises(CodeFault, match="mistyped"):
                read_code("".join(signs))


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "has 0"), (CODE[:-1], "has 19"), (CODE + "0", "has 21"), ("U" * 20, "no 'U'"), ("完整性", "no '完'")],
)
def test_what_is_no_code_is_said(typed: str, words: str) -> None:
    with pytest.raises(CodeFault, match=words):
        read_code(typed)
