// SPDX-License-Identifier: Apache-2.0
// One session as its page sees it: what the API says, the call itself, and the person's steps. Components only draw it.
import { batch, computed, signal } from "@preact/signals";
import { api, ApiError, type Detail, type Participant } from "../api";
import { follow, type LiveUpdates } from "../events";
import { navigate } from "../router";
import { ScreenAwake } from "./awake";
import { type Act, calls, type ConsentText, type RecordingStep } from "./calls";
import { type Appeal, CallEngine, type Peer, type View } from "./engine.ts";
import { LocalMedia } from "./local.ts";
import { SelfWatch } from "./selfwatch.ts";
import { type EndReason, type Permit, Refusal } from "./signalling.ts";
import { nextSpeaker, type SpeakerState } from "./speaking.ts";
import { Speakers } from "./speakers.ts";
import { Watching } from "./watching.ts";

export type Phase = "loading" | "lobby" | "call" | "after";
/** Why the call is over on this page. */
export interface Ending {
  reason: EndReason;
  error: unknown;
}

const LEVELS_EVERY_MS = 200;
const IN_CALL = "videohome-in-call";
/** The private talk that this page was taken into; whoever left it is not taken there again. */
const TAKEN_INTO = "videohome-caucus";
/** Where its people came from: the talk does not exist for them any more once it is over. */
const CAME_FROM = "videohome-caucus-of";

export class CallModel {
  readonly id: string;
  readonly phase = signal<Phase>("loading");
  readonly detail = signal<Detail | null>(null);
  readonly fault = signal<unknown>(null);
  readonly consentText = signal<ConsentText | null>(null);
  readonly view = signal<View | null>(null);
  readonly ending = signal<Ending | null>(null);
  readonly soundBlocked = signal(false);
  readonly speaking = signal<SpeakerState>({ id: null, since_ms: 0, candidate: null, candidate_ms: 0 });
  /** What the host wants of this page and was not answered yet. */
  readonly appeal = signal<Appeal | null>(null);
  /** The marker that this page has just set: it can be named or taken back. */
  readonly marked = signal<string | null>(null);
  /** The pause button was pressed, and the page asks why. */
  readonly asksWhy = signal(false);
  /** A step that is waiting for the server, by name. */
  readonly busy = signal<string | null>(null);
  readonly local = new LocalMedia();
  readonly watching = new Watching(this.local);
  readonly selfWatch = new SelfWatch(this.local);
  private engine: CallEngine | null = null;
  private speakers: Speakers | null = null;
  private updates: LiveUpdates | null = null;
  private refused: unknown = null;
  private goingTo: string | null = null;
  private timer = 0;
  private pending: Promise<unknown> = Promise.resolve();
  private readonly awake = new ScreenAwake();

  /** This endpoint's own row, once it has one. */
  readonly mine = computed<Participant | null>(
    () => this.detail.value?.participants.find((participant) => participant.me) ?? null,
  );
  /** The others in the room, those who left and came back under the same id. */
  readonly peers = computed<Peer[]>(() => this.view.value?.peers ?? []);
  /** Who is speaking: by the server's word, or by this page's own ears where the server says nothing of it. */
  readonly speaker = computed<string | null>(() => {
    const told = this.view.value?.speaker;
    return told === undefined ? this.speaking.value.id : told;
  });

  constructor(id: string) {
    this.id = id;
  }

  /** Load everything; come straight back into the call after a reload of the page. */
  async start(): Promise<void> {
    try {
      const [detail, text] = await Promise.all([api.session(this.id), calls.consentText()]);
      batch(() => {
        this.detail.value = detail;
        this.consentText.value = text;
        this.fault.value = null;
      });
    } catch (error) {
      const main = sessionStorage.getItem(CAME_FROM);
      if (error instanceof ApiError && error.status === 404 && sessionStorage.getItem(TAKEN_INTO) === this.id && main)
        this.go(main);
      else this.fault.value = error;
      return;
    }
    this.updates ??= follow<Detail>((next) => this.take(next), {
      session: this.id,
      onConnected: () => void this.reload(),
    });
    const detail = this.detail.value;
    if (detail?.state === "ended" && detail.caucus_of !== null && sessionStorage.getItem(IN_CALL) === this.id) {
      this.go(detail.caucus_of);
      return;
    }
    if (detail?.state === "ended" || !detail?.can.join) {
      this.phase.value = "after";
      return;
    }
    this.phase.value = "lobby";
    const opened = this.local.openAll();
    if (sessionStorage.getItem(IN_CALL) === this.id) {
      await opened;
      this.join();
    }
  }

