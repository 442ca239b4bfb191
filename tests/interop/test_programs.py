# SPDX-License-Identifier: Apache-2.0
"""WebRTC programs of others connect, publish and receive: what they send is counted at a page of the room, what they
receive in the program itself."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from aiohttp import web
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from playwright.async_api import async_playwright
from pymediasoup import AiortcHandler, Device
from pymediasoup.rtp_parameters import RtpCapabilities, RtpParameters

from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS
from tests.interop.ground import Ground, SmallPicture
from tests.mediaserver.shell.endpoint import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
ENOUGH = {"audio": 50, "video": 10}
"""About a second of media."""
WITHIN_S = 20.0


def enough(received: dict[str, int]) -> bool:
    return all(received[kind] >= count for kind, count in ENOUGH.items())


@asynccontextmanager
async def running(*command: object, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that ends when its input ends; what it complained about is shown when something failed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        yield process
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    except BaseException as error:
        with suppress(ProcessLookupError):
            process.kill()
        error.add_note((await process.stderr.read()).decode(errors="replace")[-3000:])
        raise
    finally:
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> dict[str, int]:
    """The program's one line: what it received."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        line = await process.stdout.readline()
    found = json.loads(line or b"{}")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kind", ["wrtc", "werift", "libdatachannel"])
async def test_a_program_on_node(ground: Ground, node: Path, media: Path, kind: str) -> None:
    publishes, watches = await ground.door("publish", kind), await ground.door("watch", kind)
    task = {
        "kind": kind,
        "whip": publishes["url"],
        "whip_token": publishes["token"],
        "whep": watches["url"],
        "whep_token": watches["token"],
        "media": str(media),
        "enough": ENOUGH,
    }
    command = (node, HERE / "client.mjs", json.dumps(task))
    async with running(*command, NODE_EXTRA_CA_CERTS=str(ground.ca)) as program:
        assert enough(await said(program))
        await until(lambda: enough(ground.arrived(publishes["peer_id"])), WITHIN_S)
    rooms = await ground.house.rooms()
    here = {peer["peer_id"] for peer in rooms[ground.session_id]["peers"]}
    assert not here & {publishes["peer_id"], watches["peer_id"]}, "DELETE ends a visit, its peer is gone"


async def test_gstreamer(ground: Ground) -> None:
    publishes, watches = await ground.door("publish", "gst"), await ground.door("watch", "gst")

    def client(mode: str, door: dict[str, Any], wanted: dict[str, int]) -> Any:
        script = ("/usr/bin/python3", HERE / "gst_client.py", mode)
        return running(*script, door["url"], door["token"], ground.ca, json.dumps(wanted))

    async with client("publish", publishes, {}), client("watch", watches, ENOUGH) as viewer:
        assert enough(await said(viewer))
        await until(lambda: enough(ground.arrived(publishes["peer_id"])), WITHIN_S)


@asynccontextmanager
async def page_elsewhere() -> AsyncIterator[int]:
    """A web server that is not ours, with an empty page; its port."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><body></body>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_plain_page_directly_and_through_a_relay(ground: Ground) -> None:
    """Chromium without our page, from a foreign origin; the viewer may only use coturn, with the Link's credentials."""
    publishes, watches = await ground.door("publish", "chromium"), await ground.door("watch", "chromium")
    script = (HERE / "page.js").read_text().split("\n\n", 1)[1].rstrip().rstrip(";")

    async with page_elsewhere() as elsewhere, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        context = await browser.new_context(ignore_https_errors=True)

        async def page(mode: str, door: dict[str, Any], relay: bool) -> Any:
            made = await context.new_page()
            await made.goto(f"http://127.0.0.1:{elsewhere}/")
            task = {"mode": mode, "url": door["url"], "token": door["token"], "relay": relay, "enough": ENOUGH}
            return await made.evaluate(f"task => ({script})(task)", task)

        sent, got = await asyncio.gather(page("publish", publishes, False), page("watch", watches, True))
        assert (sent["path"], got["path"]) == ("host", "relay")
        assert enough(got["received"])
        await until(lambda: enough(ground.arrived(publishes["peer_id"])), WITHIN_S)
        await browser.close()


