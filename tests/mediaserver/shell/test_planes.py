# SPDX-License-Identifier: Apache-2.0
"""Both planes of the media port, over real sockets and libsrtp: the same packets, the same decisions."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.sfu import intake
from mediaserver.sfu.bandwidth import meter
from mediaserver.shell import native_port, srtp
from mediaserver.shell.media_port import FEEDBACK_S, MAX_DATAGRAM_BYTES, OFTEN_S, MediaPort, Path
from mediaserver.shell.native_port import open_port
from mediaserver.shell.srtp import Plain, Srtp, open_srtp
from tests.mediaserver.shell.endpoint import until

PROFILES = {
    "cm": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "gcm": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
}


def session(suite: str, key: int, direction: int) -> pylibsrtp.Session:
    profile, size = PROFILES[suite]
    policy = pylibsrtp.Policy(key=bytes([key]) * size, ssrc_type=direction, srtp_profile=profile)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


def keys(suite: str) -> tuple[Srtp, pylibsrtp.Session, pylibsrtp.Session]:
    """Ours, then the far end's receiving and sending sessions."""
    inbound, outbound = pylibsrtp.Policy.SSRC_ANY_INBOUND, pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    key = bytes([2]) * PROFILES[suite][1] if suite == "gcm" else None
    ours = open_srtp(session(suite, 1, inbound), session(suite, 2, outbound), key)
    return ours, session(suite, 2, inbound), session(suite, 1, outbound)


def packet(number: int, size: int = 1000, ssrc: int = 7) -> bytearray:
    head = bytes([0x80, 96]) + (number & 0xFFFF).to_bytes(2) + number.to_bytes(4) + ssrc.to_bytes(4)
    return bytearray(head + bytes((number + i) & 0xFF for i in range(size - 12)))


def report(ssrc: int = 7) -> bytearray:
    return bytearray(b"\x81\xce\x00\x02" + ssrc.to_bytes(4) * 2)


