# SPDX-License-Identifier: Apache-2.0
"""Every place where foreign bytes come in, and what must hold there whatever they are."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from aioice import stun

from mediaserver.errors import PeerFault
from mediaserver.recording import feed
from mediaserver.recording.frames import FrameAssembler, Hole
from mediaserver.rtp import av1, h264, payload, rtcp, vp9
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.transport_feedback import MAX_STATUSES, TransportFeedback
from mediaserver.sfu.bandwidth.rates import CEILING_BPS, FLOOR_BPS
from mediaserver.sfu.bandwidth.sender import Sender
from mediaserver.sfu.parameters import read_send_parameters
from mediaserver.sfu.room import Room
from mediaserver.sfu.twcc import TwccReceiver
from mediaserver.shell.ice_lite import Credentials, IceAgent, Verdict, local_ufrag
from mediaserver.shell.transport import Hub
from mediaserver.signalling import answers, messages, sdp
from storage import layout, manifest
from tests.fuzz.mutation import mutated_bytes, mutated_document, mutated_json
from tests.mediaserver.shell.offers import offer
from tests.sim.call import audio_parameters, video_parameters, vp8_payload

Target = Callable[[random.Random], bytes | str]
"""Makes one input, gives it to the code and returns it; raises when the code let something out that it must not."""

_CREDENTIALS = Credentials("abcdEFGH", "password-of-22-chars..")


class Finding(Exception):
    """The code broke its promise on `data`."""

    def __init__(self, data: bytes | str) -> None:
        super().__init__(repr(data[:2000]))
        self.data = data


def _rtp_packets() -> list[bytes]:
    one = rtp.build_extensions([(4, b"0"), (3, b"\x01\x02"), (12, b"\x85")])
    two = rtp.build_extensions([(4, b"a" * 20), (200, b"")])
    made = [
        rtp.build(payload_type=96, sequence_number=65_535, timestamp=2**32 - 1, ssrc=1111, payload=body, marker=mark,
                  extension_block=block)
        for body in (vp8_payload(1, key=True), vp8_payload(300, key=False), b"", b"\xfc\xff\xfe")
        for block in (b"", one, two)
        for mark in (False, True)
    ]  # fmt: skip
    padded = bytearray(made[0]) + bytes(3) + b"\x04"
    padded[0] |= 0x20
    with_csrc = bytearray(made[1])
    with_csrc[0] |= 0x02
    with_csrc[12:12] = bytes(8)
    retransmitted = rtp.build(
        payload_type=97, sequence_number=7, timestamp=9, ssrc=2222, payload=b"\x00\x05" + vp8_payload(2, key=False)
    )
    opus = rtp.build(payload_type=111, sequence_number=1, timestamp=960, ssrc=3333, payload=b"\xfc\xff\xfe")
    return [bytes(item) for item in (*made, padded, with_csrc, retransmitted, opus)]


def _rtcp_packets() -> list[bytes]:
    block = rtcp.ReportBlock(1111, 3, -5, 70_000, 9, 1, 2)
    return [
        rtcp.build_sender_report(rtcp.SenderReport(1111, 2**63, 5, 6, 7, (block, block))),
        rtcp.build_receiver_report(1, [block] * 40),
        rtcp.build_sdes(1, "name") + rtcp.build_pli(1, 1111),
        rtcp.build_nack(1, 900_001, [1, 2, 18, 65_535]),
        b"\x8f\xce\x00\x05" + bytes(8) + b"REMB\x01\x12\x34\x56" + bytes(4),
        b"\x8f\xcd\x00\x05" + bytes(4) + b"\x00\x00\x04\x57" + b"\x00\x01\x00\x03\x00\x00\x00\x00\x20\x03\x00\x00",
        b"\x84\xce\x00\x04" + bytes(16),
        b"\x82\xcb\x00\x02" + bytes(8),
    ]


def _stun_messages() -> list[bytes]:
    made = []
    for extra in ({}, {"USE-CANDIDATE": None}, {"ICE-CONTROLLED": 5}):
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=b"123456789012")
        message.attributes["USERNAME"] = f"{_CREDENTIALS.ufrag}:them"
        message.attributes["PRIORITY"] = 1
        message.attributes.update(extra)
        message.add_message_integrity(_CREDENTIALS.password.encode())
        message.add_fingerprint()
        made.append(bytes(message))
    reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=b"123456789012")
    reply.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 5)
    return [*made, bytes(reply)]


RTP, RTCP, STUN = _rtp_packets(), _rtcp_packets(), _stun_messages()
VP8 = [vp8_payload(300, key=True), b"\x10" + bytes(9), b"\xf0\xf0\x81\x2c\x07\x40\x01" + bytes(5), b"\x80\x80\x05\x00"]


def read_rtp(chance: random.Random) -> bytes:
    """A header is read or refused, its parts lie within the packet, and rewriting changes nothing else."""
    data = mutated_bytes(chance, RTP)
    header = rtp.read_header(data)
    if header is not None:
        assert 12 <= header.payload_offset <= header.payload_end <= len(data)
        for _number, at, length in rtp.extensions(data, header):
            assert 12 < at <= at + length <= header.payload_offset
        copy = bytearray(data)
        rtp.rewrite(copy, payload_type=5, sequence_number=7, timestamp=8, ssrc=9)
        again = rtp.read_header(copy)
        assert again is not None
        assert again[5:] == header[5:]
        assert copy[12:] == data[12:]
    return data


def read_rtcp(chance: random.Random) -> bytes:
    """Parsing gives what was whole."""
    data = mutated_bytes(chance, RTCP)
    found, _whole = rtcp.parse(data)
    assert all(len(item.sequence_numbers) <= 17 * len(data) for item in found if isinstance(item, rtcp.Nack))
    return data


def read_payload(chance: random.Random) -> bytes:
    """What is read of a payload lies within it."""
    data = mutated_bytes(chance, VP8)
    found = payload.read_vp8(data)
    assert found is None or 0 < found.data_offset < len(data)
    payload.vp8_size(data)
    assert 0 <= payload.opus_duration_us(data) <= 63 * 60_000
    other = vp9.read_vp9(data)
    assert other is None or 0 < other.data_offset < len(data)
    units = h264.read_h264(data)
    h264.sps_size(units.sps if units is not None and units.sps else data)
    assert sum(len(element) for element in av1.obu_elements(data)) <= len(data)
    av1.read_sequence_header(data)
    av1.DependencyReader().read(data)
    primary = payload.red_primary(data)
    assert primary is None or primary[1] <= len(data)
    return data


def check_stun(chance: random.Random) -> bytes:
    """Only a message with the right password changes anything."""
    data = mutated_bytes(chance, STUN)
    local_ufrag(data)
    agent: IceAgent[str] = IceAgent(_CREDENTIALS)
    result = agent.check(data, "path", ("192.0.2.1", 9), 1.0)
    if result.verdict.name != "VALID":
        assert agent.selected is None
        assert agent.last_check_s is None
    return data


_HUB = Hub(["192.0.2.1"], 7882)


def answer_strangers(chance: random.Random) -> bytes:
    """Whoever does not know a password gets no more bytes than it sent, and takes nobody's way."""
    data = mutated_bytes(chance, [*STUN, *RTP[:2], *RTCP[:2], b"\x16\xfe\xfd" + bytes(40)])
    agent: IceAgent[Any] = IceAgent(_CREDENTIALS)
    sent: list[bytes] = []
    dtls = SimpleNamespace(started=False, srtp=None)
    transport: Any = SimpleNamespace(
        ice=agent, dtls=dtls, lane=None, transport_id="t", bad_srtp=0, path_found=lambda: None
    )
    _HUB.port.send = lambda path, reply: sent.append(reply)  # type: ignore[method-assign]
    _HUB.learn_ufrags(transport)
    path = ("192.0.2.9", chance.randrange(1, 65536))
    try:
        _HUB.other(data, path, path)
        if agent.last_check_s is None and sent:
            assert sum(map(len, sent)) <= len(data)
            assert IceAgent[str](_CREDENTIALS).check(data, "p", path, 1.0).verdict is Verdict.ROLE_CONFLICT
        assert (agent.selected is None) == (path not in _HUB._by_path)
    finally:
        _HUB.remove(transport)
    assert not _HUB._by_path and not _HUB._by_ufrag
    return data


