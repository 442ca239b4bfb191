// SPDX-License-Identifier: Apache-2.0
// How long records are kept: what the server says of it, and what clerks and administrators may change.
import { request } from "./api";
import { hasText, t } from "./i18n";

export interface RetentionClass {
  name: string;
  /** null: permanent. */
  days: number | null;
}
export interface Keeping {
  session_id: string;
  title: string;
  retention_class: string;
  classes: RetentionClass[];
  /** null: for ever. */
  kept_until_utc_ms: number | null;
  held: boolean;
  hold_reason: string;
  hold_by_name: string;
  hold_utc_ms: number | null;
  lock_mode: string;
  locked_until_utc_ms: number | null;
  store_held: boolean;
  expired_utc_ms: number | null;
}
export interface KeepingOverview {
  classes: (RetentionClass & { sessions: number })[];
  retention_default: string;
  holds: { session_id: string; title: string; reason: string; by_name: string; utc_ms: number | null }[];
  expired: {
    session_id: string;
    title: string;
    retention_class: string;
    begun_utc_ms: number;
    done_utc_ms: number | null;
    objects: number;
    bytes: number;
    manifest_sha256: string;
  }[];
}

const path = (sessionId: string, what: string): string => `/api/sessions/${encodeURIComponent(sessionId)}/${what}`;

export const keepingApi = {
  overview: () => request<KeepingOverview>("GET", "/api/keeping"),
  of: (sessionId: string) => request<Keeping>("GET", path(sessionId, "keeping")),
  setClass: (sessionId: string, retention_class: string, reason: string) =>
    request<Keeping>("PATCH", path(sessionId, "keeping"), { retention_class, reason }),
  setHold: (sessionId: string, held: boolean, reason: string) =>
    request<Keeping>("PUT", path(sessionId, "hold"), { held, reason }),
};

/** What a class is called: a word for those of the standard settings, else its own name. */
export function className(name: string): string {
  const id = `keeping-class-${name}`;
  return hasText(id) ? t(id) : name;
}

/** How long that is. */
export function classDays(days: number | null): string {
  return days === null ? t("keeping-permanent") : t("keeping-days", { days });
}