class Far:
    """The host of the port, and the far end of its packets."""

    def __init__(self, plane: str, suite: str) -> None:
        self.port: MediaPort = open_port(self, plane)  # type: ignore[arg-type]
        self.srtp, self.rx, self.tx = keys(suite)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.path = self.socket.getsockname()
        self.came: list[tuple[Any, bytes | None, bool]] = []
        self.times: list[float] = []
        self.others: list[tuple[bytes, Path]] = []
        self.batches = 0

    def media(self, owner: Any, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        self.came.append((owner, plain, is_rtcp))
        self.times.append(now)

    def other(self, data: bytes, path: Path, remote: tuple[str, int]) -> None:
        self.others.append((data, path))

    def batch_end(self) -> None:
        self.batches += 1

    def path_gone(self, path: Path) -> None:
        self.others.append((b"gone", path))

    async def open(self) -> None:
        """The port is open, and knows nobody yet."""
        await self.port.open("127.0.0.1", 0)
        assert self.port._udp is not None
        self.socket.connect(self.port._udp.getsockname())

    async def close(self) -> None:
        """Both ends."""
        await self.port.close()
        self.socket.close()

    def read(self, count: int) -> list[bytes]:
        """That many packets from the port, in clear."""
        found = []
        for _ in range(count):
            data = self.socket.recv(2048)
            found.append(self.rx.unprotect_rtcp(data) if 192 <= data[1] <= 223 else self.rx.unprotect(data))
        return found


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The compiled plane is there, or the machine has no compiler and its half of these tests is left out."""
    build()


@pytest.fixture(params=["python", "native"])
def plane(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and native.load() is None:
        pytest.fail("the compiled plane cannot be built here")
    return str(request.param)


@pytest.fixture(params=["cm", "gcm"])
async def far(plane: str, request: pytest.FixtureRequest) -> AsyncIterator[Far]:
    far = Far(plane, request.param)
    await far.open()
    yield far
    await far.close()


def send(far: Far, *packets: Plain) -> None:
    far.port.route("far", far.path, far.srtp)
    far.port.send_media([("far", data, is_rtcp) for data, is_rtcp in packets])


async def test_media_of_an_assigned_path_comes_in_clear_and_in_order(far: Far) -> None:
    far.port.assign(far.path, "owner", far.srtp)
    sent = [bytes(packet(65_530 + n, 60 + n)) for n in range(12)]
    for data in sent:
        far.socket.send(far.tx.protect(data))
    far.socket.send(far.tx.protect_rtcp(bytes(report())))
    await until(lambda: len(far.came) == 13)
    assert far.came == [("owner", data, False) for data in sent] + [("owner", bytes(report()), True)]
    assert far.others == [] and far.batches >= 1
    assert far.port.counters["received"] == 13


async def test_what_is_not_authentic_is_refused_and_what_is_no_media_is_passed_on(far: Far) -> None:
    far.port.assign(far.path, "owner", far.srtp)
    good = far.tx.protect(bytes(packet(1)))
    far.socket.send(good)
    far.socket.send(good)  # a replay
    far.socket.send(good[:-1] + bytes([good[-1] ^ 1]))
    far.socket.send(b"\x80\x60")  # shorter than any packet
    far.socket.send(b"\x80\xc9" + bytes(20))
    for data in (b"", b"\x80", b"\x00stun", b"\x16dtls", b"\xff\xff"):
        far.socket.send(data)
    await until(lambda: len(far.came) + len(far.others) == 10)
    assert [plain for _, plain, _ in far.came] == [bytes(packet(1)), None, None, None, None]
    assert [data for data, _ in far.others] == [b"", b"\x80", b"\x00stun", b"\x16dtls", b"\xff\xff"]
    assert {path for _, path in far.others} == {far.path}


async def test_a_strangers_media_and_media_before_the_keys(far: Far) -> None:
    data = far.tx.protect(bytes(packet(1)))
    far.socket.send(data)
    await until(lambda: far.others)
    assert far.others == [(data, far.path)]
    far.port.assign(far.path, "owner", None)
    far.socket.send(data)
    await until(lambda: far.came)
    far.port.assign(far.path, "owner", far.srtp)
    far.socket.send(data)
    await until(lambda: len(far.came) == 2)
    assert far.came == [("owner", None, False), ("owner", bytes(packet(1)), False)]
    far.port.release(far.path)
    far.socket.send(data)
    await until(lambda: len(far.others) == 2)


@pytest.mark.parametrize(
    "sizes",
    [[1000], [1000] * 5, [1000] * 5 + [400], [400, 1000, 1000, 90, 90], [1200] * 130, [100] * 150, [1400, 60] * 20],
    ids=["one", "run", "short end", "rising", "over the kernel's bytes", "over its packets", "alternating"],
)
async def test_every_run_arrives_whole_and_in_order(far: Far, sizes: list[int]) -> None:
    packets = [packet(65_500 + n, size) for n, size in enumerate(sizes)]
    send(far, *((data, False) for data in packets))
    assert far.read(len(sizes)) == [bytes(data) for data in packets]
    assert far.port.counters["sent"] == len(sizes) and far.port.counters["send_dropped"] == 0


async def test_reports_and_media_go_out_together(far: Far) -> None:
    send(far, (packet(1), False), (report(), True), (packet(2), False), (packet(3), False))
    assert far.read(4) == [bytes(packet(1)), bytes(report()), bytes(packet(2)), bytes(packet(3))]


async def test_more_than_one_buffer_full_for_several_targets(far: Far) -> None:
    far.port.route("one", far.path, far.srtp)
    far.port.route("two", far.path, far.srtp)
    packets = [packet(n, 1200, ssrc=7 + n % 2) for n in range(250)]
    far.port.send_media([(("one", "two")[n % 2], data, False) for n, data in enumerate(packets)])
    far.port.send_media([("nobody", data, False) for data in packets])
    came = far.read(250)
    for ssrc in (7, 8):
        assert [data for data in came if data[11] == ssrc] == [bytes(data) for data in packets if data[11] == ssrc]
    assert far.port.counters["sent"] == 250


async def test_a_kernel_without_gso_gets_the_packets_one_by_one(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """SO_NO_CHECK makes the kernel refuse UDP_SEGMENT with EINVAL."""
    assert far.port._udp is not None
    far.port._udp.setsockopt(socket.SOL_SOCKET, 11, 1)
    send(far, *((packet(n), False) for n in range(5)))
    assert far.read(5) == [bytes(packet(n)) for n in range(5)]
    assert not far.port._gso and far.port.counters["send_dropped"] == 0
    send(far, *((packet(n), False) for n in range(5, 9)))
    assert far.read(4) == [bytes(packet(n)) for n in range(5, 9)]


async def test_packets_that_nobody_takes_are_counted(far: Far) -> None:
    assert far.port._udp is not None
    nowhere = ("255.255.255.255", 9)  # no broadcast without SO_BROADCAST
    far.port.route("nowhere", nowhere, far.srtp)
    far.port.send_media([("nowhere", packet(n), False) for n in range(3)])
    assert far.port.counters["send_dropped"] == 3


async def test_a_packet_that_libsrtp_refuses_leaves_the_others_alone(far: Far) -> None:
    broken = bytearray(b"\x9f" + bytes(packet(2, 20))[1:])  # says 15 CSRCs, and is too short for them
    send(far, (packet(1), False), (broken, False), (packet(3), False))
    assert far.read(2) == [bytes(packet(1)), bytes(packet(3))]


async def test_a_datagram_as_long_as_the_buffer_and_a_longer_one(far: Far) -> None:
    far.socket.send(b"\x00" * MAX_DATAGRAM_BYTES)
    await until(lambda: far.others)
    assert far.others == [(b"\x00" * MAX_DATAGRAM_BYTES, far.path)]


async def test_tcp_paths_work_on_both_planes(far: Far) -> None:
    assert far.port._tcp is not None
    address = far.port._tcp.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    hello = b"\x00\x01" + bytes(18)
    writer.write(len(hello).to_bytes(2) + hello)
    await until(lambda: far.others)
    path = far.others[0][1]
    far.port.assign(path, "owner", far.srtp)
    data = far.tx.protect(bytes(packet(1)))
    writer.write(len(data).to_bytes(2) + data)
    await until(lambda: far.came)
    assert far.came == [("owner", bytes(packet(1)), False)]
    far.port.route("tcp", path, far.srtp)
    far.port.send_media([("tcp", packet(2), False)])
    size = int.from_bytes(await reader.readexactly(2))
    assert far.rx.unprotect(await reader.readexactly(size)) == bytes(packet(2))
    writer.close()
    await until(lambda: (b"gone", path) in far.others)


async def test_feedback_and_receiver_reports_wait_for_the_tick_and_wake_nobody(far: Far) -> None:
    far.port.assign(far.path, "owner", far.srtp)
    nack, padded = bytearray(b"\x81\xcd\x00\x03" + bytes(12)), bytearray(b"\xaf\xcd\x00\x05" + bytes(19) + b"\x02")
    feedback = bytearray(b"\x8f\xcd\x00\x05" + bytes(20))
    receiver = bytearray(b"\x82\xc9\x00\x0d" + bytes(52))
    compound = receiver + nack
    for data in (feedback, padded, receiver):
        far.socket.send(far.tx.protect_rtcp(bytes(data)))
    sent_at = time.monotonic()
    await asyncio.sleep(0.03)
    assert not far.came
    far.port.take_feedback()
    assert far.came == [("owner", bytes(data), True) for data in (feedback, padded, receiver)]
    assert max(far.times) <= sent_at + 0.01, "they count from when the kernel took them"
    far.came.clear()
    for data in (compound, nack):
        far.socket.send(far.tx.protect_rtcp(bytes(data)))
    await until(lambda: len(far.came) == 2)
    assert far.came == [("owner", bytes(compound), True), ("owner", bytes(nack), True)], "these ask for something"


async def test_feedback_is_not_read_at_the_tick_when_media_has_just_brought_it(compiled: object) -> None:
    far = Far("native", "gcm")
    await far.open()
    far.port.assign(far.path, "owner", far.srtp)
    port: Any = far.port
    far.socket.send(far.tx.protect_rtcp(b"\x8f\xcd\x00\x05" + bytes(20)))
    for brought_at, came in ((time.monotonic() + 60, 0), (time.monotonic() - FEEDBACK_S, 1)):
        port._brought_at = brought_at
        port.take_feedback()
        assert len(far.came) == came
    await far.close()


async def test_media_brings_the_feedback_of_a_link_in_doubt(plane: str) -> None:
    far = Far(plane, "gcm")
    await far.open()
    far.port.assign(far.path, "owner", far.srtp)
    feedback = bytearray(b"\x8f\xcd\x00\x05" + bytes(20))
    for number in range(2):
        far.port.look_often(time.monotonic())
        far.socket.send(far.tx.protect_rtcp(bytes(feedback)))
        far.socket.send(far.tx.protect(bytes(packet(number))))
        await until(lambda number=number: len(far.came) == 2 * number + 2)  # type: ignore[misc]
        far.port._looked_at = 0.0
    assert sorted(is_rtcp for _, _, is_rtcp in far.came) == [False, False, True, True]
    far.came.clear()
    far.port.look_often(time.monotonic() - OFTEN_S)
    far.socket.send(far.tx.protect_rtcp(bytes(feedback)))
    far.socket.send(far.tx.protect(bytes(packet(3))))
    await until(lambda: far.came)
    assert [is_rtcp for _, _, is_rtcp in far.came] == [False], "all is well: it waits for the tick"
    await far.close()


async def test_a_port_that_another_server_has_is_refused(far: Far) -> None:
    assert far.port._udp is not None
    other = Far("python", "gcm")
    with pytest.raises(OSError):
        await other.port.open("127.0.0.1", far.port._udp.getsockname()[1])
    other.socket.close()


async def test_ipv6_addresses_find_their_owner(plane: str) -> None:
    far = Far(plane, "gcm")
    try:
        await far.port.open("::", 0)
    except OSError as error:
        assert error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        pytest.skip("no IPv6 here")
    assert far.port._udp is not None
    number = far.port._udp.getsockname()[1]
    mapped = (f"::ffff:{far.path[0]}", far.path[1])
    far.port.assign(mapped, "v4", far.srtp)
    far.socket.sendto(far.tx.protect(bytes(packet(1))), ("127.0.0.1", number))
    await until(lambda: far.came)
    assert far.came == [("v4", bytes(packet(1)), False)]
    far.port.route("v4", mapped, far.srtp)
    far.port.send_media([("v4", packet(2), False)])
    assert far.read(1) == [bytes(packet(2))]
    await far.close()


@pytest.mark.parametrize("suite", ["cm", "gcm"])
async def test_without_the_private_binding_the_public_one_does_the_same(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srtp, "ffi", None)
    far = Far("auto", suite)
    assert type(far.port) is MediaPort and type(far.srtp) is Srtp
    await far.open()
    far.port.assign(far.path, "owner", far.srtp)
    far.socket.send(far.tx.protect(bytes(packet(1))))
    await until(lambda: far.came)
    assert far.came == [("owner", bytes(packet(1)), False)]
    packets = [packet(n, 900 - n * 200) for n in range(4)]
    send(far, *((data, False) for data in packets), (report(), True))
    assert far.read(5) == [*(bytes(data) for data in packets), bytes(report())]
    await far.close()


def test_the_compiled_plane_refuses_what_is_no_batch() -> None:
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    functions = srtp.addresses()
    assert functions is not None
    module.use(*functions)
    ours, _, _ = keys("gcm")
    address = module.sockaddr("127.0.0.1", 9)
    routes: dict[str, Any] = {"a": (ours.tx_native, address), "b": (1,), "c": None}
    for item in (1, (), ("a", bytearray(7), False), ("a", bytearray(2049), False), ("b", packet(1), False)):
        with pytest.raises((TypeError, ValueError)):
            module.send(0, True, [item], routes, [])
    with pytest.raises(TypeError):
        module.send(0, True, [("c", packet(1), False)], routes, [])
    rest: list[Any] = []
    assert module.send(0, True, [("d", packet(1), False)], routes, rest) == (0, 0, 0)
    assert rest == [("d", packet(1), False)]
    with pytest.raises(ValueError):
        module.sockaddr("localhost", 9)
    with pytest.raises(OSError):
        module.receive(-1, {})


def test_a_plane_that_is_wanted_and_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load", lambda: None)
    with pytest.raises(native_port.PlaneMissing, match="compiled plane is missing"):
        native_port.open_port(None, "native")  # type: ignore[arg-type]
    assert type(native_port.open_port(None, "auto")) is MediaPort  # type: ignore[arg-type]


def test_a_plane_of_other_sources_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that was updated and not built again: what was compiled before lacks a part, or knows other fields."""
    if (module := native.load()) is None:
        pytest.fail("the compiled plane cannot be built here")
    for changed in ({"Meter": None}, {"bind_intake": lambda *_: module.bind_intake(dict, dict, (1, 2, 3))}):
        parts = {name: getattr(module, name) for name in dir(module)} | changed
        stale = SimpleNamespace(**{name: part for name, part in parts.items() if part is not None})
        monkeypatch.setattr(native, "load", lambda stale=stale: stale)
        with pytest.raises(native_port.PlaneMissing):
            native_port.open_port(None, "native")  # type: ignore[arg-type]
        assert type(native_port.open_port(None, "auto")) is MediaPort  # type: ignore[arg-type]
        assert intake._module is None and type(meter.make()) is meter.Meter
