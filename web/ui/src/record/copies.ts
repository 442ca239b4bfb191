// SPDX-License-Identifier: Apache-2.0
// What the pages ask of the server about copies of recordings.
import { request, type Role } from "../api";

export type CopyState = "asked" | "refused" | "cancelled" | "approved" | "ready" | "failed" | "expired";
export interface Copy {
  id: string;
  session_id: string;
  session_title: string;
  state: CopyState;
  /** 0 to 1. */
  progress: number;
  purpose: string;
  recipient: string;
  track_ids: string[] | null;
  from_ms: number | null;
  to_ms: number | null;
  formats: string[];
  asked_by_name: string;
  asked_utc_ms: number;
  decided_by_name: string;
  decided_utc_ms: number | null;
  reason: string;
  bytes: number;
  sha256: string;
  expires_utc_ms: number | null;
  downloads: number;
  error_code: string;
  can: { decide: boolean; cancel: boolean; retry: boolean; fetch: boolean };
}
export interface NewCopy {
  purpose: string;
  recipient: string;
  track_ids: string[] | null;
  from_ms: number | null;
  to_ms: number | null;
  formats: string[];
}

const id = encodeURIComponent;

export const copies = {
  list: (sessionId: string) =>
    request<{ copies: Copy[] }>("GET", `/api/copies${sessionId ? `?session_id=${id(sessionId)}` : ""}`).then(
      (got) => got.copies,
    ),
  ask: (sessionId: string, wanted: NewCopy) => request<Copy>("POST", `/api/sessions/${id(sessionId)}/copies`, wanted),
  decide: (copyId: string, approve: boolean, reason: string) =>
    request<Copy>("POST", `/api/copies/${id(copyId)}/decision`, { approve, reason }),
  cancel: (copyId: string) => request<Copy>("POST", `/api/copies/${id(copyId)}/cancel`, {}),
  retry: (copyId: string) => request<Copy>("POST", `/api/copies/${id(copyId)}/retry`, {}),
  address: (copyId: string): string => `/api/copies/${id(copyId)}/file`,
};

const askers: readonly Role[] = ["clerk", "hq_officer"];

/** True for the roles that may ask for copies. */
export const asksForCopies = (role: Role | undefined): boolean => role !== undefined && askers.includes(role);

/** 1:02:03, 2:03 or 3 as milliseconds; null for nothing, undefined for what is no time. */
export function readClock(text: string): number | null | undefined {
  if (!text.trim()) return null;
  const parts = text.trim().replaceAll("：", ":").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d{1,4}$/.test(part))) return undefined;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0) * 1000;
}
