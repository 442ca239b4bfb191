// SPDX-License-Identifier: Apache-2.0
// Live updates by Server-Sent Events. The browser reconnects by itself; pages show when it is doing so.
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Summary } from "./api";
import { me } from "./state";

const RETRY_MS = 3000;
/** The server ends each stream now and then; a connection made again within this time is nobody's worry. */
const GRACE_MS = 5000;

interface Listener {
  onSession: (session: Summary) => void;
  onGone?: ((sessionId: string) => void) | undefined;
  onConnected?: (() => void) | undefined;
}

export interface LiveUpdates {
  /** True while updates arrive; false while the connection is being made again. */
  connected: ReadonlySignal<boolean>;
  close: () => void;
}

/** One connection to the server, shared by all that listen to it: a browser has only six for one server. */
class Stream {
  readonly connected: Signal<boolean> = signal(true);
  readonly listeners = new Set<Listener>();
  private source: EventSource | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private first = true;

  constructor(private readonly path: string) {
    this.open();
  }

  private open(): void {
    const source = new EventSource(this.path);
    this.source = source;
    source.addEventListener("open", () => {
      clearTimeout(this.grace);
      this.grace = undefined;
      this.connected.value = true;
      if (!this.first) for (const listener of this.listeners) listener.onConnected?.();
      this.first = false;
    });
    source.addEventListener("session", (event) => {
      const session = JSON.parse((event as MessageEvent<string>).data) as Summary;
      for (const listener of this.listeners) listener.onSession(session);
    });
    source.addEventListener("gone", (event) => {
      const { id } = JSON.parse((event as MessageEvent<string>).data) as { id: string };
      for (const listener of this.listeners) listener.onGone?.(id);
    });
    source.addEventListener("me", () => {
      me.value = null;
    });
    source.addEventListener("error", () => {
      this.grace ??= setTimeout(() => {
        this.connected.value = false;
      }, GRACE_MS);
      // After a refused answer the browser gives up; a restarted server deserves another try.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(), RETRY_MS);
    });
  }

  close(): void {
    clearTimeout(this.retry);
    clearTimeout(this.grace);
    this.source?.close();
  }
}

const streams = new Map<string, Stream>();

/** Follow the sessions this person may see, or one session (then the data is its Detail).
 *  `onGone` is told of sessions that this person may see no longer; `onConnected` runs at every connection after the first, to load what was missed. */
export function follow<T extends Summary>(
  onSession: (session: T) => void,
  options: { session?: string; onGone?: (sessionId: string) => void; onConnected?: () => void } = {},
): LiveUpdates {
  const path = `/api/events${options.session ? `?session=${encodeURIComponent(options.session)}` : ""}`;
  const stream = streams.get(path) ?? new Stream(path);
  streams.set(path, stream);
  const listener: Listener = {
    onSession: (session) => onSession(session as T),
    onGone: options.onGone,
    onConnected: options.onConnected,
  };
  stream.listeners.add(listener);
  return {
    connected: stream.connected,
    close: () => {
      stream.listeners.delete(listener);
      if (stream.listeners.size > 0 || streams.get(path) !== stream) return;
      streams.delete(path);
      stream.close();
    },
  };
}
