// SPDX-License-Identifier: Apache-2.0
// One WebRTC implementation publishes by WHIP and watches by WHEP. It says once what it received when that is enough,
// and leaves when its input ends.
//   node client.mjs '{"kind","whip","whip_token","whep","whep_token","media","enough"}'

import { knock, Player } from "./door.mjs";

const task = JSON.parse(process.argv[2]);
const received = { audio: 0, video: 0 };

const programs = {
  async wrtc() {
    const { default: wrtc } = await import("@roamhq/wrtc");
    const { RTCAudioSink, RTCAudioSource, RTCVideoSink, RTCVideoSource } = wrtc.nonstandard;
    const offered = async (pc) => {
      await pc.setLocalDescription(await pc.createOffer());
      return pc.localDescription.sdp;
    };
    const answer = (pc, sdp) => pc.setRemoteDescription({ type: "answer", sdp });
    return {
      async publish(go) {
        const pc = new wrtc.RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const [picture, sound] = [new RTCVideoSource(), new RTCAudioSource()];
        pc.addTransceiver(sound.createTrack(), { direction: "sendonly" });
        pc.addTransceiver(picture.createTrack(), { direction: "sendonly" });
        const data = new Uint8ClampedArray(160 * 120 * 1.5);
        setInterval(() => picture.onFrame({ width: 160, height: 120, data: data.fill(Date.now() & 255) }), 50);
        const samples = new Int16Array(480).map((_, n) => 9000 * Math.sin(n / 7));
        const beat = { samples, sampleRate: 48_000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 };
        setInterval(() => sound.onData(beat), 10);
        await answer(pc, await go(await offered(pc)));
      },
      async watch(go) {
        const pc = new wrtc.RTCPeerConnection({ bundlePolicy: "max-bundle" });
        pc.ontrack = ({ track }) => {
          if (track.kind === "audio") new RTCAudioSink(track).ondata = () => (received.audio += 1);
          else new RTCVideoSink(track).onframe = () => (received.video += 1);
        };
        pc.addTransceiver("audio", { direction: "recvonly" });
        pc.addTransceiver("video", { direction: "recvonly" });
        await answer(pc, await go(await offered(pc)));
      },
    };
  },

  async werift() {
    const { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } = await import("werift");
    const rtcpFeedback = [{ type: "nack" }, { type: "nack", parameter: "pli" }, { type: "ccm", parameter: "fir" }];
    const made = () =>
      new RTCPeerConnection({
        bundlePolicy: "max-bundle",
        iceServers: [],
        codecs: {
          audio: [new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48_000, channels: 2 })],
          video: [new RTCRtpCodecParameters({ mimeType: "video/VP8", clockRate: 90_000, rtcpFeedback })],
        },
      });
    const offered = async (pc) => {
      await pc.setLocalDescription(await pc.createOffer());
      return pc.localDescription.sdp;
    };
    return {
      async publish(go) {
        const pc = made();
        const tracks = ["audio", "video"].map((kind) => new MediaStreamTrack({ kind }));
        for (const track of tracks) pc.addTransceiver(track, { direction: "sendonly" });
        await pc.setRemoteDescription({ type: "answer", sdp: await go(await offered(pc)) });
        tracks.forEach((track, n) => new Player(task.media, track.kind, 96 + n, n + 1).play((rtp) => track.writeRtp(rtp)));
      },
      async watch(go) {
        const pc = made();
        for (const kind of ["audio", "video"]) {
          pc.addTransceiver(kind, { direction: "recvonly" }).onTrack.subscribe((track) => {
            track.onReceiveRtp.subscribe(() => (received[kind] += 1));
          });
        }
        await pc.setRemoteDescription({ type: "answer", sdp: await go(await offered(pc)) });
      },
    };
  },

  async libdatachannel() {
    const { Audio, PeerConnection, Video } = await import("node-datachannel");
    const media = (direction) => {
      const [audio, video] = [new Audio("audio", direction), new Video("video", direction)];
      audio.addOpusCodec(111);
      video.addVP8Codec(96);
      return [audio, video];
    };
    const offered = (pc) =>
      new Promise((done) => {
        pc.onGatheringStateChange((state) => state === "complete" && done(pc.localDescription().sdp));
        pc.setLocalDescription("offer");
      });
    const kept = (globalThis.kept = []); // what JavaScript lets go of, the native side closes
    return {
      async publish(go) {
        const pc = new PeerConnection("publisher", { iceServers: [], disableAutoNegotiation: true });
        const [audio, video] = media("SendOnly");
        audio.addSSRC(11, "cname", "stream", "sound");
        video.addSSRC(12, "cname", "stream", "picture");
        const tracks = [pc.addTrack(audio), pc.addTrack(video)];
        kept.push(pc, ...tracks);
        pc.setRemoteDescription(await go(await offered(pc)), "answer");
        const send = (track) => (rtp) => track.isOpen() && track.sendMessageBinary(rtp);
        new Player(task.media, "audio", 111, 11).play(send(tracks[0]));
        new Player(task.media, "video", 96, 12).play(send(tracks[1]));
      },
      async watch(go) {
        const pc = new PeerConnection("viewer", { iceServers: [], disableAutoNegotiation: true });
        const tracks = media("RecvOnly").map((description) => pc.addTrack(description));
        kept.push(pc, ...tracks);
        ["audio", "video"].forEach((kind, n) =>
          // RTCP comes the same way; its second byte tells it apart (RFC 5761).
          tracks[n].onMessage((data) => (received[kind] += data[1] < 192 || data[1] > 223 ? 1 : 0)),
        );
        pc.setRemoteDescription(await go(await offered(pc)), "answer");
      },
    };
  },
};

const program = await programs[task.kind]();
const visits = [];
const go = (url, token) => async (sdp) => {
  const visit = await knock(url, token, sdp);
  visits.push(visit);
  return visit.sdp;
};
await Promise.all([
  program.publish(go(task.whip, task.whip_token)),
  program.watch(go(task.whep, task.whep_token)),
]);
const looking = setInterval(() => {
  if (Object.keys(received).some((kind) => received[kind] < task.enough[kind])) return;
  clearInterval(looking);
  process.stdout.write(JSON.stringify(received) + "\n");
}, 50);
process.stdin.resume().on("end", async () => {
  await Promise.all(visits.map((visit) => visit.leave()));
  process.exit(0);
});
