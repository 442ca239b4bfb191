# SPDX-License-Identifier: Apache-2.0
"""The RTCP that we send on our own account: to publishers NACKs, key frame requests, receiver reports and
transport-wide feedback; to receivers sender reports. Nothing of a peer's RTCP is passed on."""

from __future__ import annotations

from mediaserver.rtp import rtcp
from mediaserver.sfu import twcc
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.uplink import Uplink

REPORT_INTERVAL_S = 1.0
FIRST_REPORT_S = 0.1
"""Until a report names its SSRC a publisher spends MID and RID on every packet, so the first goes out soon."""
CNAME = "videohome"
COMPOUND_BYTES = 1_100
"""Most of one compound."""


def gives_way(producer: Producer, uplink: Uplink, now: float) -> bool:
    """An upper layer that the publisher's link has become too narrow for: to ask for what it lost would take the link
    from the layer below, which is what can still be seen."""
    if producer.left_away(uplink) or (producer.upper_rest and uplink.layer):
        uplink.nack.forget()
        return False
    if uplink.swamped:
        for each in producer.uplinks:
            each.swamped_at = now
        uplink.nack.expire(now)  # a layer that stops at this moment would keep them for good
        return uplink.layer > 0
    return False


def _begin_anew(uplink: Uplink, now: float) -> None:
    """What was sent before the publisher gave way is given up, also of the lowest layer: browsers send repairs before
    all else, and so a key frame would wait for them."""
    if len(uplink.nack):
        uplink.nack.forget()
        if not uplink.layer:
            uplink.want_keyframe(now, urgent=True)


def _hushed(port: Port, now: float) -> bool:
    """The publisher is not to be told now what did not come. Chromium repeats by itself, before all else, what it is
    told to be lost, also when its link overflows; and while it sends less than it could, every loss that it is told of
    lowers its estimate and keeps it from trying whether its link carries the upper layers."""
    if port.narrow.overflows(now):
        return True
    layered = [one.uplinks[-1] for one in port.producers.values() if len(one.uplinks) > 1]
    return port.narrow.loses_little and any(not uplink.live(now) for uplink in layered)


class Reports:
    """Builds what is due on one transport. `ssrc` is ours as a reporter."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc

    def urgent(self, port: Port, now: float) -> list[bytes]:
        """NACKs and key frame requests that are due to a publishing transport."""
        urgent = b""
        for producer in port.producers.values():
            for uplink in producer.uplinks:
                if uplink.content or uplink.ssrc is None:
                    continue
                if producer.upper_rest and port.narrow.overflows(now) and uplink.key_time < port.narrow.began:
                    _begin_anew(uplink, now)
                if len(uplink.nack) and gives_way(producer, uplink, now):
                    continue
                if numbers := uplink.wanted(now, port.narrow.queue_s(now)):
                    urgent += rtcp.build_nack(self._ssrc, uplink.ssrc, numbers)
                if producer.upper_rest and (uplink.layer or port.narrow.turns(now)):
                    continue
                if uplink.keyframe_due(now):
                    urgent += rtcp.build_pli(self._ssrc, uplink.ssrc)
        return [urgent] if urgent else []

    def of_publisher(self, port: Port, now: float) -> list[bytes]:
        """NACK, PLI, RR and TWCC that are due to a publishing transport."""
        out = self.urgent(port, now)
        if now < port.next_report_at and now < port.next_twcc_at:
            return out
        uplinks = [uplink for producer in port.producers.values() for uplink in producer.uplinks]
        if now >= port.next_report_at:
            blocks = [block for uplink in uplinks if (block := uplink.report_block(now)) is not None]
            port.next_report_at = now + (REPORT_INTERVAL_S if blocks else FIRST_REPORT_S)
            if blocks:
                out.append(rtcp.build_receiver_report(self._ssrc, blocks) + rtcp.build_sdes(self._ssrc, CNAME))
        if now >= port.next_twcc_at:
            media = next((uplink.ssrc for uplink in uplinks if uplink.ssrc is not None), 0)
            transits = {uplink.ssrc or 0: at for uplink in uplinks if (at := uplink.transit_s) is not None}
            port.narrow.delayed(transits, sum([uplink.bytes for uplink in uplinks]), now)
            out += port.twcc.feedback(self._ssrc, media, gaps=not _hushed(port, now))
            port.narrow.look(port.twcc.expected, port.twcc.came, now)
            port.next_twcc_at = now + twcc.INTERVAL_S
        return out

    def of_receiver(self, port: Port, now: float) -> list[bytes]:
        """Sender reports of all streams that a receiving transport gets, each with its CNAME, once a second: as one
        compound where they fit into a datagram."""
        if now < port.next_report_at:
            return []
        port.next_report_at = now + REPORT_INTERVAL_S
        out, compound = [], b""
        for downlink in port.downlinks.values():
            if (report := downlink.sender_report(now)) is not None:
                peer = downlink.producer_id.rsplit("-", 2)[0]
                one = rtcp.build_sender_report(report) + rtcp.build_sdes(downlink.ssrc, peer)
                if len(compound) + len(one) > COMPOUND_BYTES:
                    out.append(compound)
                    compound = b""
                compound += one
        return [*out, compound] if compound else out