def _feedback_packets() -> list[bytes]:
    made = []
    for numbers in (range(65_530, 65_560), range(0, 400, 7), (5,)):
        receiver = TwccReceiver()
        for number in numbers:
            receiver.arrived(number & 0xFFFF, 7.0 + number / 300)
        made += receiver.feedback(1, 2)
    return made


FEEDBACK = _feedback_packets()


def take_feedback(chance: random.Random) -> bytes:
    """Feedback of a receiver, however broken, leaves an estimate within its bounds and costs what it may cost."""
    sender, now, said = Sender(0.0), 1.0, b""
    sender.meter.next_number = chance.choice((1, 65_500, 1 << 20))
    for _ in range(6):
        for _ in range(chance.randrange(120)):
            now += 0.003
            sender.sent(chance.randrange(1, 1500), now)
            sender.tick(now)
        data = chance.choice(FEEDBACK) if chance.random() < 0.2 else mutated_bytes(chance, FEEDBACK)
        said += data
        for item in rtcp.parse(data)[0]:
            if isinstance(item, TransportFeedback):
                assert len(item.arrivals) <= MAX_STATUSES
                sender.feedback(item, now)
        assert FLOOR_BPS <= sender.estimate_bps(now) <= CEILING_BPS
        assert sender.tick(now) < 1_000_000
    sender.stats(now)
    return said


