# SPDX-License-Identifier: Apache-2.0
"""CPU time of recording the same streams, in real time: our recorder behind the mediaserver's feed, and ffmpeg."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from benchmarks.recording.streams import Stream, participants
from benchmarks.sfu.process import LOAD_CORE, Child
from mediaserver import native
from mediaserver.recording import ring
from mediaserver.recording.feed import SessionOrder, SessionRef
from mediaserver.rtp import rtcp
from mediaserver.shell.feed_server import FeedServer
from storage.ids import new_id

RECORDERS = ("ours", "ffmpeg")
TICK_S = 0.01
REPORT_MS = 1000.0
WHOLE = 0.98
"""A run counts only when so much of the media lies in the files that were written."""
BOOKKEEPING_S = 4.0
OPENING_S = 30.0
"""ffmpeg may need so long to have read the beginning of every stream."""
ANALYZE_US = "5000000"
"""ffmpeg looks so long for the pictures' size: on a busy machine it begins after the first key frame."""
NTP_OFFSET_S = 2_208_988_800


class Run(Protocol):
    """Something that records streams into a folder."""

    children: list[Child]

    async def __aenter__(self) -> Run:
        """Ready for packets."""

    async def __aexit__(self, *error: object) -> None:
        """Ended."""

    def send(self, stream: Stream, packet: bytes, utc_us: int) -> None:
        """One packet that came now."""

    def report(self, stream: Stream, ntp_s: float, timestamp: int, utc_us: int) -> None:
        """One Sender Report that came now."""

    def tick(self) -> None:
        """What came now is all there."""

    def began(self) -> bool:
        """True once every participant is being written."""


