# SPDX-License-Identifier: Apache-2.0
"""Consent to being recorded: who counts, what is missing, what follows from a withdrawal. PURE.

Sources: Supreme Court rule on online mediation 2022 (consent before the start), Personal Information
Protection Law (notice, withdrawal at any time). Consent is kept per person, not per endpoint: several
villagers often sit before one camera.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder, RecordingStep


@dataclass(frozen=True, slots=True)
class Person:
    """One person at an endpoint. `agreed` is None until asked, False after a refusal or a withdrawal."""

    name: str
    agreed: bool | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One browser in the session. `name` is the account's or the set's name, `present` whether it is in the room."""

    peer_id: str
    name: str
    present: bool
    people: tuple[Person, ...]


def people_without_consent(endpoint: Endpoint) -> list[str]:
    """Names at this endpoint that have not agreed; the endpoint's own name when nobody there was listed."""
    if not endpoint.people:
        return [endpoint.name]
    return [person.name for person in endpoint.people if person.agreed is not True]


def missing_consents(endpoints: Iterable[Endpoint]) -> list[str]:
    """Names of everyone present who has not agreed. Endpoints that are not in the room do not count."""
    return [name for endpoint in endpoints if endpoint.present for name in people_without_consent(endpoint)]


def check_may_record(endpoints: Iterable[Endpoint]) -> None:
    """Recording may start or go on only when everyone present agreed.

    Raises Refused `consent_missing` {names}, or `nobody_present` while the room is empty.
    """
    listed = list(endpoints)
    if not any(endpoint.present for endpoint in listed):
        raise Refused("nobody_present")
    names = missing_consents(listed)
    if names:
        raise Refused("consent_missing", {"names": names})


def check_may_join(endpoint: Endpoint, recorded: bool) -> None:
    """Whoever joins a session that is or was recorded agrees before a token is given.

    `recorded` is true while recording is on or paused, and ever after it was on. Raises Refused `consent_required`
    {names}.
    """
    if not recorded:
        return
    names = people_without_consent(endpoint)
    if names:
        raise Refused("consent_required", {"names": names})


def step_after_change(order: RecordingOrder, endpoints: Iterable[Endpoint]) -> RecordingStep | None:
    """What the recording must do after a consent, a withdrawal or a new person: pause, or nothing.

    It never resumes by itself: a person present presses the button, and the resumption stands in the record.
    """
    if order is RecordingOrder.ON and missing_consents(endpoints):
        return RecordingStep.PAUSE
    return None


ATTENDEE_KINDS: tuple[str, ...] = (
    "officer",
    "mediator",
    "party",
    "companion",
    "village_cadre",
    "witness",
    "guardian",
    "interpreter",
    "other",
)
"""Why somebody is present. The page shows each by its locale sentence `attendee-kind-…`."""
