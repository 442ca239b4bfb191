// SPDX-License-Identifier: Apache-2.0
// The list of sessions as it stands and as it changes: loaded once, then kept right by the server's events.
import { type ReadonlySignal, signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, type Summary } from "./api";
import { follow } from "./events";

const RELOAD_AFTER_MS = 400;
const always = signal(true);

export interface SessionList {
  /** Newest first; null until the first answer. */
  sessions: Summary[] | null;
  error: unknown;
  reload: () => void;
  /** Loads the next page; null when all are there. */
  more: (() => void) | null;
  /** False while live updates are interrupted. */
  connected: ReadonlySignal<boolean>;
}

/** Sessions that the filters let through (the API's query), kept up to date while the page is open. */
export function useSessions(filters: Record<string, string>): SessionList {
  const key = new URLSearchParams(filters).toString();
  const [sessions, setSessions] = useState<Summary[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [connected, setConnected] = useState<ReadonlySignal<boolean>>(always);
  const known = useRef(new Set<string>());
  const asked = useRef<AbortController | null>(null);
  known.current = new Set(sessions?.map((session) => session.id));

  const load = useCallback(
    (before: string | null) => {
      asked.current?.abort();
      const mine = new AbortController();
      asked.current = mine;
      const query = Object.fromEntries(new URLSearchParams(key));
      api.sessions(before ? { ...query, before } : query, mine.signal).then(
        (page) => {
          setSessions((old) => (before && old ? [...old, ...page.sessions] : page.sessions));
          setNext(page.next);
          setError(null);
        },
        (fault: unknown) => {
          if (!mine.signal.aborted) setError(fault);
        },
      );
    },
    [key],
  );

  useEffect(() => {
    load(null);
    let later: ReturnType<typeof setTimeout> | undefined;
    // A session that is not in the list may belong there now: ask the server, which knows the filters.
    const reloadSoon = (): void => {
      clearTimeout(later);
      later = setTimeout(() => load(null), RELOAD_AFTER_MS);
    };
    const live = follow<Summary>(
      (changed) => {
        if (!known.current.has(changed.id)) return reloadSoon();
        setSessions((old) => old?.map((each) => (each.id === changed.id ? changed : each)) ?? old);
      },
      {
        onGone: (id) => setSessions((old) => old?.filter((each) => each.id !== id) ?? old),
        onConnected: reloadSoon,
      },
    );
    setConnected(live.connected);
    return () => {
      clearTimeout(later);
      asked.current?.abort();
      live.close();
    };
  }, [load]);

  return { sessions, error, reload: () => load(null), more: next ? () => load(next) : null, connected };
}
