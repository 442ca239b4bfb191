// SPDX-License-Identifier: Apache-2.0
// Sentences for the health of the parts: what is the matter and what to do, from the server's code.
import type { StatusItem } from "../api";
import { hasText, t } from "../i18n";

const rank = { ok: 0, warn: 1, fail: 2 } as const;

/** The item in the worst state, or null when all are well. */
export function worst(items: StatusItem[]): StatusItem | null {
  const [first] = [...items].sort((a, b) => rank[b.state] - rank[a.state]);
  return first && first.state !== "ok" ? first : null;
}

const kebab = (code: string): string => code.replaceAll("_", "-");

/** What the part is called. */
export function statusName(item: StatusItem): string {
  const id = `status-name-${kebab(item.name)}`;
  return hasText(id) ? t(id) : item.name;
}

/** One sentence on its state. */
export function statusSentence(item: StatusItem): string {
  const id = `status-${kebab(item.code)}`;
  return hasText(id) ? t(id, item.params) : item.message;
}