_VERSION = messages.PROTOCOL_VERSION
_FINGERPRINTS = {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}]}
_REQUESTS: list[dict[str, Any]] = [
    {"id": 1, "type": "hello", "data": {"version": _VERSION, "token": "a.b.c"}},
    {"id": 2, "type": "resume", "data": {"version": _VERSION, "resume_token": "r"}},
    {"id": 3, "type": "connect", "data": {"transport_id": "t", "dtls_parameters": _FINGERPRINTS}},
    {"id": 4, "type": "produce",
     "data": {"transport_id": "t", "source": "cam", "kind": "video", "rtp_parameters": video_parameters()}},
    {"id": 5, "type": "pause_producer", "data": {"producer_id": "p", "paused": True}},
    {"id": 6, "type": "ping"},
    {"id": 7, "type": "view",
     "data": {"tiles": [{"consumer_id": "c1", "width": 320, "height": 192, "role": "tile"}], "mode": "low",
              "cap_kbps": 500}},
    {"id": 2**53 - 1, "type": "leave", "data": {}},
]  # fmt: skip


def read_message(chance: random.Random) -> str:
    """A message is understood, or refused with a code; either answer can be sent."""
    text = mutated_json(chance, _REQUESTS)
    try:
        request = messages.parse_request(text)
    except messages.ProtocolFault as fault:
        messages.refusal(fault.request_id or 0, fault).encode()
        return text
    if isinstance(request.body, messages.Produce):
        _parameters("video" if request.body.kind == "video" else "audio", request.body.rtp_parameters)
    messages.reply(request.id, {}).encode()
    return text


def _parameters(kind: Any, value: dict[str, Any]) -> None:
    try:
        read_send_parameters(kind, value)
    except PeerFault as fault:
        messages.refusal(0, fault).encode()


def read_parameters(chance: random.Random) -> str:
    """What a browser says that it sends is understood or refused, and a room can work with what was understood."""
    kind, value = chance.choice((("video", video_parameters()), ("audio", audio_parameters())))
    value = mutated_document(chance, value)
    if isinstance(value, dict):
        room = _room(publishing=False)
        try:
            room.produce("a-send", "screen", kind, value, 1.0)  # type: ignore[arg-type]
        except PeerFault as fault:
            messages.refusal(0, fault).encode()
        room.receive_rtp("a-send", bytearray(chance.choice(RTP)), 1.0)
        room.drain_packets()
    return repr(value)


