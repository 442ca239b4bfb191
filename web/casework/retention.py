# SPDX-License-Identifier: Apache-2.0
"""How long a recording is kept, and who may say so. PURE.

The longest wins: the class's days after the end of the session, a lock that the store was given for longer, and a
hold, which has no end of its own. What is not known (a class that the settings no longer name) is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from web.casework.refusal import Refused

KEEPERS: Final = frozenset({"administrator", "clerk"})
"""Who sets classes and holds. Whoever leads a session cannot decide how long its record lives."""
PERMANENT: Final = "permanent"
DAY_MS: Final = 86_400_000
Classes = Mapping[str, "int | Literal['permanent']"]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What decides about one sealed recording."""

    retention_class: str
    ended_utc_ms: int
    held: bool = False
    locked_until_utc_ms: int | None = None


def kept_until_utc_ms(keeping: Keeping, classes: Classes) -> int | None:
    """When the class and the store let it go; None: never. A hold is not looked at."""
    days = classes.get(keeping.retention_class, PERMANENT)
    if days == PERMANENT:
        return None
    assert isinstance(days, int)
    return max(keeping.ended_utc_ms + days * DAY_MS, keeping.locked_until_utc_ms or 0)


def is_due(keeping: Keeping, classes: Classes, now_utc_ms: int) -> bool:
    """True when it may be deleted now."""
    until = kept_until_utc_ms(keeping, classes)
    return until is not None and until <= now_utc_ms and not keeping.held


def wants_hold(keeping: Keeping, classes: Classes) -> bool:
    """True when the store shall hold the objects without a time: a hold, or a class without an end."""
    return keeping.held or kept_until_utc_ms(keeping, classes) is None


def check_class(name: str, classes: Classes) -> None:
    """Raises Refused `retention_class_unknown`."""
    if name not in classes:
        raise Refused("retention_class_unknown", {"names": list(classes)})


def check_hold(*, held: bool, wanted: bool, reason: str) -> None:
    """Setting and lifting are both explained. Raises Refused `hold_reason_needed`, `hold_unchanged`."""
    if not reason:
        raise Refused("hold_reason_needed")
    if held == wanted:
        raise Refused("hold_unchanged")
