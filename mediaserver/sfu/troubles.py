# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the sources of one room: nothing comes, the camera is black, the microphone silent or clipping.
PURE.

Three see it: the room itself (nothing comes), the publisher's page, which measures its own camera and microphone and
reports (`report_source`), and for what has no page a process beside, which decodes a sample every few seconds. The
worst counts: what does not come at all is neither black nor silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from mediaserver.errors import PeerFault
from mediaserver.sfu.events import SourceFlow

STALLED_AFTER_S: Final = 3.0
"""Nothing came for so long of a source that is on and wanted. Sound comes 50 times a second, a still screen once."""
FLOWING_AGAIN_S: Final = 1.0
"""A source that comes again has to come for so long before the alarm is over."""
REPORTS_AT_ONCE: Final = 8
REPORTS_PER_S: Final = 1.0
"""A page may report so many times in a burst, and so often in the long run; `too_often` beyond it."""

BLACK_MEAN: Final = 12.0
BLACK_BRIGHTEST: Final = 32.0
"""A picture is black when its mean and nearly all of it are at most so bright, of 255."""
SILENT_PEAK: Final = 1 / 16384
"""Sound is silent when no sample is above this part of full scale (-84 dB): quieter than any live microphone."""
CLIPPED_SHARE: Final = 0.005
"""Sound clips when more of its samples than this lie at full scale (above 0.985)."""
SAMPLES_THE_SAME: Final = 2
"""So many samples one after the other must say the same before it is believed, in both directions."""

STALLED, BLACK, SILENT, CLIPPING = "stalled", "black", "silent", "clipping"
MAY_SUFFER: Final = {"mic": frozenset({SILENT, CLIPPING}), "cam": frozenset({BLACK})}
"""What may be reported of a source."""


def picture_trouble(mean: float, brightest: float) -> str | None:
    """`mean` and `brightest` (the brightest but for one part in fifty) of the luma, 0 to 255."""
    return BLACK if mean <= BLACK_MEAN and brightest <= BLACK_BRIGHTEST else None


def sound_trouble(peak: float, clipped_share: float) -> str | None:
    """`peak` in parts of full scale, and the share of samples at full scale."""
    if peak <= SILENT_PEAK:
        return SILENT
    return CLIPPING if clipped_share > CLIPPED_SHARE else None


class ReportLimit:
    """How often one page may report."""

    def __init__(self) -> None:
        self._left, self._at_s = float(REPORTS_AT_ONCE), 0.0

    def take(self, now_s: float) -> None:
        """One report. Raises PeerFault `too_often`."""
        self._left = min(REPORTS_AT_ONCE, self._left + (now_s - self._at_s) * REPORTS_PER_S)
        self._at_s = now_s
        if self._left < 1:
            raise PeerFault("too_often", f"more than {REPORTS_PER_S} reports a second")
        self._left -= 1


@dataclass(slots=True)
class _Source:
    """What is known of one source."""

    wanted_since_s: float | None = None
    stalled: bool = False
    reported: str | None = None
    sampled: str | None = None
    samples: int = 0
    """How often the newest sample said the same."""
    limits: ReportLimit = field(default_factory=ReportLimit)
    told: str | None = None
    since_utc_ms: int = 0


class Troubles:
    """Of one room. `look` is to be called about twice a second, and after a report."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str], _Source] = {}

    def report(self, peer_id: str, source: str, trouble: str | None, now_s: float) -> None:
        """A page's word about its own source; counts until the next one, and as long as the source is on.

        Raises PeerFault `bad_trouble`, `unknown_producer`, `too_often`.
        """
        if source not in MAY_SUFFER or trouble not in {None, *MAY_SUFFER[source]}:
            raise PeerFault("bad_trouble", f"{source} cannot be {trouble}")
        found = self._sources.get((peer_id, source))
        if found is None:
            raise PeerFault("unknown_producer")
        found.limits.take(now_s)
        found.reported = trouble

    def sample(self, peer_id: str, source: str, trouble: str | None) -> None:
        """What one decoded sample showed; believed when it is said twice."""
        found = self._sources.get((peer_id, source))
        if found is None:
            return
        if trouble != found.sampled:
            found.sampled, found.samples = trouble, 0
        found.samples += 1
        if found.samples >= SAMPLES_THE_SAME:
            found.reported = trouble

    def unsure(self, peer_id: str, source: str) -> bool:
        """The newest sample differs from what is believed: the next one should come soon."""
        found = self._sources.get((peer_id, source))
        return (
            found is not None and found.samples > 0 and (found.sampled != found.reported or found.sampled is not None)
        )

    def look(self, flows: Iterable[SourceFlow], now_s: float, utc_ms: int) -> bool:
        """Take over what is published now; True when something began or ended."""
        present = set()
        changed = False
        for flow in flows:
            key: tuple[str, str] = flow.peer_id, flow.source
            present.add(key)
            source = self._sources.setdefault(key, _Source())
            _see(source, flow, now_s)
            worst = STALLED if source.stalled else source.reported
            if worst != source.told:
                source.told, source.since_utc_ms, changed = worst, utc_ms, True
        for key in self._sources.keys() - present:
            changed = self._sources.pop(key).told is not None or changed
        return changed

    def current(self) -> list[dict[str, Any]]:
        """JSON-ready: peer_id, source, trouble, since_utc_ms of everything that is wrong now."""
        return [
            {"peer_id": peer_id, "source": name, "trouble": source.told, "since_utc_ms": source.since_utc_ms}
            for (peer_id, name), source in self._sources.items()
            if source.told is not None
        ]


def _see(source: _Source, flow: SourceFlow, now_s: float) -> None:
    if not flow.wanted:
        source.wanted_since_s, source.stalled = None, False
        source.reported = source.sampled = None
        source.samples = 0
        return
    if source.wanted_since_s is None:
        source.wanted_since_s = now_s
    missed_s = min(flow.silent_s, now_s - source.wanted_since_s)
    if missed_s >= STALLED_AFTER_S:
        source.stalled = True
    elif flow.live_s >= FLOWING_AGAIN_S:
        source.stalled = False
