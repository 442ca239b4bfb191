# SPDX-License-Identifier: Apache-2.0
"""WHIP and WHEP at the real mediaserver: every answer of RFC 9725, and media through a viewer's own numbers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from mediaserver.rtp import packet as rtp
from mediaserver.shell.whip import MAX_VISITS_OF_ONE
from storage.access import DoorRight, DoorToken, mint_door_token
from tests.mediaserver.shell.endpoint import Wire, until
from tests.mediaserver.shell.offers import FINGERPRINT, described, offer
from tests.mediaserver.shell.test_mediaserver import Server, picture, play, server

__all__ = ["server"]

FRAGMENT = "application/trickle-ice-sdpfrag"


def token(server: Server, peer: str, right: DoorRight, room: str = "r1") -> str:
    return mint_door_token(server.secrets, DoorToken("c", room, room, peer, f"name {peer}", "", right), life_s=600)


async def ask(
    server: Server, method: str, path: str, bearer: str, body: str = "", kind: str = "application/sdp", **more: str
) -> tuple[int, Any, str]:
    """Status, headers and body."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": kind, **more}
    async with server.http.request(method, f"http://media{path}", data=body, headers=headers) as reply:
        return reply.status, reply.headers, await reply.text()


async def come(server: Server, path: str, bearer: str, **offered: Any) -> tuple[Wire, str, str]:
    """A visitor with DTLS and SRTP up; where its visit is, and its ETag."""
    # The fingerprint must be known before the answer is, so the wire is made first and learns its server afterwards.
    wire = Wire({"iceParameters": {}, "iceCandidates": [{"protocol": "udp", "ip": "127.0.0.1", "port": 9}]})
    prints = {f["algorithm"]: f["value"] for f in wire.fingerprints}
    body = offer(fingerprint=f"sha-256 {prints['sha-256']}", **offered)
    status, headers, text = await ask(server, "POST", path, bearer, body)
    assert status == 201, text
    wire.learn(described(text))
    await wire.up()
    return wire, headers["Location"], headers["ETag"]


def code(text: str) -> str:
    return str(json.loads(text)["error"]["code"])


async def test_one_publishes_and_another_watches_by_its_own_numbers(server: Server) -> None:
    await server.room()
    status, headers, text = await ask(
        server, "POST", "/whep/r1/a", token(server, "w", "watch"), offer(direction="recvonly")
    )
    assert (status, code(text), headers["Retry-After"]) == (409, "not_published", "5")
    sender, visit, _ = await come(server, "/whip/r1", token(server, "a", "publish"))
    assert visit.startswith("/whip/r1/")
    assert len(visit) > 40
    viewer, watched, _ = await come(server, "/whep/r1/a", token(server, "w", "watch"), direction="recvonly")
    page = await server.page("b")
    assert {p["peer_id"] for p in page.joined["peers"]} == {"a", "w"}, "everybody sees who watches"
    await play(sender, 1, 60)
    await until(lambda: len(viewer.media) >= 20)
    await until(lambda: len(page.wires["recv"].media) >= 10)
    kinds = {rtp.read_header(data).payload_type for data in viewer.media}  # type: ignore[union-attr]
    assert kinds == {96}, "the number of the viewer's own offer"
    assert {rtp.read_header(d).payload_type for d in page.wires["recv"].media} == {101}  # type: ignore[union-attr]
    status, _, _ = await ask(server, "DELETE", visit, token(server, "a", "publish"))
    assert status == 200
    await until(lambda: {n["data"]["peer_id"] for n in page.notes if n["type"] == "peer_left"} == {"a", "w"})
    for path, who, right in ((visit, "a", "publish"), (watched, "w", "watch")):
        assert (await ask(server, "DELETE", path, token(server, who, right)))[0] == 404  # type: ignore[arg-type]
    for wire in (sender, viewer):
        await wire.close()
    await page.close()


async def test_trickle_and_ice_restart_ask_for_the_right_etag(server: Server) -> None:
    await server.room()
    bearer = token(server, "a", "publish")
    wire, visit, etag = await come(server, "/whip/r1", bearer)
    same = "a=ice-ufrag:page\r\na=ice-pwd:" + "p" * 22 + "\r\na=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n"
    new = same.replace("page", "new1")

    async def patch(body: str, kind: str = FRAGMENT, **more: str) -> tuple[int, Any, str]:
        return await ask(server, "PATCH", visit, bearer, body, kind, **more)

    assert (await patch(same))[0] == 428
    assert (await patch(same, **{"If-Match": '"other"'}))[0] == 412
    assert (await patch(same, "application/sdp", **{"If-Match": etag}))[0] == 415
    assert (await patch("nonsense", **{"If-Match": etag}))[0] == 400
    assert (await patch(same, **{"If-Match": etag}))[0] == 204
    status, headers, text = await patch(new, **{"If-Match": "*"})
    assert status == 200
    assert headers["Content-Type"] == FRAGMENT
    assert headers["ETag"] != etag
    old = dict(wire.credentials)
    fresh = {line.partition(":")[0]: line.partition(":")[2] for line in text.split("\r\n")}
    before = wire.answers
    wire.check()
    await until(lambda: wire.answers > before)
    assert wire.credentials == old, "the old credentials are good until the new ones are used"
    wire.credentials = {"usernameFragment": fresh["a=ice-ufrag"], "password": fresh["a=ice-pwd"]}
    before = wire.answers
    wire.check()
    await until(lambda: wire.answers > before)
    wire.credentials, before = old, wire.answers
    wire.check()
    await asyncio.sleep(0.1)
    assert wire.answers == before, "and not any longer"
    assert (await patch(same, **{"If-Match": etag}))[0] == 412, "the ETag of the generation before"
    await wire.close()