  close(): void {
    this.updates?.close();
    clearInterval(this.timer);
    this.awake.stop();
    this.engine?.dispose();
    this.speakers?.close();
    this.watching.detach();
    this.selfWatch.detach();
    this.local.close();
  }

  join(): void {
    if (this.engine !== null) return;
    this.ending.value = null;
    this.fault.value = null;
    const speakers = new Speakers(() => {
      this.soundBlocked.value = speakers.blocked;
    });
    const engine = new CallEngine(
      () => this.permit(),
      (view) => this.show(view),
      (appeal) => this.hear(appeal),
    );
    this.speakers = speakers;
    this.engine = engine;
    this.phase.value = "call";
    this.local.attach(engine, speakers);
    this.watching.attach(engine);
    this.selfWatch.attach(engine);
    engine.start();
    this.timer = window.setInterval(() => this.measure(), LEVELS_EVERY_MS);
    this.awake.start();
  }

  async leave(): Promise<void> {
    await this.engine?.leave();
  }

  async end(): Promise<void> {
    await this.step("end", async () => this.take(await api.endSession(this.id)));
  }

  async record(step: RecordingStep, reason = ""): Promise<boolean> {
    // Not after the answer: the room tells the new state sooner, and the next press may have asked again by then.
    if (step !== "pause") this.asksWhy.value = false;
    // A pause has a name of its own: it may be pressed before a start is answered, and must not be passed over then.
    const name = step === "pause" ? "pause" : "record";
    const done = await this.step(name, async () => this.take(await calls.record(this.id, step, reason)));
    if (done && step === "pause") this.asksWhy.value = false;
    return done;
  }

  async setPeople(people: { id?: string; name: string; kind: string }[]): Promise<boolean> {
    return this.step("people", async () => this.take(await calls.setAttendees(this.id, people)));
  }

  async consent(attendeeId: string, agreed: boolean): Promise<boolean> {
    const version = this.consentText.value?.version ?? "";
    return this.step("consent", async () => this.take(await calls.consent(this.id, attendeeId, agreed, version)));
  }

  /** One act of moderation; every button of the host comes here. */
  async moderate(act: Act): Promise<boolean> {
    return this.step(`moderate-${act.action}`, async () => this.take(await calls.moderate(this.id, act)));
  }

  /** Mark this moment. */
  async mark(): Promise<void> {
    await this.step("mark", async () => {
      const { id, session } = await calls.mark(this.id, "marker");
      batch(() => {
        this.marked.value = id;
        this.take(session);
      });
    });
  }

  async labelMark(mark: string, label: string): Promise<boolean> {
    return this.step("mark", async () => this.take(await calls.labelMark(this.id, mark, label)));
  }

  async removeMark(mark: string): Promise<boolean> {
    return this.step("mark", async () => this.take(await calls.removeMark(this.id, mark)));
  }

  /** A section of the record begins here. */
  async beginSection(label: string): Promise<boolean> {
    return this.step("section", async () => this.take((await calls.mark(this.id, "section", label)).session));
  }

  async endSection(): Promise<boolean> {
    return this.step("section", async () => this.take(await calls.endSection(this.id)));
  }

  /** A private talk with these endpoints; this page goes there, and theirs do by themselves. */
  async startCaucus(peerIds: readonly string[]): Promise<void> {
    await this.step("caucus", async () => this.take((await calls.startCaucus(this.id, peerIds)).session));
  }

  async endCaucus(talk: string): Promise<void> {
    await this.step("caucus", async () => {
      await api.endSession(talk);
      await this.reload();
    });
  }

  /** Leave this room for the private talk beside it. */
  enterCaucus(talk: string): void {
    sessionStorage.setItem(TAKEN_INTO, talk);
    sessionStorage.setItem(CAME_FROM, this.id);
    this.goingTo = talk;
    void this.leave();
  }

  private go(session: string): void {
    sessionStorage.setItem(IN_CALL, session);
    navigate(`/call/${encodeURIComponent(session)}`, { replace: true });
  }

  /** One's own hand, up or down. */
  async raiseHand(raised: boolean): Promise<void> {
    await this.engine?.raiseHand(raised).catch(() => undefined); // a lost socket: the state that comes back tells
  }

