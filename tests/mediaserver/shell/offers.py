# SPDX-License-Identifier: Apache-2.0
"""Offers as programs write them, and an answer as the test endpoint's Wire needs it."""

from __future__ import annotations

from typing import Any

from mediaserver.signalling import sdp

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
AUDIO = ("111", "a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtcp-fb:111 transport-cc\n")
VIDEO = (
    "96 97",
    "a=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack\na=rtcp-fb:96 nack pli\na=rtcp-fb:96 goog-remb\n"
    "a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n",
)


def offer(
    *,
    direction: str = "sendonly",
    kinds: tuple[str, ...] = ("audio", "video"),
    setup: str = "actpass",
    fingerprint: str = FINGERPRINT,
    ufrag: str = "page",
    more: str = "",
) -> str:
    """An offer of Opus and VP8 with RTX; `more` goes into every section."""
    mids = " ".join(str(number) for number in range(len(kinds)))
    text = f"v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {mids}\na=extmap-allow-mixed\n"
    for number, kind in enumerate(kinds):
        formats, codecs = AUDIO if kind == "audio" else VIDEO
        text += f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\nc=IN IP4 0.0.0.0\na=mid:{number}\na={direction}\n"
        text += f"a=ice-ufrag:{ufrag}\na=ice-pwd:a/password/of/22/characters\n"
        text += f"a=fingerprint:{fingerprint}\na=setup:{setup}\na=rtcp-mux\n"
        text += f"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\n{codecs}{more}"
        if direction != "recvonly" and "a=rid" not in more:
            text += f"a=ssrc:{1111 if kind == 'video' else 3333} cname:me\n"
    return text.replace("\n", "\r\n")


def described(answer: str) -> dict[str, Any]:
    """The server's side of an answer, as signalling by JSON would describe it."""
    lines = [line.removeprefix("a=") for line in answer.splitlines()]
    candidates = [line.split() for line in lines if line.startswith("candidate:")]
    first = sdp.parse(answer).sections[0]
    return {
        "id": "",
        "iceParameters": {"usernameFragment": first.ufrag, "password": first.password, "iceLite": True},
        "iceCandidates": [{"protocol": c[2], "ip": c[4], "port": int(c[5])} for c in candidates],
        "dtlsParameters": {
            "fingerprints": [{"algorithm": algorithm, "value": value} for algorithm, value in first.fingerprints]
        },
    }
