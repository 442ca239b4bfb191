# SPDX-License-Identifier: Apache-2.0
"""The standard doors: WHIP (RFC 9725) to publish into a room, WHEP (draft-ietf-wish-whep) to watch one peer of it.

One POST makes a visit: one transport of a client that has no WebSocket. All visits under one token are one peer of the
room, seen by everybody in it. A visit ends by DELETE, when its DTLS or its ICE ends, when what it watches ends, with
its peer and with its room.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from aiohttp import hdrs, web

from mediaserver.errors import PeerFault
from mediaserver.shell.client import Client
from mediaserver.shell.live_room import LiveRoom
from mediaserver.shell.transport import Transport
from mediaserver.signalling import answers, messages, sdp
from mediaserver.signalling.session import Arrow, Liveness, Presence
from storage.access import AccessDenied, DoorRight, DoorToken, RoomToken, verify_door_token
from storage.turn import IceServer, link_values

log = structlog.get_logger(__name__)

SDP_TYPE: Final = "application/sdp"
FRAGMENT_TYPE: Final = "application/trickle-ice-sdpfrag"
MAX_VISITS: Final = 300
MAX_VISITS_OF_ONE: Final = 32
"""Visits under one token: a wall of pictures needs one for each."""
SILENT_FOR_S: Final = 30.0
"""A visit without a valid check for so long, also from its beginning, is over (RFC 7675)."""
LOOK_EVERY_S: Final = 2.0
RETRY_AFTER_S: Final = 5
_STATUS: Final = {"bad_sdp": 400, "unsupported_offer": 422, "too_many_visits": 503, "not_published": 409, "barred": 403}
_SOURCES: Final = {"audio": "mic", "video": "cam"}


@dataclass(slots=True, eq=False)
class Visit:
    """One WHIP or WHEP session; `id` cannot be guessed."""

    id: str
    right: DoorRight
    room: LiveRoom
    client: DoorClient
    transport: Transport
    began_s: float
    ufrag: str
    """The visitor's ICE user name: another one in a PATCH means a restart."""
    consumers: frozenset[str] = frozenset()
    etag: str = field(default_factory=lambda: f'"{secrets.token_hex(8)}"')

    def silent_s(self, now: float) -> float:
        """Seconds since the last valid check, or since the beginning."""
        return now - max(self.began_s, self.transport.ice.last_check_s or 0.0)


class DoorClient(Client):
    """A peer that came by WHIP or WHEP: nobody reads notifications there, but some of them end visits."""

    def __init__(self, end: Callable[[Visit], None]) -> None:
        super().__init__()
        self.visits: dict[str, Visit] = {}
        self._end_visit = end

    def enter(self, room: LiveRoom, token: RoomToken, now: float) -> None:
        """It has no socket that would be a sign of life: its first check must come in time."""
        super().enter(room, token, now)
        self._liveness = Liveness(now, socket_open=False, socket_lost_s=now + SILENT_FOR_S)

    def observe(self, now: float) -> Presence:
        """Others than browsers check every five seconds and lose a check now and then: only the visit's own limit,
        which ends it, tells that one is gone."""
        super().observe(now)
        if any(visit.silent_s(now) < SILENT_FOR_S for visit in self.visits.values()):
            self.presence = Presence.CONNECTED
        return self.presence

    def notify(self, kind: str, data: dict[str, Any]) -> None:
        """What a visit watches has ended: players come back by themselves and get what is there then."""
        if kind == "consumer_closed":
            for visit in list(self.visits.values()):
                if data["consumer_id"] in visit.consumers:
                    self._end_visit(visit)

    def hang_up(self, code: int, reason: str) -> None:
        """The peer is out of the room, so its visits are over."""
        self.transports.clear()
        for visit in list(self.visits.values()):
            self._end_visit(visit)


