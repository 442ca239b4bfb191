# SPDX-License-Identifier: Apache-2.0
"""The loop whose waiting the Python plane takes over: media takes no turn of it, all else comes as ever."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from mediaserver.shell import native_port, relay
from mediaserver.shell.media_loop import MediaLoop
from tests.mediaserver.shell.endpoint import until
from tests.mediaserver.shell.test_planes import Far, packet, report


def run(test: Coroutine[Any, Any, None]) -> None:
    """In a loop as the program's."""
    native_port.use(None)
    with asyncio.Runner(loop_factory=MediaLoop) as runner:
        runner.run(test)


async def begun() -> Far:
    far = Far("python", "gcm")
    await far.open()
    far.port.assign(far.path, "owner", far.srtp)
    far.port.route("far", far.path, far.srtp)
    return far


def loop() -> MediaLoop:
    found = asyncio.get_running_loop()
    assert isinstance(found, MediaLoop)
    return found


def test_media_takes_no_turn_of_the_loop_and_a_wait_ends_by_the_clock() -> None:
    async def test() -> None:
        far = await begun()
        relay = loop().media.relay
        assert relay is not None
        for number in range(5):
            far.socket.send(far.tx.protect(bytes(packet(number))))
        assert relay(0, 0.05) is False
        assert [plain for _, plain, _ in far.came] == [bytes(packet(number)) for number in range(5)]
        await far.close()
        assert loop().media.relay is None

    run(test())


