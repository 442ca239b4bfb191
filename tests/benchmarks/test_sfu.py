# SPDX-License-Identifier: Apache-2.0
"""The forwarding benchmark measures what it says: our server under a tiny load, and the sums behind its table."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from benchmarks.sfu import load, report
from benchmarks.sfu import measure as measuring
from benchmarks.sfu.__main__ import main
from benchmarks.sfu.shapes import Shape
from benchmarks.sfu.wire import Peer, Stream


def run(server: str, shape: str, cost: float, **changed: Any) -> report.Run:
    figures = {"cpu": 0.1, "p50_ms": 1.0, "p99_ms": 2.0, "pps": 6000.0, "memory_per_peer_mb": 0.5, "generator_cpu": 0.1}
    return {"server": server, "shape": shape, "suite": "gcm", "us_per_packet": cost, "loss": 0.0, **figures, **changed}


@pytest.mark.parametrize("plane", ["python", "floor"])
def test_a_tiny_load_is_forwarded_counted_and_decrypted(plane: str, tmp_path: Path, capsys: Any) -> None:
    if not Path("/usr/include/srtp2/srtp.h").exists():
        pytest.fail("libsrtp2-dev is not installed")
    raw, file = tmp_path / "raw.jsonl", tmp_path / "figures.json"
    words = [
        "--servers",
        plane,
        "--shapes",
        "1x1",
        "--suites",
        "gcm",
        "--repeats",
        "1",
        "--seconds",
        "1",
        "--strayed",
        "0.9",
    ]
    assert main([*words, "--address", "127.0.0.1", "--raw", str(raw), "--json", str(file)]) == 0
    found = json.loads(raw.read_text())
    assert found["fewest_streams"] == 2 and found["samples"] > 0 and found["bad"] == 0
    (row,) = json.loads(file.read_text())["figures"]
    assert row["us_per_packet"] > 0 and row["pps"] > 0
    assert f"| 1x1 | gcm | {plane} |" in capsys.readouterr().out
    assert main(["--raw", str(raw), "--report"]) == 0


def a_packet(number: int, wide: int | None = None, filling: int = 0) -> bytes:
    """As the load's first stream would have sent it; with a transport-wide number as extension 5."""
    extension = b"" if wide is None else b"\xbe\xde\0\1\x51" + wide.to_bytes(2) + b"\0"
    head = bytes([0x80 if wide is None else 0x90, 100]) + number.to_bytes(2) + bytes(4) + (7).to_bytes(4)
    return head + extension + bytes([filling] * 40) + (0x56484C44).to_bytes(4) + bytes(12)


