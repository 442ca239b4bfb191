// SPDX-License-Identifier: Apache-2.0
// What the server says about who used a record.
import { request, type Role } from "../api";
import { hasText, t } from "../i18n";

export interface CustodyEvent {
  /** Its number in the audit. */
  seq: number;
  utc_ms: number;
  by_kind: string;
  by_name: string;
  action: string;
  data: Record<string, unknown>;
  address: string;
  digest: string;
}
export interface CustodyPage {
  events: CustodyEvent[];
  /** Ask again with it as `before`; null at the end. */
  next: number | null;
}

const at = (sessionId: string): string => `/api/sessions/${encodeURIComponent(sessionId)}/custody`;

export function loadCustody(sessionId: string, everything: boolean, before: number | null): Promise<CustodyPage> {
  const query = new URLSearchParams({ everything: String(everything) });
  if (before !== null) query.set("before", String(before));
  return request("GET", `${at(sessionId)}?${query}`);
}

export const custodyPaper = (sessionId: string): string => `${at(sessionId)}.pdf`;

/** What somebody did, in words. */
export function actionText(action: string): string {
  const id = `custody-action-${action.replaceAll(".", "-").replaceAll("_", "-")}`;
  return hasText(id) ? t(id) : t("custody-action-other", { action });
}

const readers: readonly Role[] = ["administrator", "clerk", "hq_officer"];

/** True for the roles that may see who used a record. */
export const readsCustody = (role: Role | undefined): boolean => role !== undefined && readers.includes(role);
