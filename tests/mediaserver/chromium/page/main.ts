// SPDX-License-Identifier: Apache-2.0
// The call engine of the product with the least page around it: joins by itself, shows every remote picture, plays every
// sound, and keeps a diary of when what happened (performance.now(), milliseconds).
import { openInput } from "../../../../web/ui/src/call/devices.ts";
import { CallEngine } from "../../../../web/ui/src/call/engine.ts";
import type { View } from "../../../../web/ui/src/call/engine.ts";
import { Speakers } from "../../../../web/ui/src/call/speakers.ts";

const peer = location.hash.slice(1);
const diary: { at: number; what: string }[] = [];
const write = (what: string) => void diary.push({ at: performance.now(), what });
const sources = (["mic", "cam"] as const).filter((source) => !new URLSearchParams(location.search).has(`no-${source}`));

const NativeSocket = WebSocket;
window.WebSocket = class extends NativeSocket {
  constructor(url: string | URL) {
    super(url);
    write("socket");
    this.addEventListener("open", () => write("socket_open"));
    this.addEventListener("close", (event) => write(`socket_closed ${event.code}`));
  }
};

const speakers = new Speakers(() => write("sound_blocked"));
let last = "";
function show(view: View): void {
  const words = view.link.name === "ended" ? `ended ${view.link.reason} ${view.link.code}` : view.link.name;
  if (words !== last) write(`link ${words}`);
  last = words;
  const sounds = new Map<string, MediaStreamTrack>();
  const wanted = new Set<string>();
  for (const other of view.peers) {
    if (other.tracks.mic?.track) sounds.set(other.peer_id, other.tracks.mic.track);
    for (const source of ["cam", "screen"] as const) {
      const track = other.tracks[source]?.track;
      if (!track) continue;
      const id = `${source}-${other.peer_id}`;
      wanted.add(id);
      let video = document.getElementById(id) as HTMLVideoElement | null;
      if (video === null) {
        video = Object.assign(document.createElement("video"), { id, autoplay: true, muted: true, playsInline: true });
        document.body.append(video);
      }
      const playing = video.srcObject as MediaStream | null;
      if (playing?.getTracks()[0] !== track) {
        video.srcObject = new MediaStream([track]);
        write(`track ${id}`);
        video.requestVideoFrameCallback(() => write(`frame ${id}`));
      }
    }
  }
  for (const video of [...document.querySelectorAll("video")]) if (!wanted.has(video.id)) video.remove();
  speakers.play(sounds);
}

async function permit(): Promise<{ token: string; url: string }> {
  const answer = await fetch(`/token/${peer}`);
  if (!answer.ok) throw new Error(`token ${answer.status}`);
  return { token: await answer.text(), url: `ws://${location.host}/ws/${peer}` };
}

const engine = new CallEngine(permit, show);
const choice = { mic: "", cam: "", speaker: "", original: true, micOn: true, camOn: true };
Object.assign(window, { engine, diary, speakers });
const tracks = await Promise.all(sources.map((source) => openInput(source, choice)));
tracks.forEach((track, index) => engine.setLocal(sources[index]!, track, true));
if (new URLSearchParams(location.search).has("wait")) {
  await new Promise<void>((go) => Object.assign(window, { go })); // until a test says so
}
write("start");
engine.start();