class OursRun:
    """Our recorder as a process of its own; the feed's server is here, as it is in the mediaserver: packets go onto
    tapes where the compiled plane is, and the feed is written at ticks. No store is there: what is sealed waits in the
    spool."""

    def __init__(self, folder: Path, streams: list[Stream]) -> None:
        self._folder, self._streams = folder, streams
        self.children: list[Child] = []
        self._plane = native.load()
        ring.use(self._plane)
        self._feed = FeedServer()
        self._numbers: dict[int, int] = {}
        self._tapes: dict[int, Any] = {}

    async def __aenter__(self) -> OursRun:
        environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(self._folder),
            "VIDEOHOME_CONFIG": str(self._folder / "none.toml"),
            "VIDEOHOME_DISK_LOW_BYTES": "0",
            "VIDEOHOME_DISK_FULL_BYTES": "0",
        }
        await self._feed.start(self._folder / "run" / "feed.sock")
        recorder = Child([sys.executable, "-m", "mediaserver.recorder"], environment, self._folder / "recorder.log")
        self.children.append(recorder)
        await recorder.wait_for(lambda: bool(self._feed.stats()["connected"]))
        session_id = new_id()
        session = SessionRef("default", session_id, session_id)
        self._feed.session_order(SessionOrder(session, "on", 1, time.time_ns() // 1_000_000))
        for stream in self._streams:
            number = self._numbers[stream.ssrc] = self._feed.open_track(session, stream.info())
            self._tapes[stream.ssrc] = self._feed.tape(number, 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.children[0].stop()
        await self._feed.close()

    def send(self, stream: Stream, packet: bytes, utc_us: int) -> None:
        """Into the feed."""
        if self._plane is not None:
            self._plane.tape_packet(self._tapes[stream.ssrc], packet, utc_us / 1e6)
        else:
            self._feed.packet(self._numbers[stream.ssrc], packet, utc_us)

    def report(self, stream: Stream, ntp_s: float, timestamp: int, utc_us: int) -> None:
        """Into the feed."""
        self._feed.sender_report(self._numbers[stream.ssrc], ntp_s, timestamp, utc_us)

    def tick(self) -> None:
        """As a room does."""
        self._feed.look()

    def began(self) -> bool:
        """Every track has a file."""
        return len({path.parent for path in self._folder.glob("spool/**/*.webm")}) == len(self._streams)


class FfmpegRun:
    """One ffmpeg for each participant, who gets RTP by UDP and writes a WebM file by stream copy; all on one core."""

    def __init__(self, folder: Path, streams: list[Stream]) -> None:
        self._folder, self._streams = folder, streams
        self.children: list[Child] = []
        self._sockets: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._stack = ExitStack()

    async def __aenter__(self) -> FfmpegRun:
        program = shutil.which("ffmpeg")
        if program is None:
            raise RuntimeError("ffmpeg is not here: apt-get install ffmpeg")
        by_number: dict[int, list[Stream]] = {}
        for stream in self._streams:
            by_number.setdefault(stream.number, []).append(stream)
        for number, own in by_number.items():
            description = self._folder / f"{number}.sdp"
            description.write_text(self._describe(own))
            read = ["-protocol_whitelist", "file,udp,rtp", "-analyzeduration", ANALYZE_US, "-i", str(description)]
            write = ["-map", "0", "-c", "copy", str(self._folder / f"{number}.webm")]
            command = [program, "-nostdin", "-loglevel", "error", *read, *write]
            self.children.append(Child(command, dict(os.environ), self._folder / f"{number}.log"))
        await asyncio.sleep(0.5)
        return self

    def _describe(self, streams: list[Stream]) -> str:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        for stream in streams:
            port = _port_pair()
            self._sockets[stream.ssrc] = self._to(port), self._to(port + 1)
            media, codec = ("video", "VP8/90000") if stream.kind == "video" else ("audio", "opus/48000/2")
            lines += [f"m={media} {port} RTP/AVP {stream.payload_type}", f"a=rtpmap:{stream.payload_type} {codec}"]
        return "\r\n".join([*lines, ""])

    def _to(self, port: int) -> socket.socket:
        made = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.setblocking(False)
        made.connect(("127.0.0.1", port))
        return made

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self.children))
        self._stack.close()

    def _give(self, to: socket.socket, data: bytes) -> None:
        try:
            to.send(data)
        except ConnectionRefusedError:
            return  # ffmpeg has not opened this port yet

    def send(self, stream: Stream, packet: bytes, utc_us: int) -> None:
        """By UDP."""
        self._give(self._sockets[stream.ssrc][0], packet)

    def report(self, stream: Stream, ntp_s: float, timestamp: int, utc_us: int) -> None:
        """By UDP."""
        report = rtcp.SenderReport(stream.ssrc, int(ntp_s * (1 << 32)), timestamp, stream.packets, stream.octets)
        self._give(self._sockets[stream.ssrc][1], rtcp.build_sender_report(report))

    def tick(self) -> None:
        """Nothing waits."""

    def began(self) -> bool:
        """Every participant has a file with something in it."""
        files = list(self._folder.glob("*.webm"))
        return len(files) * 2 == len(self._streams) and all(path.stat().st_size for path in files)


class NoRun:
    """Records nothing: what is left is the benchmark's own bookkeeping."""

    def __init__(self) -> None:
        self.children: list[Child] = []

    async def __aenter__(self) -> NoRun:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    def send(self, stream: Stream, packet: bytes, utc_us: int) -> None:
        """Nowhere."""

    def report(self, stream: Stream, ntp_s: float, timestamp: int, utc_us: int) -> None:
        """Nowhere."""

    def tick(self) -> None:
        """Nothing waits."""

    def began(self) -> bool:
        """At once."""
        return True


def _port_pair() -> int:
    """An even UDP port that is free now, and the next one too."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port % 2 or port == 65_535:
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
                try:
                    second.bind(("127.0.0.1", port + 1))
                except OSError:
                    continue
                return port


class Sender:
    """Gives all streams to a run in real time."""

    def __init__(self, run: Run, streams: list[Stream]) -> None:
        self._run, self._streams = run, streams
        self._started = time.monotonic()
        self._reports_ms = 0.0
        self.making_s = 0.0
        """CPU time that went into making the packets, which is none of the recording's."""

    async def until(self, done: Callable[[], bool]) -> None:
        """Send until `done`."""
        while not done():
            now_ms = (time.monotonic() - self._started) * 1000
            utc_us = time.time_ns() // 1000
            began = time.thread_time()
            made = [(stream, packet) for stream in self._streams for packet in stream.take(now_ms)]
            self.making_s += time.thread_time() - began
            for stream, packet in made:
                self._run.send(stream, packet, utc_us)
            if now_ms >= self._reports_ms:
                self._reports_ms += REPORT_MS
                for stream in self._streams:
                    self._run.report(stream, utc_us / 1e6 + NTP_OFFSET_S, stream.timestamp(now_ms), utc_us)
            self._run.tick()
            await asyncio.sleep(TICK_S)


async def bookkeeping(count: int) -> float:
    """Part of a core that giving `count` participants' packets to nobody costs; it is in every run's thread time."""
    sender = Sender(NoRun(), participants(count))
    began, used_s = time.monotonic(), time.thread_time()
    await sender.until(lambda: time.monotonic() - began >= BOOKKEEPING_S)
    return (time.thread_time() - used_s - sender.making_s) / (time.monotonic() - began)


def _written_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.webm"))


async def measure(recorder: str, count: int, warm_s: float, window_s: float) -> dict[str, Any]:
    """Figures of one run. Raises RuntimeError, OSError when it could not be measured."""
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="videohome-recording-") as name:
        streams = participants(count)
        os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
        try:
            own = await bookkeeping(count) if recorder == "ours" else 0.0
            run: Run = (OursRun if recorder == "ours" else FfmpegRun)(Path(name), streams)
            async with run:
                found = await _window(recorder, run, streams, Path(name), warm_s, window_s)
                return {**found, "feed_cpu": found["feed_cpu"] - own, "bookkeeping": own}
        finally:
            os.sched_setaffinity(0, cores)


