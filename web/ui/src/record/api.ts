// SPDX-License-Identifier: Apache-2.0
// What the record page asks of the server.
import { request, type TranscriptJob } from "../api";
import type { Playback } from "../player/playback.ts";
import type { Line } from "./lines.ts";

export interface TranscriptAnswer {
  transcript: TranscriptJob | null;
  lines: Line[];
}

/** How far the composite video is. */
export interface CompositeJob {
  id: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: number;
  error_code: string | null;
  bytes: number | null;
}

const at = (sessionId: string): string => `/api/sessions/${encodeURIComponent(sessionId)}`;

export const loadPlayback = (sessionId: string): Promise<Playback> => request("GET", `${at(sessionId)}/playback`);

export const loadTranscript = (sessionId: string): Promise<TranscriptAnswer> =>
  request("GET", `${at(sessionId)}/transcript`);

/** Queue the transcription again. */
export const transcribeAgain = (sessionId: string): Promise<unknown> =>
  request("POST", `${at(sessionId)}/transcript`, {});

/** The certificate as a file, in the reader's language. */
export const certificateAddress = (sessionId: string, ending: "docx" | "txt"): string =>
  `${at(sessionId)}/certificate.${ending}`;

export const transcriptAddress = (sessionId: string, ending: "docx" | "srt" | "json"): string =>
  `${at(sessionId)}/transcript.${ending}`;

const composite = async (method: "GET" | "POST" | "DELETE", sessionId: string): Promise<CompositeJob | null> => {
  const body = method === "POST" ? {} : undefined;
  const answer = await request<{ composite: CompositeJob | null }>(method, `${at(sessionId)}/composite`, body);
  return answer.composite;
};

export const loadComposite = (sessionId: string): Promise<CompositeJob | null> => composite("GET", sessionId);
export const orderComposite = (sessionId: string): Promise<CompositeJob | null> => composite("POST", sessionId);
export const cancelComposite = (sessionId: string): Promise<CompositeJob | null> => composite("DELETE", sessionId);
export const compositeAddress = (sessionId: string): string => `${at(sessionId)}/composite.mp4`;
