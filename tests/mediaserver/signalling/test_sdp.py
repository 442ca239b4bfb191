# SPDX-License-Identifier: Apache-2.0
"""Descriptions are read with what a forwarding server must not lose, and refused with one code; answers fit offers."""

from __future__ import annotations

import pytest

from mediaserver.errors import PeerFault
from mediaserver.signalling import answers, sdp
from mediaserver.signalling.answers import Renumbering
from tests.mediaserver.shell.offers import offer

SIMULCAST = "a=rid:hi send max-height=720\na=rid:lo send max-height=180\na=simulcast:send hi;~lo\n"
TRANSPORT = {
    "id": "t",
    "iceParameters": {"usernameFragment": "abcd", "password": "p" * 24, "iceLite": True},
    "iceCandidates": [
        {"protocol": "udp", "priority": 9, "address": "2001:db8::1", "port": 7882},
        {"protocol": "tcp", "priority": 8, "address": "192.0.2.7", "port": 7882, "tcpType": "passive"},
    ],
    "dtlsParameters": {
        "role": "auto",
        "fingerprints": [{"algorithm": "sha-512", "value": "EE"}, {"algorithm": "sha-256", "value": "AA:BB"}],
    },
}


def consumer(kind: str, *, codec: str = "VP8", payload_type: int = 101, **parameters: object) -> dict[str, object]:
    """As the room describes one."""
    video = kind == "video"
    codecs: list[dict[str, object]] = [
        {
            "mimeType": f"video/{codec}" if video else "audio/opus",
            "payloadType": payload_type if video else 100,
            "clockRate": 90_000 if video else 48_000,
            **({} if video else {"channels": 2}),
            "parameters": parameters,
            "rtcpFeedback": [{"type": "nack", "parameter": ""}, {"type": "nack", "parameter": "pli"}],
        }
    ]
    if video:
        rtx = {"mimeType": "video/rtx", "payloadType": payload_type + 1, "clockRate": 90_000}
        codecs.append({**rtx, "parameters": {"apt": payload_type}, "rtcpFeedback": []})
    extensions = [{"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1}, {"uri": "urn:unknown", "id": 5}]
    encoding = {"ssrc": 71, "rtx": {"ssrc": 72}} if video else {"ssrc": 70}
    return {
        "id": f"c-{kind}",
        "peer_id": "anna",
        "source": "cam" if video else "mic",
        "kind": kind,
        "rtp_parameters": {
            "codecs": codecs,
            "headerExtensions": extensions,
            "encodings": [encoding],
            "rtcp": {"cname": "anna"},
        },
    }


def test_simulcast_rids_and_mixed_extensions_are_kept() -> None:
    found = sdp.parse(offer(kinds=("video",), more=SIMULCAST))
    assert found.mixed_extensions
    assert found.bundle == ("0",)
    (section,) = found.sections
    assert section.simulcast == ("hi", "lo")
    assert section.rids == {"hi": {"max-height": "720"}, "lo": {"max-height": "180"}}
    assert section.codecs[97].apt == 96
    assert section.codecs[96].feedback == [("nack", ""), ("nack", "pli"), ("goog-remb", "")]
    (match,) = answers.match_published(found)
    assert answers.produce_parameters(match)["encodings"] == [{"rid": "lo"}, {"rid": "hi"}], "low to high"
    text = answers.answer(found, [match], TRANSPORT, 5)
    assert "a=simulcast:recv hi;lo\r\n" in text
    assert "a=rid:hi recv\r\n" in text
    assert "a=extmap-allow-mixed\r\n" in text


@pytest.mark.parametrize(("rids", "ordered"), [("f;h;q", "q h f"), ("m;l", "l m"), ("high;low;mid", "low mid high")])
def test_layers_come_in_the_order_that_their_names_say(rids: str, ordered: str) -> None:
    more = "".join(f"a=rid:{rid} send\n" for rid in rids.split(";")) + f"a=simulcast:send {rids}\n"
    (match,) = answers.match_published(sdp.parse(offer(kinds=("video",), more=more)))
    encodings = answers.produce_parameters(match)["encodings"]
    assert [encoding["rid"] for encoding in encodings] == ordered.split()


def test_a_published_offer_becomes_a_produce_message() -> None:
    found = sdp.parse(offer(more="a=ssrc-group:FID 1111 2222\na=ssrc:2222 cname:me\n"))
    audio, video = (answers.produce_parameters(match) for match in answers.match_published(found))
    assert audio["codecs"][0]["mimeType"] == "audio/opus"
    assert audio["codecs"][0]["channels"] == 2
    assert video["mid"] == "1"
    assert video["codecs"][1]["parameters"] == {"apt": 96}
    assert video["encodings"] == [{"ssrc": 1111, "rtx": {"ssrc": 2222}}]
    assert video["rtcp"] == {"cname": "me"}
    assert [(e["id"], e["uri"]) for e in video["headerExtensions"]] == [(4, "urn:ietf:params:rtp-hdrext:sdes:mid")]


def test_an_answer_holds_what_the_offer_can_use() -> None:
    found = sdp.parse(offer(setup="passive"))
    text = answers.answer(found, answers.match_published(found), TRANSPORT, 5)
    again = sdp.parse(text)
    assert again.bundle == ("0", "1")
    assert {s.direction for s in again.sections} == {"recvonly"}
    assert {s.setup for s in again.sections} == {"active"}, "somebody has to speak first"
    assert again.sections[0].fingerprints == [("sha-256", "AA:BB")]
    assert "a=candidate:1 1 udp 9 2001:db8::1 7882 typ host\r\n" in text
    assert "a=candidate:2 1 tcp 8 192.0.2.7 7882 typ host tcptype passive\r\n" in text
    assert "a=ice-lite\r\n" in text
    assert list(again.sections[1].codecs) == [96, 97]


def test_what_cannot_be_taken_is_refused_in_the_answer_too() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
    found = sdp.parse(offer() + data)
    again = sdp.parse(answers.answer(found, answers.match_published(found), TRANSPORT, 5))
    assert [section.port for section in again.sections] == [9, 9, 0]


def test_a_viewer_gets_its_own_numbers() -> None:
    found = sdp.parse(offer(direction="recvonly"))
    matches = answers.match_watched(found, [consumer("audio"), consumer("video")])
    assert answers.renumbering(matches) == Renumbering({100: 111, 101: 96, 102: 97}, {1: 4}, {})
    again = sdp.parse(answers.answer(found, matches, TRANSPORT, 5))
    assert {s.direction for s in again.sections} == {"sendonly"}
    assert again.sections[1].retransmissions == {71: 72}
    assert again.sections[1].ssrcs == {71: {"cname": "anna"}, 72: {"cname": "anna"}}


def test_repair_goes_as_the_packet_itself_to_a_viewer_without_rtx() -> None:
    text = offer(direction="recvonly", kinds=("video",)).replace("SAVPF 96 97", "SAVPF 96")
    matches = answers.match_watched(sdp.parse(text), [consumer("video")])
    assert answers.renumbering(matches).plain == {102: (96, 71)}


def test_of_h264_the_form_is_chosen_in_which_pictures_may_be_cut() -> None:
    lines = (
        "m=video 9 UDP/TLS/RTP/SAVPF 98 99\nc=IN IP4 0.0.0.0\na=mid:0\na=recvonly\na=ice-ufrag:page\n"
        "a=ice-pwd:a/password/of/22/characters\na=fingerprint:sha-256 AA\na=setup:actpass\n"
        "a=rtpmap:98 H264/90000\na=fmtp:98 profile-level-id=42e01f\n"
        "a=rtpmap:99 H264/90000\na=fmtp:99 packetization-mode=1;profile-level-id=42001f\n"
    )
    found = sdp.parse(f"v=0\ns=-\n{lines}")
    sent = {"packetization-mode": 1, "profile-level-id": "42e01f"}
    (match,) = answers.match_watched(found, [consumer("video", codec="H264", payload_type=103, **sent)])
    assert match.codec.payload_type == 99
    high = {"packetization-mode": 1, "profile-level-id": "64001f"}
    with pytest.raises(PeerFault, match="codec"):
        answers.match_watched(found, [consumer("video", codec="H264", payload_type=105, **high)])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (offer(kinds=("audio", "audio")), "one audio"),
        (offer(direction="recvonly"), "no audio or video"),
        (offer().replace("a=group:BUNDLE 0 1\r\n", ""), "BUNDLE"),
        (offer(kinds=("video",)).replace("VP8", "THEORA"), "codecs"),
        (offer(kinds=("audio",)).replace("opus/48000/2", "opus/48000"), "codecs"),
        (offer(kinds=("audio",)).replace("a=ice-ufrag:page\r\n", ""), "ICE"),
    ],
)
def test_an_offer_that_cannot_be_taken_says_why(text: str, word: str) -> None:
    with pytest.raises(PeerFault, match=word) as caught:
        answers.match_published(sdp.parse(text))
    assert caught.value.code == "unsupported_offer"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=1\n",
        "v=0\nnonsense\n",
        "v=0\nm=video x UDP/TLS/RTP/SAVPF 96\n",
        "v=0\nm=video 65536 UDP/TLS/RTP/SAVPF 96\n",
        "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 128\n",
        "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8\n",
        "v=0\na=ice-ufrag:abc\n",
        "v=0\na=ice-pwd:" + "a" * 21 + "\n",
        "v=0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:x\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:x\n",
        "v=0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=ssrc:4294967296 cname:x\n",
        "v=0\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\n" * (sdp.MAX_MEDIA + 1),
        "v=0\n" + "a=x\n" * sdp.MAX_LINES,
        "v=0\na=" + "x" * sdp.MAX_SDP_CHARACTERS,
    ],
)
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(PeerFault) as caught:
        sdp.parse(text)
    assert caught.value.code == "bad_sdp"


def test_text_at_the_limits_is_read() -> None:
    assert len(sdp.parse("v=0\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\n" * sdp.MAX_MEDIA).sections) == sdp.MAX_MEDIA
    sdp.parse("v=0\n" + "a=x\n" * (sdp.MAX_LINES - 1))
    sdp.parse("v=0\na=" + "x" * (sdp.MAX_SDP_CHARACTERS - 6))
    sdp.parse("v=0\na=ice-ufrag:abcd\na=ice-pwd:" + "a" * 22)


def test_a_fragment_names_its_generation() -> None:
    found = sdp.parse_fragment(
        "a=ice-ufrag:abcd\r\na=ice-pwd:" + "p" * 22 + "\r\nm=audio 9 RTP/AVP 0\r\na=candidate:1\r\n"
    )
    assert (found.ufrag, found.candidates) == ("abcd", 1)
    with pytest.raises(PeerFault):
        sdp.parse_fragment("a=ice-ufrag:abcd\r\n")