class Doors:
    """HTTP handlers of both doors, and the visits that they made."""

    def __init__(
        self,
        rooms: Mapping[str, LiveRoom],
        secrets_dir: Path,
        servers: Callable[[str], list[IceServer]],
        count: Callable[[str], None],
    ) -> None:
        self._rooms, self._secrets_dir, self._servers, self._count = rooms, secrets_dir, servers, count
        self._visits: dict[str, Visit] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add_routes(self, app: web.Application) -> None:
        """The public paths, which web passes on as they are."""
        for base in ("/whip/{room}", "/whep/{room}/{peer}"):
            app.router.add_post(base, self._post)
            app.router.add_patch(base + "/{visit}", self._patch)
            app.router.add_delete(base + "/{visit}", self._delete)

    def close(self) -> None:
        """The program ends."""
        if self._timer is not None:
            self._timer.cancel()

    # Who asks

    def _token(self, request: web.Request) -> DoorToken:
        scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise AccessDenied("token_invalid")
            token = verify_door_token(self._secrets_dir, text.strip())
        except AccessDenied as denied:
            self._count("door_tokens_refused")
            raise _refusal(401, denied.code, {hdrs.WWW_AUTHENTICATE: "Bearer"}) from None
        if token.room != request.match_info["room"] or token.right != _right(request):
            raise _refusal(403, "token_for_another_door")
        return token

    def _visit(self, request: web.Request) -> Visit:
        token, visit = self._token(request), self._visits.get(request.match_info["visit"])
        if visit is None or visit.right != token.right or visit.client.peer_id != token.peer_id:
            raise _refusal(404, "unknown_visit")
        return visit

    # POST

    async def _post(self, request: web.Request) -> web.Response:
        token = self._token(request)
        if request.content_type != SDP_TYPE:
            raise _refusal(415, "not_sdp", {"Accept-Post": SDP_TYPE})
        room = self._rooms.get(token.room)
        if room is None:
            raise _refusal(404, "unknown_room")
        try:
            offer = sdp.parse(await _text(request))
            visit, text = self._open(room, token, offer, request.match_info.get("peer", ""))
        except PeerFault as fault:
            self._count(f"door_{fault.code}")
            raise _refused(fault) from None
        self._count(f"door_{token.right}")
        headers = {hdrs.LOCATION: f"{request.path}/{visit.id}", hdrs.ETAG: visit.etag, "Accept-Patch": FRAGMENT_TYPE}
        response = web.Response(status=201, text=text, content_type=SDP_TYPE, charset="utf-8", headers=headers)
        response.headers[hdrs.CONTENT_TYPE] = SDP_TYPE
        for value in link_values(self._servers(token.peer_id)):
            response.headers.add(hdrs.LINK, value)
        return response

    def _open(self, room: LiveRoom, token: DoorToken, offer: sdp.Description, watched: str) -> tuple[Visit, str]:
        parameters = answers.dtls_parameters(offer) if offer.sections else None
        publishing = token.right == "publish"
        published = answers.match_published(offer) if publishing else []
        if parameters is None or (not publishing and not answers.check(offer, answers.WATCHED)):
            raise PeerFault("unsupported_offer", "The offer has no media.")
        if not publishing and not room.publishes(watched):
            raise PeerFault("not_published", "Nobody of this id publishes now.")
        client = self._client(room, token)
        try:
            visit = self._begin(room, token, client, watched, offer)
            matches = self._publish(visit, published) if publishing else self._watch(visit, offer)
        except PeerFault:
            if client.session.present and not client.visits:
                room.leave(client, Arrow.LEAVE)
            raise
        visit.transport.connect(parameters)
        number = secrets.randbits(62)
        return visit, answers.answer(offer, matches, visit.transport.describe(), number)

    def _client(self, room: LiveRoom, token: DoorToken) -> DoorClient:
        """The peer of this token, as it is or new. A second WHIP session takes the place of the first: an encoder that
        lost its network comes again before we know that it was lost."""
        client = room.clients.get(token.peer_id)
        if isinstance(client, DoorClient) and token.right == "watch":
            if len(client.visits) >= MAX_VISITS_OF_ONE:
                raise PeerFault("too_many_visits")
            return client
        if len(self._visits) >= MAX_VISITS:
            raise PeerFault("too_many_visits")
        # Its token was made by who leads the session, so it need not knock; but whoever was shown out stays out.
        room.moderation.check_device(token.peer_id)
        made = DoorClient(self._end)
        made.session.advance(Arrow.HELLO)
        room.join(made, RoomToken(token.county, token.room, token.session, token.peer_id, token.name, token.place, ()))
        return made

    def _begin(
        self, room: LiveRoom, token: DoorToken, client: DoorClient, watched: str, offer: sdp.Description
    ) -> Visit:
        if len(self._visits) >= MAX_VISITS:
            raise PeerFault("too_many_visits")
        visit_id = secrets.token_urlsafe(24)
        transport = room.add_transport(
            client,
            "send" if token.right == "publish" else "recv",
            key=visit_id,
            only=watched or None,
            on_down=lambda: self._end(self._visits.get(visit_id)),
        )
        visit = Visit(visit_id, token.right, room, client, transport, time.monotonic(), offer.sections[0].ufrag)
        self._visits[visit_id] = client.visits[visit_id] = visit
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_after)
        return visit

    def _publish(self, visit: Visit, matches: list[answers.Match]) -> list[answers.Match]:
        try:
            for match in matches:
                kind = match.section.kind
                parameters = answers.produce_parameters(match)
                transport_id = visit.transport.transport_id
                visit.room.handle(visit.client, messages.Produce(transport_id, _SOURCES[kind], kind, parameters))
        except PeerFault as fault:
            self._end(visit)
            raise PeerFault("unsupported_offer", fault.message) from None
        return matches

    def _watch(self, visit: Visit, offer: sdp.Description) -> list[answers.Match]:
        """Camera before screen where the offer has one picture."""
        consumers = sorted(visit.room.consumers(visit.transport), key=lambda c: str(c["source"]))
        try:
            matches = answers.match_watched(offer, consumers)
        except PeerFault:
            self._end(visit)
            raise
        visit.room.renumber(visit.transport, answers.renumbering(matches))
        visit.consumers = frozenset(str(m.stream["id"]) for m in matches if m.stream is not None)
        visit.room.show(visit.client, {one for each in visit.client.visits.values() for one in each.consumers})
        return matches

    # PATCH and DELETE

    async def _patch(self, request: web.Request) -> web.Response:
        visit = self._visit(request)
        if request.content_type != FRAGMENT_TYPE:
            raise _refusal(415, "not_a_fragment", {"Accept-Patch": FRAGMENT_TYPE})
        wanted = request.headers.get(hdrs.IF_MATCH)
        if wanted is None:
            raise _refusal(428, "if_match_missing")
        try:
            fragment = sdp.parse_fragment(await _text(request))
        except PeerFault as fault:
            raise _refused(fault) from None
        restarts = fragment.ufrag != visit.ufrag
        if wanted != visit.etag and not (restarts and wanted == "*"):
            raise _refusal(412, "if_match_failed")
        if not restarts:
            return web.Response(status=204)  # a lite agent needs nobody's candidates: it answers where it is asked
        self._count("door_ice_restarts")
        visit.ufrag, visit.etag = fragment.ufrag, f'"{secrets.token_hex(8)}"'
        visit.transport.restart_ice()
        text = answers.restart_fragment(visit.transport.describe())
        response = web.Response(status=200, text=text, headers={hdrs.ETAG: visit.etag})
        response.headers[hdrs.CONTENT_TYPE] = FRAGMENT_TYPE
        return response

    async def _delete(self, request: web.Request) -> web.Response:
        self._end(self._visit(request))
        return web.Response(status=200)

    # Ends

    def _end(self, visit: Visit | None) -> None:
        """The visit is over; with the last one of a peer the peer leaves. Ending twice is no fault."""
        if visit is None or self._visits.pop(visit.id, None) is None:
            return
        client = visit.client
        client.visits.pop(visit.id, None)
        visit.room.remove_transport(client, visit.id)
        if not client.visits and client.session.present:
            visit.room.leave(client, Arrow.LEAVE)

    def _look_after(self) -> None:
        now = time.monotonic()
        for visit in list(self._visits.values()):
            if visit.silent_s(now) >= SILENT_FOR_S:
                self._count("door_silent")
                self._end(visit)
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_after) if self._visits else None


def _right(request: web.Request) -> Literal["publish", "watch"]:
    return "watch" if "peer" in request.match_info else "publish"


async def _text(request: web.Request) -> str:
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError:
        raise PeerFault("bad_sdp", "The body is not UTF-8.") from None


class _Refusal(web.HTTPException):
    """An answer that says no, as JSON with a code and a sentence for the developer."""

    def __init__(self, status: int, code: str, headers: Mapping[str, str] | None, message: str) -> None:
        self.status_code = status
        body = {"error": {"code": code, "message": message or code}}
        super().__init__(text=json.dumps(body), content_type="application/json", headers=headers)


def _refusal(status: int, code: str, headers: Mapping[str, str] | None = None, message: str = "") -> _Refusal:
    return _Refusal(status, code, headers, message)


def _refused(fault: PeerFault) -> _Refusal:
    status = _STATUS.get(fault.code, 422)
    headers: dict[str, str] | None = {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)} if status in (409, 503) else None
    return _Refusal(status, fault.code, headers, fault.message)