def test_where_batches_come_often_media_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for more is replaced by more, so that nothing here depends on how fast the machine is."""

    async def test() -> None:
        far = await begun()
        port_relay: Any = far.port._turnless
        waits: list[float] = []

        def send(*numbers: int) -> None:
            for number in numbers:
                far.socket.send(far.tx.protect(bytes(packet(number))))

        def more(seconds: float) -> None:
            waits.append(seconds)
            send(4, 5)

        monkeypatch.setattr(relay, "time", SimpleNamespace(sleep=more, monotonic=time.monotonic))
        for number, drained_at, every_s in ((1, 0.0, 0.0), (2, time.monotonic() + 60, relay.OFTEN_S)):
            port_relay._drained_at, port_relay._every_s = drained_at, every_s
            send(number)
            assert port_relay.wait(0, 0.05) is False
        assert (far.batches, waits) == (2, []), "neither after a rest, nor where few come"
        port_relay._drained_at, port_relay._every_s = time.monotonic() + 60, 0.0
        send(3)
        assert port_relay.wait(0, 0.05) is False
        assert [plain for _, plain, _ in far.came] == [bytes(packet(number)) for number in (1, 2, 3, 4, 5)]
        assert far.batches == 3 and len(waits) == 1 and waits[0] > relay.GATHER_S
        monkeypatch.undo()
        await far.close()

    run(test())


def test_how_often_batches_come_is_an_average(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        far = await begun()
        port_relay: Any = far.port._turnless
        now = 100.0
        waits: list[float] = []
        monkeypatch.setattr(relay, "time", SimpleNamespace(sleep=waits.append, monotonic=lambda: now))
        for number, gap_s in enumerate([0.0125] * 200 + [0.004] * 200 + [0.0125] * 200):
            now += gap_s
            far.socket.send(far.tx.protect(bytes(packet(number))))
            assert port_relay.wait(0, 0.001) is False
            if number in (199, 399, 599):
                assert (port_relay._every_s < relay.OFTEN_S) is (number == 399)
                assert bool(waits) is (number > 199)
        monkeypatch.undo()
        await far.close()

    run(test())


def test_another_file_ends_the_wait() -> None:
    async def test() -> None:
        far = await begun()
        reads, writes = socket.socketpair()
        with reads, writes:
            loop().add_reader(reads, lambda: None)
            writes.send(b"x")
            assert loop().media.relay is not None and loop().media.relay(0, 5.0) is True
            loop().remove_reader(reads)
        await far.close()

    run(test())


def test_what_a_packet_asks_of_the_loop_is_done_at_once() -> None:
    """A call, and a timer that is due before the wait would have ended."""

    async def test() -> None:
        far = await begun()
        done: list[str] = []

        def ask() -> None:
            loop().call_soon(done.append, "soon")
            loop().call_later(0.01, done.append, "later")

        far.batch_end = ask  # type: ignore[method-assign]
        far.socket.send(far.tx.protect(bytes(packet(1))))
        await until(lambda: done == ["soon", "later"])
        far.batch_end = lambda: loop().call_later(0.01, done.append, "timer") and None  # type: ignore[assignment,func-returns-value,method-assign]
        relay = loop().media.relay
        far.socket.send(far.tx.protect(bytes(packet(2))))
        assert relay is not None and relay(0, 60.0) is False, "long before the minute is over"
        await until(lambda: done[2:] == ["timer"])
        await far.close()

    run(test())


def test_timers_threads_and_strangers_are_not_kept_waiting() -> None:
    async def test() -> None:
        far = await begun()
        said, stop = asyncio.Event(), threading.Event()

        def flood() -> None:
            number = 2
            while not stop.wait(0.0005):
                far.socket.send(far.tx.protect(bytes(packet(number, 60))))
                number += 1

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            await asyncio.sleep(0.05)
            loop().call_soon_threadsafe(said.set)
            await asyncio.wait_for(said.wait(), 5)
            far.socket.send(b"\x00stun")
            await until(lambda: bool(far.others))
        finally:
            stop.set()
            thread.join()
        assert far.others == [(b"\x00stun", far.path)] and far.came
        await far.close()

    run(test())


def test_a_fault_while_the_loop_waits_ends_only_the_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        far = await begun()

        def fail() -> None:
            raise RuntimeError("of a host")

        far.batch_end = fail  # type: ignore[method-assign]
        far.socket.send(far.tx.protect(bytes(packet(1))))
        await until(lambda: loop().media.relay is None)
        del far.batch_end  # type: ignore[attr-defined]
        far.socket.send(far.tx.protect(bytes(packet(2))))
        await until(lambda: len(far.came) == 2)
        await far.close()

    run(test())
    assert "of a host" in capsys.readouterr().out


@pytest.mark.parametrize("there", [True, False], ids=["in one call", "one by one"])
def test_runs_and_single_packets_for_many_arrive_whole(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """More messages than one call takes, of all kinds; also where the kernel has no such call."""
    monkeypatch.setattr("mediaserver.shell.volley.THERE", there)

    async def test() -> None:
        far = await begun()
        names = [f"far{index}" for index in range(70)]
        for name in names:
            far.port.route(name, far.path, far.srtp)
        packets = [
            (name, packet(number, 1200, ssrc=index), False) for number in range(3) for index, name in enumerate(names)
        ]
        packets += [("far1", report(1), True), ("far2", packet(9, 90, ssrc=2), False)]
        far.port.send_media(packets)
        came = far.read(len(packets))
        for index in range(70):
            mine = [data for data in came if int.from_bytes(data[8:12] if data[1] != 206 else data[4:8]) == index]
            assert mine == [bytes(data) for name, data, _ in packets if name == f"far{index}"]
        assert far.port.counters["sent"] == len(packets) and not far.port.counters["send_dropped"]
        await far.close()

    run(test())


def test_a_kernel_without_gso_keeps_the_order_of_each_receiver() -> None:
    async def test() -> None:
        far = await begun()
        assert far.port._udp is not None
        far.port._udp.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK: UDP_SEGMENT is refused
        for first in (0, 20):
            sizes = [400, 1000, 1000, 90, 90, 1200, 60]
            packets = [packet(first + number, size) for number, size in enumerate(sizes)]
            far.port.send_media([("far", data, False) for data in packets])
            assert far.read(len(packets)) == [bytes(data) for data in packets]
        assert not far.port._gso and far.port.counters["sent"] == 14
        await far.close()

    run(test())
