// SPDX-License-Identifier: Apache-2.0
import { memo } from "preact/compat";
import { t } from "../i18n";
import { Icon } from "../ui";
import { sessionTime } from "./format.ts";
import { type Line, pieces } from "./lines.ts";

export interface LineProps {
  line: Line;
  at: number;
  /** Number of the speaker's colour. */
  colour: number;
  /** The same person goes on. */
  goesOn: boolean;
  /** What is searched for, where this line holds it. */
  query: string;
}

/** One line: time, speaker, text. Clicks are handled by the list, so that thousands of lines stay light. */
export const TranscriptLine = memo(function TranscriptLine({ line, at, colour, goesOn, query }: LineProps) {
  return (
    <li
      class={`line speaker-${colour}${goesOn ? " line-goes-on" : ""}`}
      tabIndex={-1}
      data-test="transcript-line"
      data-at={at}
      data-start-ms={line.start_ms}
      data-end-ms={line.end_ms}
      data-peer={line.peer_id}
    >
      <span class="line-time figures">{sessionTime(line.start_ms)}</span>
      <span class="line-speaker">{line.speaker}</span>
      <span class="line-text">
        {query
          ? pieces(line.text, query).map((piece, n) => (n % 2 ? <mark key={n}>{piece}</mark> : piece))
          : line.text}
        {line.flags.length > 0 && (
          <span class="line-flag" title={line.flags.map(flagText).join("\n")} data-test="line-flag">
            <Icon name="info" size={14} />
            {t("lines-flag")}
            <span class="visually-hidden">: {line.flags.map(flagText).join(" ")}</span>
          </span>
        )}
      </span>
      <button type="button" class="line-copy icon-button" tabIndex={-1} title={t("lines-copy-line")} aria-label={t("lines-copy-line")}>
        <Icon name="copy" size={16} />
      </button>
    </li>
  );
});

function flagText(flag: string): string {
  return t(`lines-flag-${flag}`);
}
