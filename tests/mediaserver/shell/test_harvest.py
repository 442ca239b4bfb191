# SPDX-License-Identifier: Apache-2.0
"""What waits at a socket is read in one call of the kernel or one by one: either way the same comes of it."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from mediaserver.shell import native_port, volley
from mediaserver.shell.harvest import SO_TIMESTAMPNS, AllAtOnce, Harvest, OneByOne, harvest
from mediaserver.shell.media_port import MAX_BATCH, MAX_DATAGRAM_BYTES
from mediaserver.shell.srtp import Buffer, Slot
from tests.mediaserver.shell.endpoint import until
from tests.mediaserver.shell.test_planes import Far, packet

SLOTS = 4
ENDS = {
    "IPv4": (socket.AF_INET, "127.0.0.1", socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    "IPv6": (socket.AF_INET6, "::1", socket.AF_INET6, "::1", "::1"),
    "IPv4 at a socket for both": (socket.AF_INET6, "::", socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
}


@pytest.fixture(params=[True, False], ids=["all at once", "one by one"])
def there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not volley.THERE:
        pytest.skip("this system has no such call")
    monkeypatch.setattr(volley, "THERE", request.param)
    return bool(request.param)


@dataclass
class Ends:
    """A socket that is read, and two that send to it; `shown` is the host that it sees."""

    udp: socket.socket
    senders: list[socket.socket]
    shown: str
    slots: list[Slot]

    def path(self, which: int = 0) -> tuple[str, int]:
        return self.shown, self.senders[which].getsockname()[1]

    def made(self, *, stamped: bool = False) -> Harvest:
        reads = harvest(self.udp, self.slots)
        if stamped:
            self.udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._until_stamped(reads)
        return reads

    def _until_stamped(self, reads: Harvest) -> None:
        """The kernel begins to stamp a little later when no socket had asked for it: what comes before is stamped when
        it is read."""
        for _ in range(200):
            self.senders[0].send(b"stamped?")
            time.sleep(0.01)
            if len(reads.take()) == 1 and reads.ages_s()[0] > 0.005:
                return
        raise AssertionError("the kernel does not stamp")


@pytest.fixture(params=ENDS.values(), ids=ENDS)
def ends(there: bool, request: pytest.FixtureRequest) -> Iterator[Ends]:
    family, bind, theirs, host, shown = request.param
    udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    senders = [socket.socket(theirs, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        if bind == "::":
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind((bind, 0))
        for sender in senders:
            sender.connect((host, udp.getsockname()[1]))
        yield Ends(udp, senders, shown, Buffer(SLOTS * MAX_DATAGRAM_BYTES).slots())
    except OSError as error:
        assert error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        pytest.skip("no IPv6 here")
    finally:
        for one in (udp, *senders):
            one.close()


def test_the_way_is_the_one_that_the_system_has(ends: Ends, there: bool) -> None:
    assert type(ends.made()) is (AllAtOnce if there else OneByOne)


def test_everything_comes_in_order_with_its_size_and_address(ends: Ends) -> None:
    reads = ends.made()
    assert list(reads.take()) == [], "there is nothing yet"
    sent = [b"", b"\x00stun", bytes(packet(1, 1200)), b"x" * MAX_DATAGRAM_BYTES, b"more than slots", b"last"]
    for index, data in enumerate(sent):
        ends.senders[index % 2].send(data)
    came, names = [], []
    for count in (SLOTS, 2, 0):
        found = reads.take()
        assert len(found) == count
        names += found
        came += [bytes(slot.view[:size]) for slot, size, _ in zip(ends.slots, reads.sizes, found, strict=False)]
    assert came == sent
    assert [reads.address(name) for name in names] == [ends.path(0), ends.path(1)] * 3
    assert len(set(names)) == 2, "one key for one address"


def test_of_what_is_longer_than_a_slot_only_the_beginning_comes(ends: Ends) -> None:
    reads = ends.made()
    ends.senders[0].send(b"y" * (MAX_DATAGRAM_BYTES + 1))
    ends.senders[0].send(b"next")
    assert len(reads.take()) == 2
    assert list(reads.sizes[:2]) == [MAX_DATAGRAM_BYTES, 4]
    assert bytes(ends.slots[1].view[:4]) == b"next", "the next slot is untouched by it"


def test_stamps_tell_how_long_each_has_waited(ends: Ends) -> None:
    reads = ends.made(stamped=True)
    for count in (3, 1, 4):
        began = time.monotonic()
        for _ in range(count):
            ends.senders[0].send(b"z")
        time.sleep(0.03)
        assert len(reads.take()) == count
        ages_s = reads.ages_s()
        assert len(ages_s) == count and sorted(ages_s, reverse=True) == list(ages_s)
        assert all(0.03 <= age_s <= time.monotonic() - began for age_s in ages_s)


def test_without_a_stamp_or_with_one_of_another_clock_it_came_just_now(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = harvest(ends.udp, ends.slots)
    ends.senders[0].send(b"z")
    assert len(reads.take()) == 1 and list(reads.ages_s()) == [0.0]
    ends.udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    clock = time.time
    for away in (-5.0, 5.0):
        ends.senders[0].send(b"z")
        assert len(reads.take()) == 1
        monkeypatch.setattr(time, "time", lambda away=away: clock() + away)
        assert list(reads.ages_s()) == [0.0]
        monkeypatch.setattr(time, "time", clock)


def test_what_is_received_into_stays_there_as_long_as_it_is_written_to(ends: Ends) -> None:
    buffer = Buffer(MAX_DATAGRAM_BYTES)
    data, reads = buffer.bytes, harvest(ends.udp, buffer.slots())
    del buffer
    with pytest.raises(BufferError):
        data.clear()
    ends.senders[0].send(b"z")
    assert len(reads.take()) == 1 and data[:1] == b"z"
    del reads
    data.clear()


def test_an_error_of_an_earlier_send_is_no_end(ends: Ends) -> None:
    nobody = ends.udp.getsockname()[1]
    ends.udp.close()
    ends.senders[0].setblocking(False)
    reads = harvest(ends.senders[0], ends.slots)
    ends.senders[0].send(b"into the void, which answers that nobody listens")
    assert list(reads.take()) == []
    back = socket.socket(ends.senders[0].family, socket.SOCK_DGRAM)
    with back:
        back.bind((ends.senders[0].getpeername()[0], nobody))
        back.sendto(b"here again", ends.senders[0].getsockname())
        assert len(reads.take()) == 1


@pytest.fixture
async def far(there: bool) -> AsyncIterator[Far]:
    native_port.use(None)
    far = Far("python", "gcm")
    await far.open()
    yield far
    await far.close()


async def test_an_address_has_the_owner_that_it_was_last_assigned(far: Far) -> None:
    """It is remembered between datagrams, and never longer than it is true."""
    number = 0

    async def came() -> object:
        nonlocal number
        number += 1
        far.came.clear()
        far.others.clear()
        far.socket.send(far.tx.protect(bytes(packet(number))))
        await until(lambda: far.came or far.others)
        return far.came[0][0] if far.came else "a stranger"

    for _ in range(2):
        assert await came() == "a stranger" and await came() == "a stranger"
        for owner in ("one", "one", "another"):
            far.port.assign(far.path, owner, far.srtp)
            assert await came() == owner and await came() == owner
        far.socket.send(b"\x00stun")
        await until(lambda: far.others)
        assert far.others == [(b"\x00stun", far.path)]
        far.port.assign(far.path, "keyless", None)
        assert await came() == "keyless" and far.came[-1][1] is None
        far.port.release(far.path)


async def test_a_datagram_that_is_cut_off_is_not_authentic(far: Far) -> None:
    far.port.assign(far.path, "owner", far.srtp)
    whole = far.tx.protect(bytes(packet(1)))
    far.socket.send(whole + bytes(MAX_DATAGRAM_BYTES))
    await until(lambda: far.came)
    assert far.came == [("owner", None, False)]


async def test_all_feedback_that_waits_is_read_at_once(far: Far) -> None:
    far.port.assign(far.path, "owner", far.srtp)
    count = 3 * MAX_BATCH + 5
    sent = [b"\x8f\xcd\x00\x05" + bytes(16) + number.to_bytes(4) for number in range(count)]
    for data in sent:
        far.socket.send(far.tx.protect_rtcp(data))
    far.port.take_feedback()
    assert far.came == [("owner", data, True) for data in sent]
    assert far.times == sorted(far.times)