async def _window(
    recorder: str, run: Run, streams: list[Stream], folder: Path, warm_s: float, window_s: float
) -> dict[str, Any]:
    sender = Sender(run, streams)
    end = time.monotonic() + OPENING_S
    await sender.until(lambda: run.began() or time.monotonic() > end)
    if not run.began():
        raise RuntimeError(f"{recorder} did not write every participant within {OPENING_S:.0f} s")
    end = time.monotonic() + warm_s
    await sender.until(lambda: time.monotonic() >= end)
    used_s, own_s, making_s = _cpu_s(run), time.thread_time(), sender.making_s
    octets, written, began = sum(stream.octets for stream in streams), _written_bytes(folder), time.monotonic()
    end = began + window_s
    await sender.until(lambda: time.monotonic() >= end)
    seconds = time.monotonic() - began
    cpu = (_cpu_s(run) - used_s) / seconds
    octets = sum(stream.octets for stream in streams) - octets
    written = _written_bytes(folder) - written
    # Both write in pieces of about a second: what is still in memory at the edges is left out of the comparison.
    if written < WHOLE * octets * (1 - 1.5 / seconds):
        raise RuntimeError(f"{recorder} wrote {written} bytes of {octets}: the record is not whole")
    feed = (time.thread_time() - own_s - (sender.making_s - making_s)) / seconds if recorder == "ours" else 0.0
    return {
        "recorder": recorder,
        "participants": len(streams) // 2,
        "cpu": cpu,
        "feed_cpu": feed,
        "media_mbps": octets * 8e-6 / seconds,
        "written_mbps": written * 8e-6 / seconds,
        "memory_mb": sum(child.memory_bytes() for child in run.children) / 1e6,
    }


def _cpu_s(run: Run) -> float:
    return sum(child.cpu_s() for child in run.children)