def _room(*, publishing: bool = True) -> Room:
    ssrcs = itertools.count(900_001, 7)
    room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)
    for peer in ("a", "b"):
        room.join(peer, peer, "", 0.0)
        room.add_transport(f"{peer}-send", peer, "send")
        room.add_transport(f"{peer}-recv", peer, "recv")
        room.transport_up(f"{peer}-recv", 0.0)
    if publishing:
        room.produce("a-send", "cam", "video", video_parameters(), 0.0)
        room.produce("a-send", "mic", "audio", audio_parameters(), 0.0)
    return room


def feed_room(chance: random.Random) -> bytes:
    """A room takes what a peer with the right keys sends, however broken, for a second of its time."""
    room, now, said = _room(), 1.0, b""
    room.record(on=True, now=now)
    for _ in range(20):
        now += 0.05
        data = chance.choice(RTP) if chance.random() < 0.3 else mutated_bytes(chance, RTP)
        report = mutated_bytes(chance, RTCP)
        said += data + report
        room.receive_rtp("a-send", bytearray(data), now)
        room.receive_rtcp(chance.choice(("a-send", "b-recv")), report, now)
        room.handle_timer(now)
        for _transport, packet, is_rtcp in room.drain_packets():
            assert rtcp.parse(packet)[1] if is_rtcp else rtp.read_header(packet)
        room.drain_events()
    room.stats(now)
    return said


def put_frames_in_order(chance: random.Random) -> bytes:
    """The recorder's assembler gives every number once and in order, as a frame or as a hole, whatever comes."""
    assembler, said, last = FrameAssembler(chance.choice(("vp8", "opus", "h264", "vp9", "av1"))), b"", 0
    for step in range(31):
        data = chance.choice(RTP) if chance.random() < 0.5 else mutated_bytes(chance, RTP)
        said += data
        assembler.add(data, step * 50_000)
        for item in assembler.take(step * 50_000, everything=step == 30):
            first = item.first if isinstance(item, Hole) else item.last_sequence
            assert first > last
            last = item.last if isinstance(item, Hole) else item.last_sequence
    return said


_SESSION = feed.SessionRef("c", "s", "s")
_TRACK = {
    "track_id": "p-mic", "peer_id": "p", "peer_name": "n", "place": "", "source": "mic", "kind": "audio",
    "codec": "opus", "clock_rate": 48_000, "payload_type": 111, "ssrc": 1, "cname": "", "extensions": {},
}  # fmt: skip
_ORDER = {"session": feed.session_json(_SESSION), "recording": "on", "version": 1, "utc_ms": 5, "reason": ""}
_RECORDS = [
    feed.encode_json(feed.Kind.ORDER, 0, 1, _ORDER),
    feed.encode_json(feed.Kind.OPEN, 0, 2, {"session": feed.session_json(_SESSION), "track": _TRACK}),
    feed.encode_packet(1, 3, RTP[0], 99),
    feed.encode_report(1, 4, 1.5, 7, 99),
    feed.encode_overflow(1, feed.Overflow(1, 2, 3, 4, 5, 6, 7)),
]


def read_feed(chance: random.Random) -> bytes:
    """A feed is read, or ended with FeedFault."""
    data = mutated_bytes(chance, _RECORDS)
    reader = feed.RecordReader()
    try:
        for at in range(0, len(data), 7):
            for record in reader.feed(data[at : at + 7]):
                _use(record)
    except feed.FeedFault:
        pass
    return data


def _use(record: feed.Record) -> None:
    match record.kind:
        case feed.Kind.PACKET:
            feed.decode_packet(record.body)
        case feed.Kind.REPORT:
            feed.decode_report(record.body)
        case feed.Kind.OVERFLOW:
            feed.decode_overflow(record)
        case feed.Kind.ORDER:
            feed.parse_order(record.json())
        case feed.Kind.OPEN:
            value = record.json()
            feed.parse_session(value.get("session", {}))
            feed.parse_track(value.get("track", {}))
        case _:
            pass


