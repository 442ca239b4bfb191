// SPDX-License-Identifier: Apache-2.0
// One page's place in a room: a WebSocket that may be lost and found again while the media flows on.
//
//   connecting ──hello──▶ joined ──socket lost──▶ lost ──resume──▶ joined (same place, same transports)
//       │  ▲                 ▲ │                    └──hello──▶ joined (new place: the old one was gone)
//     hello socket lost      │ └─ left, closed, replaced, removed, denied, full, refused, protocol ─▶ ended
//       ▼  │                 │
//      waiting ──admitted────┘

import { CLOSE, PROTOCOL_VERSION, RequestFault } from "./protocol.ts";
import type { MustWait, Note, RoomState, Welcome } from "./protocol.ts";

/** Why a call is over for this page. `refused` carries the code of whoever refused. */
export type EndReason = "left" | "closed" | "replaced" | "removed" | "denied" | "full" | "refused" | "protocol";

export type LinkState =
  | { name: "connecting" }
  | { name: "waiting"; host_here: boolean }
  | { name: "joined" }
  | { name: "lost"; since_ms: number }
  | { name: "ended"; reason: EndReason; code: string };

/** A fresh permission to join and where to connect. */
export interface Permit {
  token: string;
  url: string;
}

/** Thrown by the permit callback when asking again is of no use (the session ended, no right, no consent). */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.name = "Refusal";
    this.code = code;
  }
}

/** The part of WebSocket that is used; tests give one of their own. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** Time and chance, so that tests need not wait. */
export interface Surroundings {
  open(url: string): Socket;
  now(): number;
  after(delay_ms: number, work: () => void): () => void;
  random(): number;
}

export interface SignallingEvents {
  /** In the room with a new place: make new transports. */
  welcome(welcome: Welcome): void;
  /** The same place again: nothing of the media changed, but messages may have been missed. */
  resumed(state: RoomState): void;
  note(note: Note): void;
  link(state: LinkState): void;
}

/** What to do after a socket ended with `code`. */
export type Next = { do: "resume" | "hello" } | { do: "end"; reason: EndReason };

export const FIRST_ANSWER_WITHIN_MS = 8_000;
export const ANSWER_WITHIN_MS = 8_000;
export const PING_EVERY_MS = 10_000;
/** A permit is good for a minute; a younger one than this is used without asking again. */
export const PERMIT_GOOD_MS = 30_000;
export const STEADY_AFTER_MS = 3_000;
/** Waits before the first, second, … new attempt. A killed server is back within seconds, and 10 s are promised. */
export const WAITS_MS = [0, 250, 500, 750, 1_000] as const;
/** After so many attempts it is more than a restart: less hurry. */
const PATIENT_AFTER = 20;
const PATIENT_MS = 2_500;
/** Reasons of a close code 1000 that mean what they say. */
const FINAL_WORDS = ["room_closed", "session_ended", "left"];
/** From so many failed attempts on, the permission is asked for first: the sign-in itself may have ended. */
export const ASK_AFTER_ATTEMPTS = 3;

/**
 * The rule for close codes: what is final, what can be resumed, and what needs a new place. `told`: the server said
 * before that the room is closed; a plain 1000 alone may also come from whatever stands between.
 */
export function afterClose(code: number, told: boolean): Next {
  switch (code) {
    case CLOSE.roomClosed:
      return told ? { do: "end", reason: "closed" } : { do: "resume" };
    case CLOSE.protocol:
      return { do: "end", reason: "protocol" };
    case CLOSE.replaced:
      return { do: "end", reason: "replaced" };
    case CLOSE.removed:
      return { do: "end", reason: "removed" };
    case CLOSE.denied:
      return { do: "end", reason: "denied" };
    case CLOSE.badToken:
    case CLOSE.unknownRoom: // a restarted media server that web has not told of the room yet
      return { do: "hello" };
    default:
      return { do: "resume" };
  }
}

/** Milliseconds to wait before attempt number `attempt` (from 0), spread by a fifth so that pages do not come at once. */
export function waitBefore(attempt: number, random: number): number {
  const wait = attempt >= PATIENT_AFTER ? PATIENT_MS : (WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)] ?? 0);
  return Math.round(wait * (0.8 + 0.4 * random));
}

interface Waiting {
  resolve(data: unknown): void;
  reject(fault: RequestFault): void;
  cancel(): void;
}