  /** Muted by the host: the switch says so at once, and stays off until a person presses it. */
  private hear(appeal: Appeal): void {
    this.appeal.value = appeal;
    if (appeal.kind !== "muted") return;
    if (appeal.source === "screen") void this.local.share(false);
    else void this.local.switch(appeal.source, false);
  }

  async unblockSound(): Promise<void> {
    await this.speakers?.unblock();
  }

  /** Figures for the technician's line. */
  async figures(): Promise<unknown> {
    return { browser: await this.engine?.browserStatistics(), server: await this.engine?.statistics() };
  }

  async reload(): Promise<void> {
    try {
      this.take(await api.session(this.id));
    } catch {
      // The next event or connection brings it.
    }
  }

  private async permit(): Promise<Permit> {
    await this.pending; // a consent that was ticked a moment ago counts
    try {
      const { token, ws_path } = await calls.join(this.id);
      const url = new URL(ws_path, location.href);
      url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
      return { token, url: url.href };
    } catch (error) {
      // 5xx and no answer at all pass; what the server refuses with a reason does not.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
        this.refused = error;
        throw new Refusal(error.code);
      }
      throw error;
    }
  }

  private take(next: Detail): void {
    this.detail.value = next;
    if (next.state === "ended" && this.phase.value === "lobby") this.phase.value = "after";
    const talk = next.caucuses.find((one) => one.to_utc_ms === null)?.session_id ?? null;
    if (talk !== null && this.view.value?.link.name === "joined" && sessionStorage.getItem(TAKEN_INTO) !== talk)
      this.enterCaucus(talk);
  }

  private show(view: View): void {
    if (this.engine === null) return;
    if (view.link.name === "ended") {
      this.over(view.link.reason);
      return;
    }
    if (view.link.name === "joined") sessionStorage.setItem(IN_CALL, this.id);
    batch(() => {
      this.view.value = view;
      this.watching.take(this.engine?.measured ?? null);
    });
    const sounds = new Map<string, MediaStreamTrack>();
    for (const peer of view.peers) if (peer.tracks.mic?.track) sounds.set(peer.peer_id, peer.tracks.mic.track);
    this.speakers?.play(sounds);
  }

  private over(reason: Ending["reason"]): void {
    const error = this.refused;
    this.refused = null;
    sessionStorage.removeItem(IN_CALL);
    clearInterval(this.timer);
    this.awake.stop();
    this.speakers?.close();
    this.local.detach();
    this.watching.detach();
    this.selfWatch.detach();
    this.engine = null;
    this.speakers = null;
    const consent = error instanceof ApiError && error.code === "consent_required";
    const back = ["left", "closed", "removed"].includes(reason) ? (this.detail.value?.caucus_of ?? null) : null;
    const next = this.goingTo ?? back;
    if (next !== null) {
      this.local.close();
      this.go(next);
      return;
    }
    batch(() => {
      this.view.value = null;
      this.appeal.value = null;
      this.marked.value = null;
      this.soundBlocked.value = false;
      if (consent) {
        this.fault.value = error;
        this.phase.value = "lobby";
      } else {
        this.ending.value = { reason, error };
        this.phase.value = "after";
      }
    });
    if (!consent) this.local.close();
    void this.reload();
  }

  private measure(): void {
    if (this.engine === null) return;
    const next = nextSpeaker(this.speaking.value, this.engine.levels(), performance.now());
    if (next !== this.speaking.value) this.speaking.value = next;
  }

  private step(name: string, work: () => Promise<void>): Promise<boolean> {
    const done = this.run(name, work);
    this.pending = done;
    return done;
  }

  private async run(name: string, work: () => Promise<void>): Promise<boolean> {
    this.busy.value = name;
    try {
      await work();
      this.fault.value = null;
      return true;
    } catch (error) {
      this.fault.value = error;
      return false;
    } finally {
      this.busy.value = null;
    }
  }
}

/** Of the people in the room now: how many there are and how many agreed. */
export function consentCount(detail: Detail): { people: number; agreed: number } {
  let people = 0;
  let agreed = 0;
  for (const participant of detail.participants) {
    if (!participant.present || participant.kind === "camera") continue;
    people += Math.max(1, participant.attendees.length);
    agreed += participant.attendees.filter((attendee) => attendee.agreed === true).length;
  }
  return { people, agreed };
}
