# SPDX-License-Identifier: Apache-2.0
"""What somebody must know of at once: raised when it begins, cleared when it is over, on the pages and outside.

Of the installation (a program, the disk, the store), for the technician; and of one source of one session (nothing
comes, black, silent, clipping), for the person, the host and the station.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final

from storage.database.models import Participant, Session
from web.media.pool import MediaPool
from web.media.recorder_pool import RecorderPool
from web.sessions.delivery import Delivery
from web.sessions.watch import SourceAlarm, Watch

MEDIA_AWAY_AFTER_S: Final = 10.0
"""A mediaserver that restarts is back sooner."""
NAMES: Final = {
    "stalled": "track_stalled",
    "black": "camera_black",
    "silent": "mic_silent",
    "clipping": "mic_clipping",
}
"""The mediaserver's word for what is wrong with a source, and the alarm's name."""


class Alarms:
    """Looks at the links; nothing is kept: after a restart what is still wrong is raised again."""

    def __init__(
        self,
        delivery: Delivery,
        media: MediaPool,
        recorder: RecorderPool,
        monotonic_s: Callable[[], float] = time.monotonic,
        store_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._delivery, self._media, self._recorder, self._monotonic_s = delivery, media, recorder, monotonic_s
        self._store_away = store_away
        self._media_up_s = monotonic_s()
        self._turn = asyncio.Lock()
        self._sources: dict[str, tuple[SourceAlarm, ...]] = {}
        self.raised: frozenset[str] = frozenset()
        self._recorders_away: frozenset[str] = frozenset()

    def watch(self, session_id: str) -> Watch:
        """For the page of this session."""
        return Watch(self._recorder.away_for(session_id), self.raised, self._sources.get(session_id, ()))

    # Of the installation

    def found(self) -> Set[str]:
        """Names of all alarms that are on at this moment."""
        now_s = self._monotonic_s()
        if self._media.all_up:
            self._media_up_s = now_s
        last = self._recorder.last
        wrong = {
            "mediaserver_away": now_s - self._media_up_s >= MEDIA_AWAY_AFTER_S,
            "recorder_away": bool(self._recorder.away),
            "disk_full": last is not None and last.disk_state == "full",
            "disk_low": last is not None and last.disk_state == "low",
            # There is room, and yet the recorder cannot write.
            "disk_failed": last is not None
            and last.disk_state != "full"
            and any(entry.raw.get("error") == "disk_full" for entry in last.entries),
            "store_away": self._store_away() or (last is not None and not last.store_ok),
        }
        return {name for name, on in wrong.items() if on}

    async def look(self) -> bool:
        """Tell outside what changed since the last look; True when a page may show something else now."""
        async with self._turn:
            now, away = frozenset(self.found()), self._recorder.away
            changes = [("alarm.raised", name) for name in sorted(now - self.raised)]
            changes += [("alarm.cleared", name) for name in sorted(self.raised - now)]
            if changes:
                utc_ms = self._delivery.now_ms()
                async with self._delivery.database.begin() as db:
                    for kind, name in changes:
                        self._delivery.outbox.put(db, kind, None, {"name": name}, utc_ms)
            another = away != self._recorders_away
            self.raised, self._recorders_away = now, away
        return bool(changes) or another

    # Of the sources

    async def heard(self, session_id: str, troubles: Iterable[Mapping[str, Any]]) -> None:
        """Everything that is wrong in this room now, as its mediaserver tells it."""
        alarms = tuple(
            SourceAlarm(NAMES[item["trouble"]], str(item["peer_id"]), str(item["source"]), int(item["since_utc_ms"]))
            for item in troubles
            if item["trouble"] in NAMES
        )
        async with self._turn:
            before = {_key(alarm): alarm for alarm in self._sources.get(session_id, ())}
            now = {_key(alarm): alarm for alarm in alarms}
            changes = [("alarm.cleared", before[key]) for key in before.keys() - now.keys()]
            changes += [("alarm.raised", now[key]) for key in now.keys() - before.keys()]
            if changes:
                await self._tell_outside(session_id, changes)
            if alarms:
                self._sources[session_id] = alarms
            else:
                self._sources.pop(session_id, None)
        if changes:
            self._delivery.changed(session_id)

    async def only(self, rooms: Set[str], ours: Callable[[str], bool]) -> None:
        """A mediaserver has no other rooms than these: what was wrong in another one of its rooms is over."""
        for session_id in [one for one in self._sources if one not in rooms and ours(one)]:
            await self.heard(session_id, ())

    async def _tell_outside(self, session_id: str, changes: list[tuple[str, SourceAlarm]]) -> None:
        utc_ms = self._delivery.now_ms()
        async with self._delivery.database.begin() as db:
            session = await db.get(Session, session_id)
            for kind, alarm in changes:
                who = await db.get(Participant, alarm.peer_id)
                person = {"peer_id": alarm.peer_id, "peer_name": "" if who is None else who.name}
                data = {"name": alarm.name, **person, "source": alarm.source}
                self._delivery.outbox.put(db, kind, session, data, utc_ms)


def _key(alarm: SourceAlarm) -> tuple[str, str, str]:
    return alarm.name, alarm.peer_id, alarm.source