export class Signalling {
  state: LinkState = { name: "connecting" };
  private socket: Socket | null = null;
  private open = false;
  private resumeToken: string | null = null;
  private permit: Permit | null = null;
  private permitUntil = 0;
  private attempt = 0;
  private joinedAt = 0;
  private roomClosed = false;
  private number = 0;
  private readonly waiting = new Map<number, Waiting>();
  private cancelTimer = () => {};
  private cancelPing = () => {};

  private readonly ask: () => Promise<Permit>;
  private readonly events: SignallingEvents;
  private readonly around: Surroundings;

  /** `ask` gets a fresh permit from the API; it throws Refusal when there is no point in asking again. */
  constructor(ask: () => Promise<Permit>, events: SignallingEvents, around: Surroundings = browserSurroundings) {
    this.ask = ask;
    this.events = events;
    this.around = around;
  }

  /** Begin to connect. */
  start(): void {
    void this.connect();
  }

  /** Send one request of a joined page. Rejects with RequestFault. */
  request<T = Record<string, never>>(type: string, data: object = {}): Promise<T> {
    if (this.state.name !== "joined") {
      return Promise.reject(new RequestFault(this.state.name === "ended" ? "ended" : "lost"));
    }
    return this.send<T>(type, data, ANSWER_WITHIN_MS);
  }

  /** Leave the room on purpose. Resolves when the server knows or cannot be told. */
  async leave(): Promise<void> {
    if (this.state.name === "joined" || this.state.name === "waiting") {
      await this.send("leave", {}, 2_000).catch(() => undefined);
    }
    this.end("left");
  }

  /** Something suggests that the network changed: find out now instead of at the next ping. */
  probe(): void {
    if (this.state.name === "joined" || this.state.name === "waiting") void this.ping();
    else if (this.state.name === "lost" && this.socket === null) {
      this.attempt = 0;
      this.later(0);
    }
  }

  /** The place in the room is of no use any more (its transports are gone): take a new one. */
  rejoin(): void {
    if (this.state.name === "ended") return;
    this.resumeToken = null;
    this.drop();
  }

  private async connect(): Promise<void> {
    try {
      if (this.resumeToken === null || this.permit === null || this.attempt >= ASK_AFTER_ATTEMPTS) {
        await this.askForPermit();
      }
    } catch (error) {
      if (this.over()) return;
      if (error instanceof Refusal) this.end("refused", error.code);
      else this.again();
      return;
    }
    if (this.over() || this.permit === null) return;
    this.openSocket(this.permit.url);
  }

  private async askForPermit(): Promise<void> {
    const asked = this.around.now();
    this.permit = await this.ask();
    this.permitUntil = asked + PERMIT_GOOD_MS;
  }

  /** `state` as it is after an await, when events may have changed it. */
  private over(): boolean {
    return this.state.name === "ended";
  }

