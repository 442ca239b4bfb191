// SPDX-License-Identifier: Apache-2.0
// Loading something from the server for as long as a page shows it.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  data: T | null;
  error: unknown;
  /** Ask again, keeping what is shown until the answer is there. */
  reload: () => void;
  /** Put what an action answered in place of what was loaded. */
  set: (change: (old: T) => T) => void;
}

/** Load when the page opens and whenever `key` changes. Answers that come too late are dropped. */
export function useLoaded<T>(load: () => Promise<T>, key = ""): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const turn = useRef(0);
  const latest = useRef(load);
  latest.current = load;
  const reload = useCallback(() => {
    const mine = ++turn.current;
    latest.current().then(
      (got) => {
        if (mine !== turn.current) return;
        setData(got);
        setError(null);
      },
      (fault: unknown) => {
        if (mine === turn.current) setError(fault);
      },
    );
  }, []);
  useEffect(() => {
    reload();
    return () => {
      turn.current++;
    };
  }, [key]);
  const set = useCallback((change: (old: T) => T) => setData((old) => (old === null ? old : change(old))), []);
  return { data, error, reload, set };
}

export interface Action {
  busy: boolean;
  error: unknown;
  clear: () => void;
  /** Runs the work unless it is running; true when it went well. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

/** One thing that a person asks for: busy while it runs, and its fault afterwards. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = useRef(false);
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setError(null);
    try {
      await work();
      return true;
    } catch (fault) {
      setError(fault);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, error, clear: () => setError(null), run };
}