SDP = "application/sdp"
PUBLISH: tuple[str, DoorRight, str] = ("a", "publish", "r1")
WRONG: list[tuple[str, tuple[str, DoorRight, str] | None, str, str, int, str]] = [
    ("/whip/r1", None, offer(), SDP, 401, "token_invalid"),
    ("/whip/r2", PUBLISH, offer(), SDP, 403, "token_for_another_door"),
    ("/whep/r1/b", PUBLISH, offer(), SDP, 403, "token_for_another_door"),
    ("/whip/r1", ("a", "watch", "r1"), offer(), SDP, 403, "token_for_another_door"),
    ("/whip/r1", PUBLISH, offer(), "text/plain", 415, "not_sdp"),
    ("/whip/r1", PUBLISH, "v=1", SDP, 400, "bad_sdp"),
    ("/whip/r1", PUBLISH, "v=0", SDP, 422, "unsupported_offer"),
    ("/whip/r1", PUBLISH, offer(direction="recvonly"), SDP, 422, "unsupported_offer"),
    ("/whip/r9", ("a", "publish", "r9"), offer(), SDP, 404, "unknown_room"),
]


async def test_a_wrong_request_is_refused_and_leaves_nobody_behind(server: Server) -> None:
    await server.room()
    for path, bearer, body, kind, status, word in WRONG:
        made = "nothing" if bearer is None else token(server, *bearer)
        answered, headers, text = await ask(server, "POST", path, made, body, kind)
        assert (answered, code(text)) == (status, word), path
        if status == 401:
            assert headers["WWW-Authenticate"] == "Bearer"
    async with server.http.get("http://media/rooms") as reply:
        assert (await reply.json())["rooms"][0]["peers"] == []


async def test_a_second_session_replaces_the_first_and_viewers_are_limited(server: Server) -> None:
    await server.room()
    bearer = token(server, "a", "publish")
    first, visit, _ = await come(server, "/whip/r1", bearer)
    second, _, _ = await come(server, "/whip/r1", bearer)
    assert (await ask(server, "DELETE", visit, bearer))[0] == 404
    second.send_rtp(picture(1, key=True))
    viewer, body = token(server, "w", "watch"), offer(direction="recvonly", fingerprint=FINGERPRINT)
    for _ in range(MAX_VISITS_OF_ONE):
        assert (await ask(server, "POST", "/whep/r1/a", viewer, body))[0] == 201
    status, headers, text = await ask(server, "POST", "/whep/r1/a", viewer, body)
    assert (status, code(text), headers["Retry-After"]) == (503, "too_many_visits", "5")
    assert (await ask(server, "POST", "/whep/r1/a", token(server, "x", "watch"), body))[0] == 201
    await first.close()
    await second.close()


async def test_a_visitor_that_says_goodbye_in_dtls_has_left(server: Server) -> None:
    await server.room()
    wire, _, _ = await come(server, "/whip/r1", token(server, "a", "publish"))
    page = await server.page("b")
    await wire.dtls.stop()
    await until(lambda: any(n["type"] == "peer_left" for n in page.notes))
    await wire.close()
    await page.close()


async def test_who_was_shown_out_does_not_come_back_by_a_door(server: Server) -> None:
    await server.room()
    wire, visit, _ = await come(server, "/whip/r1", token(server, "a", "publish"))
    await server.room(moderation_version=1, barred=("a", "w"))
    assert (await ask(server, "DELETE", visit, token(server, "a", "publish")))[0] == 404, "its visit is over"
    other, _, _ = await come(server, "/whip/r1", token(server, "b", "publish"))
    for path, who, right in (("/whip/r1", "a", "publish"), ("/whep/r1/b", "w", "watch")):
        body = offer(direction="sendonly" if right == "publish" else "recvonly")
        status, _, text = await ask(server, "POST", path, token(server, who, right), body)  # type: ignore[arg-type]
        assert (status, code(text)) == (403, "barred")
    async with server.http.get("http://media/rooms") as reply:
        assert [peer["peer_id"] for peer in (await reply.json())["rooms"][0]["peers"]] == ["b"]
    await wire.close()
    await other.close()
