# SPDX-License-Identifier: Apache-2.0
"""Objects under a session's own key: what was put comes back, of any range, and nothing else ever does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.keyed_format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    KEY_BYTES,
    MAGIC,
    SALT_BYTES,
    TAG_BYTES,
    Chunks,
    FormatFault,
    header,
    plain_bytes,
    salt_of,
    span,
    stored_bytes,
)

KEY, SALT, NAME = b"k" * KEY_BYTES, b"s" * SALT_BYTES, "c/sessions/x/manifest.json"
EDGES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)
STORED_CHUNK = CHUNK_BYTES + TAG_BYTES


def pieces(plain: bytes, key: bytes = KEY, name: str = NAME, salt: bytes = SALT) -> list[bytes]:
    """The stored chunks."""
    chunks = Chunks(key, name, salt)
    cut = [plain[at : at + CHUNK_BYTES] for at in range(0, len(plain), CHUNK_BYTES)] or [b""]
    return [chunks.seal(number, piece, last=number == len(cut) - 1) for number, piece in enumerate(cut)]


def stored(plain: bytes) -> bytes:
    return header(SALT) + b"".join(pieces(plain))


def opened(data: bytes, start: int, length: int, key: bytes = KEY, name: str = NAME) -> bytes:
    """A range, read as the store's door does."""
    there = span(start, length, plain_bytes(len(data)))
    chunks, part = Chunks(key, name, salt_of(data[:HEADER_BYTES])), data[there.offset : there.offset + there.bytes]
    cut = [part[at : at + STORED_CHUNK] for at in range(0, there.bytes, STORED_CHUNK)]
    assert len(cut) == there.chunks
    numbered = enumerate(cut, there.first)
    found = b"".join(chunks.open(number, piece, last=number == there.last) for number, piece in numbered)
    return found[there.skip : there.skip + length]


sizes = st.one_of(st.sampled_from(EDGES), st.integers(0, 3 * CHUNK_BYTES + 5))


@settings(max_examples=60, deadline=None)
@given(sizes, st.data())
def test_every_range_comes_back_and_takes_no_more_chunks_than_it_touches(size: int, data: st.DataObject) -> None:
    plain = bytes(n * 7 % 251 for n in range(size))
    start = data.draw(st.integers(0, size))
    length = data.draw(st.integers(0, size - start))
    assert opened(stored(plain), start, length) == plain[start : start + length]
    there = span(start, length, size)
    assert (there.chunks - 2) * CHUNK_BYTES <= length
    assert there.offset + there.bytes <= stored_bytes(size)


@given(sizes)
def test_the_size_follows_from_the_stored_one(size: int) -> None:
    assert plain_bytes(stored_bytes(size)) == size


@given(st.integers(0, 4 * STORED_CHUNK))
def test_a_size_is_one_of_an_object_or_refused(size: int) -> None:
    try:
        plain = plain_bytes(size)
    except FormatFault:
        assert size not in {stored_bytes(plain) for plain in range(max(0, size - 200), size + 1)}
    else:
        assert stored_bytes(plain) == size


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EDGES), st.data())
def test_one_changed_bit_is_found(size: int, data: st.DataObject) -> None:
    good = bytearray(stored(bytes(size)))
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    good[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FormatFault):
        opened(bytes(good), 0, size)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("cut", [1, TAG_BYTES, CHUNK_BYTES, STORED_CHUNK, STORED_CHUNK + 1])
def test_a_shorter_object_is_found(size: int, cut: int) -> None:
    short = stored(bytes(size))[:-cut]
    with pytest.raises(FormatFault):
        opened(short, 0, plain_bytes(len(short)))


def test_chunks_that_were_swapped_repeated_or_added_are_found() -> None:
    plain = bytes(3 * CHUNK_BYTES)
    first, second, third = pieces(plain)
    for order in ([second, first, third], [first, first, third], [first, third], [first, second, third, third]):
        data = header(SALT) + b"".join(order)
        with pytest.raises(FormatFault, match="was changed"):
            opened(data, 0, plain_bytes(len(data)))


@pytest.mark.parametrize(
    ("key", "name"), [(b"K" * KEY_BYTES, NAME), (KEY, "c/sessions/y/manifest.json"), (KEY, NAME + "x")]
)
def test_another_key_or_another_name_opens_nothing(key: bytes, name: str) -> None:
    with pytest.raises(FormatFault):
        opened(stored(b"words"), 0, 5, key, name)


@pytest.mark.parametrize("head", [b"", MAGIC, b"\x1aE\xdf\xa3" + bytes(HEADER_BYTES - 4), b"VHOWNKEY\x02" + SALT])
def test_what_has_no_such_header_is_refused(head: bytes) -> None:
    with pytest.raises(FormatFault, match="not encrypted"):
        salt_of(head)


def test_the_same_bytes_look_different_under_every_salt_and_name() -> None:
    made = {b"".join(pieces(b"words", salt=salt, name=name)) for salt in (SALT, b"t" * 32) for name in (NAME, "other")}
    assert len(made) == 4
