// SPDX-License-Identifier: Apache-2.0
// What the seal says, in words: complete, or what is missing, when and why.
import { useState } from "preact/hooks";
import { causeText } from "../breaks";
import { t } from "../i18n";
import { type Gap, mergeGaps, missing, type Playback } from "../player/playback.ts";
import { duration } from "../time";
import { Icon } from "../ui";
import { certificateAddress } from "./api";
import { clockTime, keyStart, sessionTime } from "./format.ts";

/** More rows than this are folded. */
const SHOWN = 8;

interface Props {
  sessionId: string;
  playback: Playback;
  onSeek: (time_ms: number) => void;
}

export function Certificate({ sessionId, playback, onSeek }: Props) {
  const gaps = mergeGaps(playback.gaps);
  const lost = missing(gaps);
  const length_ms = lost.reduce((sum, gap) => sum + gap.to_ms - gap.from_ms, 0);
  const from = clockTime(playback.origin_utc_ms);
  const to = clockTime(playback.origin_utc_ms + playback.duration_ms);
  const whole = playback.complete;
  return (
    <section class={`certificate${whole ? "" : " certificate-gaps"}`} data-test="certificate">
      <p class="certificate-head">
        <Icon name={whole ? "circle-check" : "triangle-alert"} size={20} />
        <strong data-test="certificate-state">
          {whole ? t("record-complete") : t("record-with-gaps", { count: lost.length })}
        </strong>
        <span>
          {whole
            ? t("record-complete-lead", { from, to })
            : t("record-with-gaps-lead", { from, to, count: lost.length, length: duration(Math.max(1000, length_ms)) })}
          {gaps.length > lost.length && ` ${t("record-interruptions", { count: gaps.length - lost.length })}`}
        </span>
      </p>
      {gaps.length > 0 && <GapList playback={playback} gaps={gaps} onSeek={onSeek} />}
      <p class="certificate-code" title={t("record-code-hint")}>
        {t("record-code")} <strong data-test="integrity-code">{playback.integrity_code}</strong>
      </p>
      <p class="certificate-files">
        {t("record-certificate")}{" "}
        {(["docx", "txt"] as const).map((ending) => (
          <a
            key={ending}
            class="button button-small"
            href={certificateAddress(sessionId, ending)}
            download
            data-test={`certificate-${ending}`}
          >
            {t(`record-certificate-${ending}`)}
          </a>
        ))}
      </p>
      <p class="certificate-key secondary" title={t("record-key-hint")}>
        {t("record-key", { key: keyStart(playback.public_key) })}
      </p>
    </section>
  );
}

function GapList(props: { playback: Playback; gaps: Gap[]; onSeek: (time_ms: number) => void }) {
  const { playback, gaps, onSeek } = props;
  const [all, setAll] = useState(false);
  return (
    <details class="gaps" open={!playback.complete} data-test="gap-list">
      <summary>{t("record-gaps")}</summary>
      <table>
        <tbody>
          {(all ? gaps : gaps.slice(0, SHOWN)).map((gap, n) => (
            <tr key={n} data-test="gap" data-cause={gap.cause}>
              <td class="figures">
                <button type="button" class="link-button" onClick={() => onSeek(Math.max(0, gap.from_ms - 2_000))}>
                  {clockTime(playback.origin_utc_ms + gap.from_ms)}–{clockTime(playback.origin_utc_ms + gap.to_ms)}
                </button>
              </td>
              <td class="figures numeric secondary">{sessionTime(gap.from_ms)}</td>
              <td>{whose(playback, gap)}</td>
              <td>
                {causeText(playback, gap)}
                {gap.packets > 0 && <span class="secondary"> · {t("record-gap-packets", { count: gap.packets })}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {!all && gaps.length > SHOWN && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {t("record-gaps-more", { count: gaps.length })}
        </button>
      )}
    </details>
  );
}

function whose(playback: Playback, gap: Gap): string {
  if (gap.track_id === null) return t("record-gap-all");
  const track = playback.tracks.find((one) => one.track_id === gap.track_id);
  // A track of which nothing was stored is in no list; its name still says whose it was.
  const cut = gap.track_id.lastIndexOf("-");
  const peer_id = track?.peer_id ?? gap.track_id.slice(0, cut);
  const source = track?.source ?? gap.track_id.slice(cut + 1);
  const name = playback.peers.find((peer) => peer.peer_id === peer_id)?.name ?? peer_id;
  return t({ mic: "record-gap-sound", screen: "record-gap-screen" }[source] ?? "record-gap-picture", { name });
}