  private openSocket(url: string): void {
    const socket = this.around.open(url);
    this.socket = socket;
    this.open = false;
    this.cancelTimer();
    this.cancelTimer = this.around.after(FIRST_ANSWER_WITHIN_MS, () => this.drop());
    socket.onopen = () => {
      if (this.socket !== socket) return;
      this.open = true;
      void this.enter(socket);
    };
    socket.onmessage = (event) => {
      if (this.socket === socket && typeof event.data === "string") this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event.code, event.reason);
    };
  }

  /** The first message: take the old place again if there is one, else ask for a new one. */
  private async enter(socket: Socket): Promise<void> {
    if (this.resumeToken !== null) {
      try {
        const state = await this.send<RoomState>("resume", {
          version: PROTOCOL_VERSION,
          resume_token: this.resumeToken,
        });
        this.joined(() => this.events.resumed(state));
        return;
      } catch (error) {
        if (this.socket !== socket || !(error instanceof RequestFault) || error.code !== "resume_failed") return;
        this.resumeToken = null;
      }
      try {
        if (this.around.now() >= this.permitUntil) await this.askForPermit();
      } catch (error) {
        if (error instanceof Refusal) this.end("refused", error.code);
        else this.drop();
        return;
      }
      if (this.socket !== socket) return;
    }
    const token = this.permit?.token ?? "";
    const answer = await this.send<Welcome | MustWait>("hello", { version: PROTOCOL_VERSION, token }).catch(() => null);
    if (answer === null || this.socket !== socket) return; // the socket is being closed, with a code that decides
    if (!("waiting" in answer)) {
      this.welcomed(answer);
      return;
    }
    this.cancelTimer();
    this.attempt = 0;
    this.become({ name: "waiting", host_here: answer.host_here });
    this.pingLater();
  }

  private welcomed(welcome: Welcome): void {
    this.resumeToken = welcome.resume_token;
    this.joined(() => this.events.welcome(welcome));
  }

  private joined(tell: () => void): void {
    this.cancelTimer();
    this.joinedAt = this.around.now();
    this.become({ name: "joined" });
    this.pingLater();
    tell();
  }

  private pingLater(): void {
    this.cancelPing();
    this.cancelPing = this.around.after(PING_EVERY_MS, () => void this.ping());
  }

  /** A socket over a dead network looks open for minutes; an answer that does not come tells. */
  private async ping(): Promise<void> {
    this.cancelPing();
    await this.send("ping", {}, 5_000).catch(() => undefined);
    if (this.state.name === "joined" || this.state.name === "waiting") this.pingLater();
  }

  private send<T>(type: string, data: object, within_ms?: number): Promise<T> {
    const socket = this.socket;
    if (socket === null || !this.open) return Promise.reject(new RequestFault("lost"));
    const id = this.number++;
    return new Promise<T>((resolve, reject) => {
      const cancel =
        within_ms === undefined
          ? () => {}
          : this.around.after(within_ms, () => {
              this.waiting.delete(id);
              reject(new RequestFault("timeout"));
              if (this.socket === socket) this.drop(); // whoever does not answer is not there
            });
      this.waiting.set(id, { resolve: (value) => resolve(value as T), reject, cancel });
      socket.send(JSON.stringify({ id, type, data }));
    });
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as {
      id?: number;
      ok?: boolean;
      type?: string;
      data?: unknown;
      error?: { code: string; message: string };
    };
    if (message.id === undefined) {
      if (message.type === "room_closed") this.roomClosed = true;
      const note = message as Note;
      if (note.type === "admitted") this.welcomed(note.data);
      else this.events.note(note);
      return;
    }
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) return;
    this.waiting.delete(message.id);
    waiting.cancel();
    if (message.ok) waiting.resolve(message.data);
    else waiting.reject(new RequestFault(message.error?.code ?? "unknown", message.error?.message));
  }

  /** Give the socket up without waiting for its close. */
  private drop(): void {
    const socket = this.socket;
    if (socket === null) return;
    this.closed(CLOSE.restart, "dropped");
    socket.close();
  }

  private closed(code: number, reason: string): void {
    const now = this.around.now();
    // A server that lets us in and hangs up at once is not worth an immediate new attempt, and another, and another.
    if (this.state.name === "joined" && now - this.joinedAt > STEADY_AFTER_MS) this.attempt = 0;
    this.forgetSocket("lost");
    const next = afterClose(code, this.roomClosed || FINAL_WORDS.includes(reason));
    if (next.do === "end") {
      this.end(reason === "left" ? "left" : reason === "waiting_room_full" ? "full" : next.reason);
      return;
    }
    if (next.do === "hello") this.resumeToken = null;
    if (this.state.name === "joined") this.become({ name: "lost", since_ms: now });
    if (this.state.name === "waiting") this.become({ name: "connecting" });
    this.again();
  }

  private again(): void {
    this.later(waitBefore(this.attempt, this.around.random()));
    this.attempt++;
  }

  private later(delay_ms: number): void {
    this.cancelTimer();
    this.cancelTimer = this.around.after(delay_ms, () => void this.connect());
  }

  private end(reason: EndReason, code = ""): void {
    if (this.state.name === "ended") return;
    const socket = this.socket;
    this.forgetSocket("ended");
    this.become({ name: "ended", reason, code });
    socket?.close(1000);
  }

  private forgetSocket(code: string): void {
    this.socket = null;
    this.open = false;
    this.cancelTimer();
    this.cancelPing();
    for (const waiting of this.waiting.values()) {
      waiting.cancel();
      waiting.reject(new RequestFault(code));
    }
    this.waiting.clear();
  }

  private become(state: LinkState): void {
    this.state = state;
    this.events.link(state);
  }
}

const browserSurroundings: Surroundings = {
  open: (url) => new WebSocket(url) as unknown as Socket,
  now: () => performance.now(),
  after: (delay_ms, work) => {
    const timer = setTimeout(work, delay_ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
