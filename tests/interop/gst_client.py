# SPDX-License-Identifier: Apache-2.0
"""GStreamer's webrtcbin publishes by WHIP or watches by WHEP, run with the system's Python, which has its bindings.

gst_client.py publish|watch URL TOKEN CA ENOUGH: says once how many buffers came, by kind, when they are enough; ends
when its input ends.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = (
    "webrtcbin name=rtc bundle-policy=max-bundle "
    "audiotestsrc is-live=true ! audioconvert ! queue ! opusenc ! rtpopuspay pt=111 "
    "! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! queue ! rtc. "
    "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=20/1 ! queue ! vp8enc deadline=1 "
    "! rtpvp8pay pt=96 ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! queue ! rtc."
)
CAPS = {
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2",
    "video": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,rtcp-fb-nack-pli=true",
}


def watching() -> Any:
    """A pipeline of one element, which the launch syntax cannot say."""
    pipeline = Gst.Pipeline.new("watching")
    rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
    rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(rtc)
    return pipeline


class Client:
    """One webrtcbin behind one door."""

    def __init__(self, mode: str, url: str, token: str, ca: str) -> None:
        self.mode, self.url, self.token = mode, url, token
        self.tls = ssl.create_default_context(cafile=ca)
        self.received = {"audio": 0, "video": 0}
        self.pipeline = Gst.parse_launch(PUBLISH) if mode == "publish" else watching()
        self.rtc = self.pipeline.get_by_name("rtc")
        self.rtc.connect("on-negotiation-needed", self.offer)
        self.rtc.connect("notify::ice-gathering-state", self.gathered)
        self.rtc.connect("pad-added", self.incoming)
        if mode == "watch":
            for caps in CAPS.values():
                receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.rtc.emit("add-transceiver", receive, Gst.Caps.from_string(caps))
        else:
            self.pipeline.set_state(Gst.State.READY)
            for index in range(2):
                one = self.rtc.emit("get-transceiver", index)
                one.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        self.pipeline.set_state(Gst.State.PLAYING)

    def offer(self, _: Any) -> None:
        promise = Gst.Promise.new_with_change_func(self.offered, None)
        self.rtc.emit("create-offer", None, promise)

    def offered(self, promise: Any, _: Any) -> None:
        self.reply = promise.get_reply()  # kept: with it the offer would go
        self.rtc.emit("set-local-description", self.reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, *_: Any) -> None:
        if self.rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.knock)

    def knock(self) -> bool:
        sdp = self.rtc.get_property("local-description").sdp.as_text().encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(self.url, sdp, headers, method="POST")
        with urllib.request.urlopen(request, context=self.tls, timeout=10) as reply:
            self.visit = reply.headers["Location"]
            text = reply.read()
        _, message = GstSdp.SDPMessage.new_from_text(text.decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.rtc.emit("set-remote-description", answer, Gst.Promise.new())
        return False

    def incoming(self, _: Any, pad: Any) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.set_property("sync", False)
        sink.connect("handoff", lambda *_: self.received.__setitem__(kind, self.received[kind] + 1))
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))


def main() -> None:
    """Until nobody listens any more."""
    mode, url, token, ca, enough = sys.argv[1:]
    Gst.init(None)
    client, wanted = Client(mode, url, token, ca), json.loads(enough)
    loop = GLib.MainLoop()

    def look() -> bool:
        if all(client.received[kind] >= count for kind, count in wanted.items()):
            print(json.dumps(client.received), flush=True)
            return False
        return True

    GLib.timeout_add(50, look)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    loop.run()
    client.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