async def test_pymediasoup(ground: Ground) -> None:
    """mediasoup's client in Python, by the room's own signalling and as a browser's page does it."""
    officer = await ground.house.front.signed_in("hq_officer")
    joined = await officer.post(f"/api/sessions/{ground.session_id}/join")
    page = ground.house.page(officer, ground.session_id)
    await page.open()
    welcome = await page.good("hello", {"version": 1, "token": joined.body["token"]})
    tracks = [AudioStreamTrack(), SmallPicture()]
    device = Device(handlerFactory=AiortcHandler.createFactory(tracks=tracks))
    await device.load(RtpCapabilities(**welcome["router_rtp_capabilities"]))
    keys = ("id", "iceParameters", "iceCandidates", "dtlsParameters")

    def connecting(transport: Any) -> Any:
        @transport.on("connect")
        async def connect(parameters: Any) -> None:
            dtls = parameters.model_dump(exclude_none=True)
            await page.good("connect", {"transport_id": transport.id, "dtls_parameters": dtls})

        return transport

    def described(name: str) -> dict[str, Any]:
        return {**{key: welcome[name][key] for key in keys}, "sctpParameters": None, "iceServers": []}

    sending = connecting(device.createSendTransport(**described("send_transport")))

    @sending.on("produce")
    async def produce(kind: str, parameters: Any, _: Any) -> str:
        source = "mic" if kind == "audio" else "cam"
        rtp = parameters.model_dump(exclude_none=True)
        wanted = {"transport_id": sending.id, "source": source, "kind": kind, "rtp_parameters": rtp}
        return str((await page.good("produce", wanted))["producer_id"])

    for track in tracks:
        await sending.produce(track=track, stopTracks=False)
    receiving = connecting(device.createRecvTransport(**described("recv_transport")))
    received = {"audio": 0, "video": 0}
    pumps = []
    for told in welcome["consumers"]:
        if told["peer_id"] == ground.star:
            parameters = RtpParameters(**told["rtp_parameters"])
            consumer = await receiving.consume(told["id"], told["producer_id"], told["kind"], parameters)
            pumps.append(asyncio.create_task(count(consumer.track, received)))
    try:
        await until(lambda: enough(received), WITHIN_S)
        await until(lambda: enough(ground.arrived(welcome["peer_id"])), WITHIN_S)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        await sending.close()
        await receiving.close()
        await page.close()


async def count(track: MediaStreamTrack, received: dict[str, int]) -> None:
    """Count decoded frames until cancelled."""
    while True:
        await track.recv()
        received[track.kind] += 1


async def test_ffmpegs_whip_muxer(ground: Ground) -> None:
    """It publishes H264 and Opus (there is no WHEP in it), and as DTLS server: we have to speak first."""
    publishes = await ground.door("publish", "ffmpeg")
    picture = ("-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=20")
    sound = ("-re", "-f", "lavfi", "-i", "sine=frequency=440")
    video = ("-c:v", "libx264", "-profile:v", "baseline", "-tune", "zerolatency", "-g", "20", "-pix_fmt", "yuv420p")
    audio = ("-c:a", "libopus", "-ar", "48000", "-ac", "2")
    door = ("-authorization", publishes["token"], "-f", "whip", publishes["url"])
    command = (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *picture, *sound, *video, *audio, "-t", "30", *door)
    environment = {**os.environ, "SSL_CERT_FILE": str(ground.ca)}
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    try:
        await until(lambda: enough(ground.arrived(publishes["peer_id"])), WITHIN_S)
    except BaseException as error:
        with suppress(ProcessLookupError):
            process.kill()
        assert process.stderr is not None
        error.add_note((await process.stderr.read()).decode(errors="replace")[-3000:])
        raise
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
