# SPDX-License-Identifier: Apache-2.0
"""The loop whose waiting the Python plane takes over: media takes no turn of it, all else comes as ever."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from mediaserver.shell import native_port
from mediaserver.shell.media_loop import MediaLoop
from mediaserver.shell.media_port import MAX_BATCH
from mediaserver.shell.relay import GATHER_S
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


def gathering(far: Far, drained_at: float) -> Any:
    found: Any = far.port._turnless
    found._gathers, found._rests_until = True, drained_at + GATHER_S
    return found


def test_where_batches_come_often_media_waits_for_more() -> None:
    """The last batch was long ago on the clock that is given, or will be in a minute: nothing here is timed."""

    async def test() -> None:
        far = await begun()

        def send(*numbers: int) -> None:
            for number in numbers:
                far.socket.send(far.tx.protect(bytes(packet(number))))

        send(1)
        assert gathering(far, time.monotonic() - 60).wait(0, 0.05) is False
        assert far.batches == 1, "what comes after a rest is taken at once"
        send(2)
        waiting = gathering(far, time.monotonic() + 60)
        assert waiting.wait(0, 0.02) is False
        assert far.batches == 1, "the wait is over before more may be taken"
        assert waiting.wait(0, -0.05) is False, "it was over before it began"
        reads, writes = socket.socketpair()
        with reads, writes:
            loop().add_reader(reads, lambda: None)
            writes.send(b"x")
            assert waiting.wait(0, 60.0) is True, "another file is not kept waiting"
            loop().remove_reader(reads)
        assert far.batches == 1
        send(3)
        assert gathering(far, time.monotonic()).wait(0, 0.2) is False
        assert far.batches == 2 and len(far.came) == 3, "together"
        send(4)
        gathering(far, time.monotonic() + 60)
        far.port.look_often(time.monotonic() + 60)
        assert waiting.wait(0, 0.05) is False
        assert far.batches == 3, "a link is in doubt"
        await far.close()

    run(test())


def test_nothing_waits_behind_a_full_batch() -> None:
    """Else more could not come than a batch in each time of gathering."""

    async def test() -> None:
        far = await begun()
        for number in range(2 * MAX_BATCH + 5):
            far.socket.send(far.tx.protect(bytes(packet(number, 60))))
        gathering(far, time.monotonic() - 60)
        waiting: Any = far.port._turnless
        assert waiting.wait(0, 0.02) is False
        assert far.batches == 3 and len(far.came) == 2 * MAX_BATCH + 5
        assert waiting._rests_until == waiting._drained_at + GATHER_S
        await far.close()

    run(test())


def test_the_loop_is_told_of_media_again_after_a_wait_for_more() -> None:
    async def test() -> None:
        far = await begun()
        gathering(far, time.monotonic() + 60).wait(0, 0.01)
        far.port._turnless.close()  # type: ignore[union-attr]
        far.socket.send(far.tx.protect(bytes(packet(1))))
        await until(lambda: len(far.came) == 1)
        await far.close()

    run(test())


def test_it_begins_to_gather_where_batches_come_often_and_ends_where_they_do_not() -> None:
    """Each row: so many batches of so many packets, one every so many seconds, and whether it gathers after them."""

    async def test() -> None:
        far = await begun()
        waiting: Any = far.port._turnless
        for batches, packets, every_s, gathers in (
            (300, 1, 0.020, False),
            (300, 5, 0.0145, False),
            (300, 1, 0.0125, True),  # a microphone and a camera
            (300, 3, 0.025, True),  # the same, gathered
            (300, 2, 0.0315, True),
            (300, 2, 0.0325, False),  # packets come every 16 ms, and more rarely
            (300, 1, 0.0145, False),
            (300, 1, 0.010, True),  # two microphones
            (300, 2, 0.025, True),
            (300, 0, 0.012, True),  # nothing was there after all
            (300, 1, 0.025, False),  # one of them alone
            (300, 1, 0.004, True),
            (3, 1, 60.0, True),
            (60, 1, 60.0, False),
        ):
            for _ in range(batches):
                waiting._count(packets, waiting._drained_at + every_s)
            assert waiting._gathers is gathers, (packets, every_s, gathers)
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
