// SPDX-License-Identifier: Apache-2.0
// Everything that the page knows of one session, kept up to date.
import { useCallback, useEffect, useState } from "preact/hooks";
import { api, ApiError, type Detail } from "../api";
import { follow } from "../events";
import type { Playback } from "../player/playback.ts";
import { loadPlayback, loadTranscript, transcribeAgain, type TranscriptAnswer } from "./api";

const RETRY_MS = 3_000;
/** The server ends a stream now and then, and the browser comes back at once: only a longer silence is worth a word. */
const AWAY_MS = 6_000;

export interface RecordState {
  detail: Detail | null;
  fault: unknown;
  /** False while live updates do not arrive. */
  connected: boolean;
  playback: Playback | null;
  playbackFault: unknown;
  transcript: TranscriptAnswer | null;
  transcriptFault: unknown;
  retryTranscript: () => Promise<void>;
}

/** The session, its recording and its transcript, each as soon as there is one. */
export function useRecord(sessionId: string): RecordState {
  const [detail, setDetail] = useState<Detail | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    let open = true;
    const load = (): void => {
      api.session(sessionId).then(
        (got) => open && (setDetail(got), setFault(null)),
        (error: unknown) => open && setFault(error),
      );
    };
    load();
    // Only the changing part is taken over where a summary comes instead of the whole.
    const live = follow<Detail>((got) => open && setDetail((had) => (had ? { ...had, ...got } : got)), {
      session: sessionId,
      onConnected: load,
    });
    let late: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = live.connected.subscribe((now) => {
      clearTimeout(late);
      if (now) setConnected(true);
      else late = setTimeout(() => setConnected(false), AWAY_MS);
    });
    return () => {
      open = false;
      clearTimeout(late);
      unsubscribe();
      live.close();
    };
  }, [sessionId]);

  const readable = detail?.can.read === true;
  const sealed = readable && detail.recording.state === "sealed";
  // The words of a recording that was deleted at the end of its time went with it.
  const written = readable && detail.transcript?.state === "done" && detail.recording.state !== "expired";
  const playback = useLoaded(sealed ? sessionId : null, loadPlayback);
  const transcript = useLoaded(written ? `${sessionId}/${detail.transcript?.id ?? ""}` : null, () =>
    loadTranscript(sessionId),
  );
  const retryTranscript = useCallback(async () => {
    await transcribeAgain(sessionId);
    setDetail(await api.session(sessionId));
  }, [sessionId]);
  return {
    detail,
    fault,
    connected,
    playback: playback.value,
    playbackFault: playback.fault,
    transcript: transcript.value,
    transcriptFault: transcript.fault,
    retryTranscript,
  };
}

interface Loaded<T> {
  value: T | null;
  fault: unknown;
}

/** Loads once for each key; what is not ready yet, or not to be reached, is asked for again. */
function useLoaded<T>(key: string | null, load: (key: string) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({ value: null, fault: null });
  useEffect(() => {
    setState({ value: null, fault: null });
    if (key === null) return;
    let open = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void => {
      load(key).then(
        (value) => open && setState({ value, fault: null }),
        (fault: unknown) => {
          if (!open) return;
          const passes = fault instanceof ApiError && (fault.status === 0 || fault.status === 409 || fault.status >= 500);
          if (!(fault instanceof ApiError && fault.code === "recording_not_ready")) setState({ value: null, fault });
          if (passes) timer = setTimeout(ask, RETRY_MS);
        },
      );
    };
    ask();
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, [key]);
  return state;
}
