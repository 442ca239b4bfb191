# SPDX-License-Identifier: Apache-2.0
"""Good inputs with faults in them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

_EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 127, 128, 254, 255)
_WIDE_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)


given: bytes | None = None
"""An input of the corpus, or of another engine: it is taken as it is, instead of one made by chance."""


def random_bytes(chance: random.Random, most: int = 400) -> bytes:
    """Noise, short ones more often."""
    return chance.randbytes(min(chance.randrange(most), chance.randrange(most)))


def mutated_bytes(chance: random.Random, golden: Sequence[bytes]) -> bytes:
    """One good input with one to six faults; now and then two inputs joined, or only noise."""
    if given is not None:
        return given
    if chance.random() < 0.1:
        return random_bytes(chance)
    data = bytearray(chance.choice(golden))
    for _ in range(chance.randint(1, 6)):
        _one_fault(chance, data, golden)
    return bytes(data)


def _one_fault(chance: random.Random, data: bytearray, golden: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(8):
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at % len(data)] = chance.choice(_EDGES)
        case 2:
            data[at : at + 2] = chance.choice(_WIDE_EDGES).to_bytes(2)
        case 3:
            del data[at:]
        case 4:
            del data[at : at + chance.randint(1, 8)]
        case 5:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        case 6:
            data[at:at] = data[: chance.randrange(len(data) + 1)]
        case _:
            other = chance.choice(golden)
            data[at:] = other[chance.randrange(len(other) + 1) :]


def strange_value(chance: random.Random, depth: int = 0) -> Any:
    """A JSON value that a program may not have thought of."""
    plain = (
        None, True, False, 0, -1, 1, 2**31, 2**53, 2**64, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "0",
        "\ud800", "\x00", "调解", "a" * 5000, "../..", [], {},
    )  # fmt: skip
    choice = chance.randrange(len(plain) + 4)
    if choice < len(plain) or depth > 3:
        return plain[choice % len(plain)]
    if choice == len(plain):
        return [strange_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if choice == len(plain) + 1:
        return {
            str(strange_value(chance, 4))[:20]: strange_value(chance, depth + 1) for _ in range(chance.randrange(4))
        }
    if choice == len(plain) + 2:
        return nested(chance.choice((10, 200, 480, 900)), chance.random() < 0.5)
    return chance.randbytes(6).hex()


def nested(levels: int, lists: bool) -> Any:
    """A value in a value in a value."""
    value: Any = 0
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


def mutated_value(chance: random.Random, value: Any) -> Any:
    """A copy of a JSON value with one place changed, removed, repeated or added to."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        return _mutated_dict(chance, value)
    if isinstance(value, list) and value and chance.random() < 0.85:
        copy = list(value)
        at = chance.randrange(len(copy))
        match chance.randrange(4):
            case 0:
                del copy[at]
            case 1:
                copy = copy * chance.choice((2, 9, 40))
            case _:
                copy[at] = mutated_value(chance, copy[at])
        return copy
    if isinstance(value, int) and chance.random() < 0.5:
        return value + chance.choice((-1, 1, 2**16, -(2**31)))
    return strange_value(chance)


def _mutated_dict(chance: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    copy = dict(value)
    name = chance.choice(list(copy))
    match chance.randrange(6):
        case 0:
            del copy[name]
        case 1:
            copy[chance.choice(("extra", "", "__class__", "\ud800", name + "x"))] = strange_value(chance)
        case _:
            copy[name] = mutated_value(chance, copy[name])
    return copy


def mutated_document(chance: random.Random, value: Any) -> Any:
    """A JSON value with one to three faults."""
    if given is not None:
        try:
            return json.loads(given)
        except (ValueError, RecursionError):
            return None
    for _ in range(chance.randint(1, 3)):
        value = mutated_value(chance, value)
    return value


def mutated_json(chance: random.Random, golden: Sequence[Any]) -> str:
    """JSON text of a good message with faults: in the values, or now and then in the text itself."""
    if given is not None:
        return given.decode("utf-8", "surrogateescape")
    text = json.dumps(mutated_document(chance, chance.choice(golden)), ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.15:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(("", "{", "]", '"', "\\u", "9" * 5000, "[" * 3000, "\ufeff")) + text[at + 1 :]
    return text
