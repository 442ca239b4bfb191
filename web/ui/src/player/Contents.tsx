// SPDX-License-Identifier: Apache-2.0
// What the recording holds, as the people in it divided and marked it: a press goes there.
import { useMemo } from "preact/hooks";
import { t } from "../i18n";
import { sessionTime } from "../record/format.ts";
import { contents } from "./playback.ts";
import type { Player } from "./player.ts";

/** Seconds before a marker at which playing begins: whoever pressed had just heard it. */
const BEFORE_MS = 5_000;

export function Contents({ player }: { player: Player }) {
  const { playback } = player;
  const entries = useMemo(() => contents(playback), [playback]);
  if (entries.length === 0) return null;
  return (
    <nav class="contents" aria-label={t("player-contents")} data-test="contents">
      <h2>{t("player-contents")}</h2>
      <ol>
        {entries.map((entry) => {
          const label = entry.label || t("player-marker", { n: entry.number });
          const time = sessionTime(Math.max(0, entry.at_ms));
          const from_ms = Math.max(0, entry.kind === "marker" ? entry.at_ms - BEFORE_MS : entry.at_ms);
          return (
            <li key={entry.id} class={`contents-${entry.kind}`}>
              <button
                type="button"
                class="link-button"
                data-test={`contents-${entry.kind}`}
                aria-label={t("player-go-to", { time, label })}
                onClick={() => player.seek(from_ms)}
              >
                <span class="figures secondary">{time}</span> {label}
              </button>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
