// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Note, RoomState, Welcome } from "./protocol.ts";
import { afterClose, Refusal, Signalling, waitBefore, WAITS_MS } from "./signalling.ts";
import type { LinkState, Permit, Socket } from "./signalling.ts";

/** A world without time and network: timers run when told, sockets do what the test says. */
class World {
  time = 0;
  sockets: FakeSocket[] = [];
  private timers: { at: number; work: () => void }[] = [];

  open = (url: string): Socket => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };
  now = () => this.time;
  random = () => 0.5;
  after = (delay_ms: number, work: () => void) => {
    const timer = { at: this.time + delay_ms, work };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket);
    return socket;
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = due.at;
      due.work();
    }
    this.time = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: { id: number; type: string; data: Record<string, unknown> }[] = [];
  closedWith: number | undefined;
  /** Answers pings by itself. */
  pongs = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }
  send(text: string): void {
    const message = JSON.parse(text) as (typeof this.sent)[number];
    this.sent.push(message);
    if (this.pongs && message.type === "ping") queueMicrotask(() => void this.answers("ping", {}));
  }
  close(code?: number): void {
    this.closedWith = code ?? 1005;
  }

  async opens(): Promise<void> {
    this.onopen?.();
    await settle();
  }
  async answers(type: string, data: object): Promise<void> {
    await this.says({ id: this.request(type).id, ok: true, data });
  }
  async refuses(type: string, code: string): Promise<void> {
    await this.says({ id: this.request(type).id, ok: false, error: { code, message: code } });
  }
  async says(message: object): Promise<void> {
    this.onmessage?.({ data: JSON.stringify(message) });
    await settle();
  }
  async ends(code: number, reason = ""): Promise<void> {
    this.onclose?.({ code, reason });
    await settle();
  }
  request(type: string): (typeof this.sent)[number] {
    const found = this.sent.findLast((message) => message.type === type);
    assert.ok(found, `${type} was not sent, but ${this.sent.map((message) => message.type).join(", ")}`);
    return found;
  }
}

const ROOM: RoomState = {
  boot_id: "b1",
  peer_id: "p1",
  room: { id: "r", recording: { state: "off", since_utc_ms: 0, reason: "" } },
  peers: [],
  consumers: [],
};
const WELCOME = { ...ROOM, version: 1, resume_token: "again", recv_transport: {}, router_rtp_capabilities: {}, ice_servers: [] };

class Page {
  world = new World();
  links: string[] = [];
  welcomes: Welcome[] = [];
  resumes: RoomState[] = [];
  notes: Note[] = [];
  asked = 0;
  permit: () => Promise<Permit> = () => Promise.resolve({ token: `t${this.asked}`, url: "wss://h/ws" });
  signalling = new Signalling(
    () => {
      this.asked++;
      return this.permit();
    },
    {
      welcome: (welcome) => void this.welcomes.push(welcome),
      resumed: (state) => void this.resumes.push(state),
      note: (note) => void this.notes.push(note),
      link: (state: LinkState) => void this.links.push(state.name === "ended" ? `ended ${state.reason} ${state.code}`.trim() : state.name),
    },
    this.world,
  );

  /** A socket that is about to open. */
  async atTheDoor(): Promise<this> {
    this.signalling.start();
    await settle();
    return this;
  }

  async joined(): Promise<this> {
    this.signalling.start();
    await settle();
    await this.world.last.opens();
    await this.world.last.answers("hello", WELCOME);
    await this.world.pass(5_000);
    return this;
  }
}

test("close codes: what is final, what is resumed, what needs a new place", () => {
  assert.deepEqual(afterClose(1000, true), { do: "end", reason: "closed" });
  assert.deepEqual(afterClose(1000, false), { do: "resume" });
  for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4999]) assert.deepEqual(afterClose(code, false), { do: "resume" });
  assert.deepEqual(afterClose(4000, false), { do: "end", reason: "protocol" });
  assert.deepEqual(afterClose(4001, false), { do: "end", reason: "replaced" });
  assert.deepEqual(afterClose(4002, false), { do: "end", reason: "removed" });
  assert.deepEqual(afterClose(4003, false), { do: "hello" });
  assert.deepEqual(afterClose(4004, false), { do: "hello" });
});

test("waits grow to a second, later to three, and are spread", () => {
  assert.equal(waitBefore(0, 0.5), 0);
  assert.equal(waitBefore(4, 0.5), 1_000);
  assert.equal(waitBefore(19, 0.5), 1_000);
  assert.equal(waitBefore(20, 0.5), 2_500);
  assert.equal(waitBefore(99, 0), 2_000);
  assert.equal(waitBefore(99, 1), 3_000);
  const sum = WAITS_MS.reduce((all: number, wait) => all + wait, 0);
  assert.ok(sum < 3_000, "five attempts in the first three seconds");
});

