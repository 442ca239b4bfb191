// SPDX-License-Identifier: Apache-2.0
// A page of nobody's: plain RTCPeerConnection, publishing a canvas and a tone, or watching. The offer is sent before
// it is applied, so that the servers of the answer's Link headers are known when candidates are gathered.

async ({ mode, url, token, relay, enough }) => {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  if (mode === "publish") {
    const canvas = document.body.appendChild(document.createElement("canvas"));
    [canvas.width, canvas.height] = [320, 240];
    const paint = canvas.getContext("2d");
    setInterval(() => {
      paint.fillStyle = `hsl(${(Date.now() / 20) % 360} 80% 50%)`;
      paint.fillRect(0, 0, 320, 240);
    }, 40);
    const sound = new AudioContext();
    const [tone, out] = [new OscillatorNode(sound), sound.createMediaStreamDestination()];
    tone.connect(out);
    tone.start();
    pc.addTransceiver(out.stream.getTracks()[0], { direction: "sendonly" });
    pc.addTransceiver(canvas.captureStream(25).getTracks()[0], { direction: "sendonly" });
  } else {
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
    pc.ontrack = ({ track }) => {
      const player = document.body.appendChild(document.createElement(track.kind));
      Object.assign(player, { srcObject: new MediaStream([track]), autoplay: true, muted: true });
    };
  }
  const offer = await pc.createOffer();
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
  const reply = await fetch(url, { method: "POST", headers, body: offer.sdp });
  const sdp = await reply.text();
  if (reply.status !== 201) throw new Error(`${reply.status} ${sdp}`);
  if (relay) {
    const links = [...(reply.headers.get("Link") ?? "").matchAll(/<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/g)];
    const iceServers = links.map(([, urls, username, credential]) => ({ urls, username, credential }));
    pc.setConfiguration({ bundlePolicy: "max-bundle", iceTransportPolicy: "relay", iceServers });
  }
  await pc.setLocalDescription(offer);
  await pc.setRemoteDescription({ type: "answer", sdp });
  window.leave = () => fetch(new URL(reply.headers.get("Location"), url), { method: "DELETE", headers });
  const received = { audio: 0, video: 0 };
  for (let tries = 0; tries < 400; tries += 1) {
    await new Promise((done) => setTimeout(done, 50));
    const stats = [...(await pc.getStats()).values()];
    for (const one of stats) {
      if (one.type === "inbound-rtp") received[one.kind] = one.kind === "video" ? one.framesDecoded : one.packetsReceived;
    }
    const pair = stats.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    const path = stats.find((one) => one.id === pair?.localCandidateId)?.candidateType;
    const done = mode === "publish" ? path !== undefined : Object.keys(enough).every((k) => received[k] >= enough[k]);
    if (done) return { received, path };
  }
  throw new Error(JSON.stringify({ received, state: pc.connectionState, ice: pc.iceConnectionState }));
};
