// SPDX-License-Identifier: Apache-2.0
// The API requests of the call page.
import { type Detail, request } from "../api";

export type AttendeeKind =
  | "officer"
  | "mediator"
  | "party"
  | "companion"
  | "village_cadre"
  | "witness"
  | "guardian"
  | "interpreter"
  | "other";
export const ATTENDEE_KINDS: readonly AttendeeKind[] = [
  "party",
  "companion",
  "mediator",
  "officer",
  "village_cadre",
  "witness",
  "guardian",
  "interpreter",
  "other",
];
export const NAME_LIMIT = 60;
export const PEOPLE_LIMIT = 30;
export const LABEL_LIMIT = 60;
export const REASON_LIMIT = 100;

export interface ConsentText {
  version: string;
  texts: Record<string, string>;
}
export interface JoinAnswer {
  token: string;
  ws_path: string;
  peer_id: string;
}
export type RecordingStep = "start" | "pause" | "resume";

/** What the host, or a person about themselves, can ask for (POST …/moderation). */
export type Action =
  | "mute"
  | "ask_unmute"
  | "remove"
  | "allow"
  | "lock"
  | "waiting_room"
  | "admit"
  | "deny"
  | "lower_hand"
  | "hand_over"
  | "take_over"
  | "spotlight";
export interface Act {
  action: Action;
  /** null: everybody else (mute), all hands (lower_hand), nobody (spotlight). */
  peer_id?: string | null;
  source?: "mic" | "cam" | "screen";
  on?: boolean;
}

const session = (id: string): string => `/api/sessions/${encodeURIComponent(id)}`;

export const calls = {
  consentText: () => request<ConsentText>("GET", "/api/consent-text"),
  setAttendees: (id: string, people: { id?: string; name: string; kind: string }[]) =>
    request<Detail>("PUT", `${session(id)}/attendees`, { people }),
  consent: (id: string, attendee_id: string, agreed: boolean, text_version: string) =>
    request<Detail>("POST", `${session(id)}/consents`, { attendee_id, agreed, text_version }),
  join: (id: string) => request<JoinAnswer>("POST", `${session(id)}/join`),
  moderate: (id: string, act: Act) => request<Detail>("POST", `${session(id)}/moderation`, act),
  mark: (id: string, kind: "marker" | "section", label = "") =>
    request<{ id: string; session: Detail }>("POST", `${session(id)}/marks`, { kind, label }),
  labelMark: (id: string, mark: string, label: string) =>
    request<Detail>("PATCH", `${session(id)}/marks/${encodeURIComponent(mark)}`, { label }),
  removeMark: (id: string, mark: string) =>
    request<Detail>("DELETE", `${session(id)}/marks/${encodeURIComponent(mark)}`),
  endSection: (id: string) => request<Detail>("DELETE", `${session(id)}/marks/section`),
  startCaucus: (id: string, peer_ids: readonly string[]) =>
    request<{ session_id: string; session: Detail }>("POST", `${session(id)}/caucus`, { peer_ids }),
  record: (id: string, step: RecordingStep, reason = "") =>
    request<Detail>("POST", `${session(id)}/recording`, { step, reason }),
};