async def test_the_same_sound_once_more_is_no_fault_and_anything_else_under_a_used_number_is() -> None:
    """A receiver's replay check refuses both: a repair that came although nothing was missing, and a fault."""
    key = bytes(range(28))
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        server, publisher, viewer = sockets
        for one in (publisher, viewer):
            one.connect(server.getsockname())
        policy = Policy(key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
        policy.allow_repeat_tx = True
        session = Session(policy)

        def send(*packets: bytes, times: int = 1) -> None:
            for sealed in [session.protect(packet) for packet in packets]:
                for _ in range(times):
                    server.sendto(sealed, viewer.getsockname())

        def at(edge: str) -> None:
            if edge == "begin":
                send(a_packet(1), a_packet(2))
                send(a_packet(3), a_packet(4), times=3)  # the same sound again: four copies too many
                send(a_packet(5, wide=1), times=2)  # what has a transport-wide number never goes out twice
                send(a_packet(6), a_packet(6, filling=9))  # other sound under a used number
                send(a_packet(8))

        peers = [Peer(publisher, key, key, 0, streams=[Stream("a", 1, 111, 0)]), Peer(viewer, key, key, 5)]
        found = await load.run(peers, Shape("", 1, 1), "gcm", 0.1, 1.0, at)
    assert (found["repeated"], found["bad"], found["samples"], found["nacks"]) == (4, 2, 7, 1)
    assert found["received"] == 9  # those that were repeated are not among them


def test_what_could_not_be_measured_fails_the_command(capsys: Any) -> None:
    words = ["--servers", "python", "--shapes", "1x1", "--suites", "gcm", "--repeats", "1"]
    assert main([*words, "--address", "203.0.113.77"]) == 1  # nobody has this address
    assert "NOT MEASURED python 1x1 gcm" in capsys.readouterr().out


def test_medians_and_ranges_of_several_runs() -> None:
    (row,) = report.figures([run("native", "1x30", cost) for cost in (12.0, 10.0, 30.0)])
    assert row["us_per_packet"] == 12.0 and row["us_range"] == [10.0, 30.0] and row["runs"] == 3
    (row,) = report.figures([run("native", "1x30", 10.0), run("native", "1x30", 10.0, loss=0.02)])
    assert row["worst_loss"] == 0.02


def decided(*runs: report.Run) -> dict[str, bool]:
    return {target["name"]: target["met"] for target in report.targets(report.figures(runs))}


@pytest.mark.parametrize(("cost", "met"), [(9.0, True), (9.1, False)])
def test_the_compiled_plane_is_held_against_the_cheaper_janus(cost: float, met: bool) -> None:
    found = decided(run("native", "1x30", cost), run("janus", "1x30", 30.0), run("janus-loops1", "1x30", 20.0))
    assert found["1x30 gcm: native / Janus's best"] is met


def test_other_targets_at_their_edges() -> None:
    janus = run("janus", "paced", 40.0, p99_ms=2.0)
    found = decided(run("native", "paced", 15.0, p99_ms=2.0), run("floor", "paced", 5.0), janus)
    assert found["paced gcm: compiled / floor"] is True
    assert found["paced gcm: p99 ms, compiled"] is False
    assert decided(run("python", "paced", 40.0), janus)["paced gcm: python / Janus's best"] is True
    assert decided(run("python", "paced", 40.1), janus)["paced gcm: python / Janus's best"] is False
    assert decided(run("native", "4x100", 5.0, pps=80_000.0)) == {"gcm: packets/s of one core without loss": True}
    assert decided(run("native", "4x100", 5.0, pps=90_000.0, loss=1e-6)) == {
        "gcm: packets/s of one core without loss": False
    }
    assert (
        decided(run("native", "1x5", 10.0), run("native", "1x100", 11.1))["gcm: cost at 100 / at 5 receivers"] is False
    )


@pytest.mark.parametrize(("came", "whole"), [(776.0, True), (770.0, False), (830.0, False)])
async def test_a_run_with_less_or_more_than_the_load_does_not_count(
    came: float, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1x4 is 800 packets a second; a server that sends fewer would look dear, and one that sends more cheap."""

    class Server:
        child = type("Child", (), {"memory_bytes": lambda self: 1, "cpu_s": lambda self: 0.0})()

        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def connect(self, shape: Shape, suite: str) -> list[Any]:
            return []

    async def run(peers: Any, shape: Any, suite: Any, warm: float, window: float, edge: Any) -> dict[str, Any]:
        edge("begin")
        edge("end")
        names = ("p50_ms", "p99_ms", "max_ms", "generator_cpu", "samples", "nacks", "fewest_streams", "bad", "rtcp_in")
        rest = dict.fromkeys((*names, "repeated", "rtcp_out", "key_requests", "send_failed", "late_p99_ms"), 0)
        return {"received": came, "lost": 0, "seconds": 1.0, "sent": 200, "expected": came, **rest}

    monkeypatch.setattr(measuring, "make", lambda *_, **__: Server())
    monkeypatch.setattr(measuring.load, "run", run)
    shape = Shape("1x4", 1, 4)
    if whole:
        assert (await measuring.measure("python", shape, "gcm", "", 0, 1))["pps"] == came
    else:
        with pytest.raises(RuntimeError, match="the load was not whole"):
            await measuring.measure("python", shape, "gcm", "", 0, 1)