test("joins with a token and tells the page", async () => {
  const page = await new Page().joined();
  assert.deepEqual(page.links, ["joined"]);
  assert.equal(page.welcomes.length, 1);
  assert.deepEqual(page.world.last.request("hello").data, { version: 1, token: "t1" });
  await page.world.last.says({ type: "peer_left", data: { peer_id: "x" } });
  assert.deepEqual(page.notes, [{ type: "peer_left", data: { peer_id: "x" } }]);
});

test("a lost socket is resumed at once, without a new token", async () => {
  const page = await new Page().joined();
  await page.world.last.ends(1006);
  assert.deepEqual(page.links, ["joined", "lost"]);
  await page.world.pass(0);
  assert.equal(page.world.sockets.length, 2);
  await page.world.last.opens();
  assert.deepEqual(page.world.last.request("resume").data, { version: 1, resume_token: "again" });
  await page.world.last.answers("resume", ROOM);
  assert.deepEqual(page.links, ["joined", "lost", "joined"]);
  assert.equal(page.resumes.length, 1);
  assert.equal(page.asked, 1);
});

test("a restarted media server: the resume fails, a fresh token brings a new place on the same socket", async () => {
  const page = await new Page().joined();
  page.world.last.pongs = true;
  await page.world.pass(25_000); // the first permit is 30 s old
  await page.world.last.ends(1012);
  await page.world.pass(0);
  await page.world.last.opens();
  await page.world.last.refuses("resume", "resume_failed");
  assert.equal(page.world.last.request("hello").data["token"], "t2");
  await page.world.last.answers("hello", { ...WELCOME, boot_id: "b2" });
  assert.equal(page.welcomes.at(-1)?.boot_id, "b2");
  assert.deepEqual(page.links, ["joined", "lost", "joined"]);
});

test("a permit that was asked for a moment ago is not asked for twice", async () => {
  const page = await new Page().joined();
  await page.world.last.ends(1012);
  await page.world.pass(0);
  await page.world.last.opens();
  await page.world.last.refuses("resume", "resume_failed");
  assert.equal(page.world.last.request("hello").data["token"], "t1");
});

test("an unknown room is asked for again with fresh tokens, more and more slowly", async () => {
  const page = await new Page().joined();
  await page.world.last.ends(1006);
  for (let n = 0; n < 4; n++) {
    await page.world.pass(waitBefore(n, 0.5));
    await page.world.last.opens();
    await page.world.last.ends(4004, "unknown_room");
  }
  assert.equal(page.world.sockets.length, 5);
  assert.equal(page.asked, 4, "one at first, none for the first attempt to resume, then one for each hello");
  await page.world.pass(waitBefore(4, 0.5) - 1);
  assert.equal(page.world.sockets.length, 5);
  await page.world.pass(1);
  assert.equal(page.world.sockets.length, 6);
});

test("a refused token brings a new one; a refusal of the API is final and names its reason", async () => {
  const page = new Page();
  page.signalling.start();
  await settle();
  await page.world.last.opens();
  await page.world.last.ends(4003, "token_expired");
  page.permit = () => Promise.reject(new Refusal("session_ended"));
  await page.world.pass(1_000);
  assert.deepEqual(page.links, ["ended refused session_ended"]);
  await page.world.pass(60_000);
  assert.equal(page.world.sockets.length, 1, "nothing is tried after the end");
});

test("an API that cannot be reached is asked again", async () => {
  const page = new Page();
  page.permit = () => Promise.reject(new Error("network"));
  page.signalling.start();
  await page.world.pass(3_000);
  assert.ok(page.asked >= 4);
  page.permit = () => Promise.resolve({ token: "t", url: "u" });
  await page.world.pass(3_000);
  assert.equal(page.world.sockets.length, 1);
});

test("after three failed attempts the sign-in is looked at: it may have ended", async () => {
  const page = await new Page().joined();
  page.permit = () => Promise.reject(new Refusal("sign_in_required"));
  await page.world.last.ends(1006);
  for (let n = 0; n < 3; n++) {
    await page.world.pass(2_500);
    if (page.signalling.state.name === "ended") break;
    await page.world.last.ends(1006);
  }
  await page.world.pass(3_000);
  assert.equal(page.links.at(-1), "ended refused sign_in_required");
});

