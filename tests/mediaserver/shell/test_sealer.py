# SPDX-License-Identifier: Apache-2.0
"""The compiled plane's own sealing of RTP: libsrtp's bytes to the last bit, and refused where libsrtp refuses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pylibsrtp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaserver.shell import native_port, srtp
from mediaserver.shell.dtls import Dtls, new_certificate
from tests.mediaserver.shell.test_planes import PROFILES, Far, packet, report, session

GCM = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEY = bytes([2]) * PROFILES["gcm"][1]


@pytest.fixture(autouse=True)
def plane(compiled: Any) -> Iterator[None]:
    native_port.use(compiled)
    yield
    native_port.use(None)


def outbound(key: bytes = KEY) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=PROFILES["gcm"][0])
    policy.allow_repeat_tx, policy.window_size = True, 1024
    return pylibsrtp.Session(policy)


def by_libsrtp(tx: pylibsrtp.Session, plain: bytes) -> bytes | None:
    try:
        return bytes(tx.protect(plain))
    except (pylibsrtp.Error, ValueError):
        return None


def sealed(sealer: Any, plain: bytes) -> bytes | None:
    room = bytearray(plain + bytes(16))
    size = sealer.seal(room, 0, len(plain))
    return bytes(room[:size]) if size else None


def rtp(number: int, ssrc: int, body: bytes, csrcs: int = 0, extension: int = -1, first: int = 0x80) -> bytes:
    """With so many contributing sources, and an extension of so many words; -1 for none."""
    head = bytes((first | csrcs | (0x10 if extension >= 0 else 0), 96)) + (number & 0xFFFF).to_bytes(2)
    block = b"" if extension < 0 else b"\xbe\xde" + extension.to_bytes(2) + bytes(4 * extension)
    return head + bytes(4) + ssrc.to_bytes(4) + bytes(4 * csrcs) + block + body


NEAR = st.integers(-1100, 1100) | st.integers(-3, 3) | st.integers(-40_000, 40_000)
PACKETS = st.lists(
    st.tuples(
        NEAR,
        st.sampled_from((0, 1, 7, 0xFFFFFFFF)),
        st.binary(max_size=40),
        st.integers(0, 15),
        st.integers(-1, 3),
        st.sampled_from((0x80, 0xA0, 0x00)),
    ),
    max_size=40,
)


@GCM
@given(key=st.binary(min_size=28, max_size=28), first=st.integers(0, 0xFFFF), packets=PACKETS, cut=st.integers(0, 60))
def test_any_packets_are_libsrtps_to_the_bit(
    compiled: Any, key: bytes, first: int, packets: list[tuple[Any, ...]], cut: int
) -> None:
    tx, sealer, numbers = outbound(key), compiled.Sealer(key, 1), dict[int, int]()
    for step, ssrc, body, csrcs, extension, head in packets:
        number = numbers[ssrc] = numbers.get(ssrc, first) + step
        plain = rtp(number, ssrc, body, csrcs, extension, head)
        assert sealed(sealer, plain) == by_libsrtp(tx, plain)
        if 12 <= cut < len(plain):
            assert sealed(sealer, plain[:cut]) == by_libsrtp(tx, plain[:cut])


def test_numbers_wrap_and_streams_are_many(compiled: Any) -> None:
    tx, sealer, chance = outbound(), compiled.Sealer(KEY, 1), random.Random(5)
    rx = session("gcm", 2, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    for ssrc in chance.sample(range(1 << 32), 300):
        plain = rtp(65_000, ssrc, b"first")
        assert sealed(sealer, plain) == by_libsrtp(tx, plain)
    for number in range(65_000, 65_000 + 200_000, 401):
        for ssrc in (3, 0xDEADBEEF):
            plain = rtp(number, ssrc, chance.randbytes(chance.randrange(1200)))
            protected = sealed(sealer, plain)
            assert protected == by_libsrtp(tx, plain)
            assert protected is not None and rx.unprotect(protected) == plain


def test_a_sound_that_goes_out_again_is_the_same_to_the_bit(compiled: Any) -> None:
    sealer, sound = compiled.Sealer(KEY, 1), rtp(70, 9, b"sound")
    first = sealed(sealer, sound)
    for number in range(71, 400):
        sealed(sealer, rtp(number, 9, b"next"))
    assert sealed(sealer, sound) == first is not None
    for number in range(400, 1200):
        sealed(sealer, rtp(number, 9, b"next"))
    assert sealed(sealer, sound) is None, "too old for libsrtp, and for us"


def test_one_transport_has_one_way_to_protect_whatever_path_it_takes(compiled: Any) -> None:
    """By the compiled plane and by the Python plane in turn: the counts of one go on in the other."""
    ours = srtp.open_srtp(session("gcm", 1, pylibsrtp.Policy.SSRC_ANY_INBOUND), outbound(), KEY)
    assert type(ours) is srtp.SealedSrtp
    tx, out = outbound(), srtp.Buffer(srtp.OUT_BYTES)
    for number in range(65_500, 65_600, 4):
        packets = [packet(number + step, 60 + step) for step in range(4)]
        expected = [by_libsrtp(tx, bytes(data)) for data in packets]
        size = ours.protect_one(packets[0], False, out)
        assert bytes(out.view[:size]) == expected[0]
        assert sealed(ours.tx_native, bytes(packets[1])) == expected[1]
        runs = ours.protect([(packets[2], False), (bytearray(5), False), (packets[3], False)], out)
        assert [bytes(out.view[start:end]) for start, end, _ in runs] == expected[2:]
    size = ours.protect_one(report(), True, out)
    assert bytes(out.view[:size]) == tx.protect_rtcp(bytes(report()))


async def test_sealed_packets_go_out_in_runs_and_reports_by_libsrtp(compiled: Any) -> None:
    far = Far("native", "gcm")
    far.srtp = srtp.open_srtp(session("gcm", 1, pylibsrtp.Policy.SSRC_ANY_INBOUND), outbound(), KEY)
    await far.port.open("127.0.0.1", 0)
    far.port.route("far", far.path, far.srtp)
    sent = [(packet(number), False) for number in range(65_530, 65_545)]
    far.port.send_media([("far", *one) for one in (*sent, (bytearray(9), False), (report(), True))])
    assert far.read(15) == [bytes(data) for data, _ in sent]
    assert far.rx.unprotect_rtcp(far.socket.recv(2048)) == bytes(report())
    assert far.port.counters["send_dropped"] == 1, "what is no packet"
    await far.close()


async def test_both_ends_of_a_handshake_seal_with_the_key_that_the_other_opens_with(compiled: Any) -> None:
    ends: list[Dtls] = []
    ups = [asyncio.Event(), asyncio.Event()]
    for index in (0, 1):
        ends.append(
            Dtls(
                new_certificate(),
                lambda data, other=1 - index: ends[other].feed(data),  # type: ignore[misc]
                ups[index].set,
                lambda: None,
            )
        )
    for one, other, role in ((*ends, "client"), (*reversed(ends), "server")):
        prints = other._transport.getLocalParameters().fingerprints
        one.start(role, tuple((f.algorithm, f.value) for f in prints))
    await asyncio.wait_for(asyncio.gather(*(up.wait() for up in ups)), 10)
    for one, other in (ends, reversed(ends)):
        assert one.srtp is not None and other.srtp is not None
        out, plain = srtp.Buffer(srtp.OUT_BYTES), packet(3)
        size = one.srtp.protect_one(plain, False, out)
        assert type(one.srtp) is srtp.SealedSrtp
        assert other.srtp.unprotect(out.slots()[0], size, False) == bytes(plain)
    for one in ends:
        await one.close()


def test_without_functions_libsrtp_goes_on_with_one_line_in_the_log(
    compiled: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(srtp, "_CIPHER", ("no_such_function",) * 8)
    srtp.use(compiled)
    assert capsys.readouterr().out.count("srtp_sealed_by_libsrtp") == 1
    ours = srtp.open_srtp(session("gcm", 1, pylibsrtp.Policy.SSRC_ANY_INBOUND), outbound(), KEY)
    assert type(ours) is srtp.InPlaceSrtp


def test_the_sealer_refuses_what_it_does_not_know(compiled: Any) -> None:
    with pytest.raises(ValueError):
        compiled.Sealer(KEY[:-1], 1)
    with pytest.raises(ValueError):
        compiled.use_cipher(*range(8))
    sealer = compiled.Sealer(KEY, 1)
    for bad in ((bytearray(20), 0, 12), (bytearray(40), -1, 12), (bytearray(40), 41, 0), (bytearray(40), 0, -1)):
        with pytest.raises(ValueError):
            sealer.seal(*bad)
    with pytest.raises(TypeError):
        sealer.seal(bytes(40), 0, 12)
