// SPDX-License-Identifier: Apache-2.0
// HTTP of WHIP and WHEP, and RTP packets for programs that bring no encoder of their own.

import { readFileSync } from "node:fs";

/** Send an offer to a door; the answer's SDP and how to leave. */
export async function knock(url, token, sdp) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
  const reply = await fetch(url, { method: "POST", headers, body: sdp });
  const text = await reply.text();
  if (reply.status !== 201) throw new Error(`${url}: ${reply.status} ${text}`);
  const visit = new URL(reply.headers.get("Location"), url);
  return { sdp: text, leave: () => fetch(visit, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } }) };
}

/** Packets of encoded frames, in a loop: each `tick` is the next one's packet. */
export class Player {
  constructor(path, kind, payloadType, ssrc) {
    this.frames = JSON.parse(readFileSync(path))[kind].map((frame) => Buffer.from(frame, "base64"));
    this.kind = kind;
    this.payloadType = payloadType;
    this.ssrc = ssrc;
    this.count = 0;
  }

  tick() {
    const frame = this.frames[this.count % this.frames.length];
    const head = Buffer.alloc(12);
    head[0] = 0x80;
    head[1] = this.payloadType | (this.kind === "video" ? 0x80 : 0);
    head.writeUInt16BE(this.count & 0xffff, 2);
    head.writeUInt32BE(this.count * (this.kind === "video" ? 4500 : 960), 4);
    head.writeUInt32BE(this.ssrc, 8);
    this.count += 1;
    // RFC 7741 section 4.2: S bit, partition 0; every frame fits one packet.
    return this.kind === "video" ? Buffer.concat([head, Buffer.from([0x10]), frame]) : Buffer.concat([head, frame]);
  }

  /** Give packets to `send` at the media's own pace until the program ends. */
  play(send) {
    setInterval(() => send(this.tick()), this.kind === "video" ? 50 : 20);
  }
}