test("final closes end the call with their reason", async () => {
  for (const [code, words] of [
    [4001, "ended replaced"],
    [4002, "ended removed"],
    [4000, "ended protocol"],
  ] as const) {
    const page = await new Page().joined();
    await page.world.last.ends(code);
    assert.equal(page.links.at(-1), words);
  }
  const page = await new Page().joined();
  await page.world.last.says({ type: "room_closed", data: { reason: "ended" } });
  await page.world.last.ends(1000);
  assert.equal(page.links.at(-1), "ended closed");
});

test("requests: answers by number, refusals by code, a lost socket fails them", async () => {
  const page = await new Page().joined();
  const good = page.signalling.request("produce", { x: 1 });
  await page.world.last.answers("produce", { producer_id: "p" });
  assert.deepEqual(await good, { producer_id: "p" });
  const bad = page.signalling.request("produce");
  await page.world.last.refuses("produce", "bad_source");
  await assert.rejects(bad, { code: "bad_source" });
  const lost = page.signalling.request("stats");
  await page.world.last.ends(1006);
  await assert.rejects(lost, { code: "lost" });
  await assert.rejects(page.signalling.request("stats"), { code: "lost" });
});

test("a server that does not answer is given up and found again", async () => {
  const page = await new Page().joined();
  const asked = page.signalling.request("stats");
  const failed = assert.rejects(asked, { code: "timeout" });
  await page.world.pass(8_000);
  await failed;
  assert.equal(page.world.sockets.length, 2);
  assert.notEqual(page.world.sockets[0]?.closedWith, undefined);
});

test("a silent socket is noticed by the ping", async () => {
  const page = await new Page().joined();
  await page.world.pass(5_000);
  page.world.last.request("ping");
  assert.equal(page.links.at(-1), "joined");
  await page.world.pass(5_000);
  assert.equal(page.links.at(-1), "lost");
});

test("whoever lets in and hangs up at once is not asked again without a pause", async () => {
  const page = await new Page().joined();
  for (let n = 0; n < 6; n++) {
    await page.world.last.ends(1006);
    await page.world.pass(2_400);
    await page.world.last.opens();
    await page.world.last.answers("resume", ROOM);
  }
  const before = page.world.sockets.length;
  await page.world.last.ends(1006);
  await page.world.pass(900);
  assert.equal(page.world.sockets.length, before);
});

test("leaving says so and stays left", async () => {
  const page = await new Page().joined();
  const left = page.signalling.leave();
  await page.world.last.answers("leave", {});
  await left;
  assert.equal(page.links.at(-1), "ended left");
  assert.equal(page.world.last.closedWith, 1000);
  await page.world.last.ends(1000, "left");
  await page.world.pass(60_000);
  assert.equal(page.world.sockets.length, 1);
});

test("a rejoin takes a new place", async () => {
  const page = await new Page().joined();
  page.signalling.rejoin();
  await page.world.pass(2_000);
  await page.world.last.opens();
  page.world.last.request("hello");
});

test("who must wait comes in by the note, with the place that it brings", async () => {
  const page = await new Page().atTheDoor();
  await page.world.last.opens();
  page.world.last.pongs = true;
  await page.world.last.answers("hello", { waiting: true, version: 1, host_here: false });
  assert.deepEqual(page.signalling.state, { name: "waiting", host_here: false });
  await page.world.pass(25_000);
  assert.equal(page.signalling.state.name, "waiting", "pings keep the socket, nothing runs out");
  await assert.rejects(page.signalling.request("stats"), "not in the room yet");
  await page.world.last.says({ type: "admitted", data: WELCOME });
  assert.equal(page.signalling.state.name, "joined");
  assert.deepEqual(page.welcomes, [WELCOME]);
});

test("a socket lost while waiting knocks again with a fresh permit", async () => {
  const page = await new Page().atTheDoor();
  await page.world.last.opens();
  await page.world.last.answers("hello", { waiting: true, version: 1, host_here: true });
  await page.world.last.ends(1006);
  assert.equal(page.signalling.state.name, "connecting");
  await page.world.pass(1_000);
  assert.equal(page.world.sockets.length, 2);
  await page.world.last.opens();
  assert.equal(page.world.last.sent[0]?.type, "hello");
  assert.equal(page.asked, 2);
});

test("not let in is the end, and so is a waiting room that is full", async () => {
  for (const [reason, expected] of [["denied", "denied"], ["waiting_room_full", "full"]] as const) {
    const page = await new Page().atTheDoor();
    await page.world.last.opens();
    await page.world.last.ends(4005, reason);
    assert.deepEqual(page.signalling.state, { name: "ended", reason: expected, code: "" });
  }
});
