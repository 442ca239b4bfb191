// SPDX-License-Identifier: Apache-2.0
// Why a recording was paused, in the reader's words; the lists are the server's (`web/casework/breaks.py`).
import { hasText, t } from "./i18n";
import { type Gap, pauseReason, type Playback } from "./player/playback.ts";

/** What people choose from with one touch. */
export const USUAL_REASONS = ["rest", "papers", "enquiry", "equipment"] as const;

/** A word of the lists in this language, anything else as somebody wrote it; empty where nothing was given. */
export function breakReason(reason: unknown): string {
  if (typeof reason !== "string" || reason === "") return "";
  const id = `break-reason-${reason.replaceAll("_", "-")}`;
  return /^[a-z_]+$/.test(reason) && hasText(id) ? t(id) : reason;
}

/** Why there is a gap, with the reason of a break. */
export function causeText(playback: Pick<Playback, "events">, gap: Pick<Gap, "cause" | "from_ms">): string {
  const reason = gap.cause === "paused" ? breakReason(pauseReason(playback.events, gap.from_ms)) : "";
  if (reason !== "") return t("record-cause-paused-because", { reason });
  return t(`record-cause-${gap.cause.replaceAll("_", "-")}`);
}