def read_feed_json(chance: random.Random) -> str:
    """Bodies of feed records with strange values end in FeedFault, too."""
    golden, parse = chance.choice(((_ORDER, feed.parse_order), (_TRACK, feed.parse_track)))
    text = mutated_json(chance, [golden])
    with contextlib.suppress(feed.FeedFault):
        parse(feed.Record(feed.Kind.ORDER, 0, 1, text.encode("utf-8", "surrogatepass")).json())  # type: ignore[operator]
    return text


_MANIFEST = {
    "version": 1, "county": "c", "session_id": "s", "room": "s", "origin_utc_ms": 1, "ended_utc_ms": None,
    "software": "x", "server_boots": ["b"], "peers": [{"peer_id": "p", "name": "n", "place": ""}], "gaps": [],
    "tracks": [{"track_id": "p-mic", "peer_id": "p", "source": "mic", "kind": "audio", "epochs": []}],
    "events": [{"at_ms": 1, "utc_ms": 2, "type": "t", "data": {"a": 1}}], "complete": True, "seal": None,
}  # fmt: skip


def read_manifest(chance: random.Random) -> str:
    """A manifest is read strictly, or refused with one sentence; what was read is written to the same bytes again."""
    text = mutated_json(chance, [_MANIFEST])
    try:
        found = manifest.from_bytes(text.encode("utf-8", "surrogatepass"))
        again = found.to_bytes()
    except manifest.ManifestFault as fault:
        assert "\n" not in str(fault)
        return text
    assert manifest.from_bytes(again) == found
    return text


_KEYS = [
    layout.manifest_key("c", "0" * 26).encode(),
    layout.segment_key("c", "0" * 26, "p-mic", 1, 2).encode(),
    layout.transcript_key("c", "0" * 26, "1" * 26).encode(),
]


def read_key(chance: random.Random) -> str:
    """An object key names exactly one thing or is refused."""
    text = mutated_bytes(chance, _KEYS).decode("latin-1")
    try:
        found = layout.parse_key(text)
    except layout.KeyFault:
        return text
    assert str(found) == text
    assert ".." not in text
    return text


_OFFERS = [
    text.encode()
    for text in (
        offer(),
        offer(direction="recvonly"),
        offer(kinds=("video",), more="a=rid:hi send max-height=720\na=rid:lo send\na=simulcast:send hi;~lo recv x\n"),
        offer(setup="passive", more="a=ssrc-group:FID 1111 2222\na=ssrc:2222 cname:me\n"),
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n",
    )
]
_SERVER_SIDE = {
    "iceParameters": {"usernameFragment": "abcd", "password": "p" * 24},
    "iceCandidates": [{"protocol": "udp", "priority": 9, "address": "192.0.2.7", "port": 7882}],
    "dtlsParameters": {"fingerprints": [{"algorithm": "sha-256", "value": "AA:BB"}]},
}


def read_offer(chance: random.Random) -> str:
    """An offer or a fragment is read and answered, or refused as the peer's fault; an answer is a description again."""
    text = mutated_bytes(chance, _OFFERS).decode("utf-8", "replace")
    with contextlib.suppress(PeerFault):
        sdp.parse_fragment(text)
    try:
        found = sdp.parse(text)
        matches = answers.match_published(found)
        answers.dtls_parameters(found)
        parameters = [(match.section.kind, answers.produce_parameters(match)) for match in matches]
        answered = answers.answer(found, matches, _SERVER_SIDE, 1)
    except PeerFault:
        return text
    assert len(sdp.parse(answered).sections) == len(found.sections)
    for kind, wanted in parameters:
        with contextlib.suppress(PeerFault):
            read_send_parameters(kind, wanted)  # type: ignore[arg-type]
    return text


INPUTS_A_ROUND: Mapping[str, int] = {"take_feedback": 6, "feed_room": 40, "put_frames_in_order": 31}
"""Packets that a target takes in one call, where it is more than one."""
TARGETS: Mapping[str, Target] = {
    target.__name__: target
    for target in (
        read_rtp, read_rtcp, read_payload, take_feedback, check_stun, answer_strangers,
        read_message, read_parameters, feed_room,
        put_frames_in_order,
        read_feed, read_feed_json, read_manifest, read_key, read_offer,
    )
}  # fmt: skip
