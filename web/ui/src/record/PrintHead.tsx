// SPDX-License-Identifier: Apache-2.0
// The head of the printed transcript; on the screen it is not there.
import type { Detail } from "../api";
import { t } from "../i18n";
import { mergeGaps, missing, type Playback } from "../player/playback.ts";
import { duration } from "../time";
import { clockTime, keyStart } from "./format.ts";
import { consentText, kindText, period } from "./Head";

export function PrintHead({ detail, playback }: { detail: Detail; playback: Playback | null }) {
  const people = detail.participants.flatMap((participant) =>
    participant.attendees.map((person) => ({ person, place: participant.place_name ?? participant.name })),
  );
  return (
    <div class="paper-head">
      <p class="paper-kind">{t("print-title")}</p>
      <h1>{detail.title}</h1>
      <table>
        <tbody>
          <tr>
            <th>{t("print-date")}</th>
            <td>
              {period(detail)}
              {detail.duration_ms !== null && ` · ${t("record-length", { length: duration(detail.duration_ms) })}`}
            </td>
          </tr>
          {detail.place && (
            <tr>
              <th>{t("print-place")}</th>
              <td>{detail.place.name}</td>
            </tr>
          )}
          <tr>
            <th>{t("print-people")}</th>
            <td>
              {people.map(({ person, place }) => (
                <div key={person.id}>
                  {[person.name, kindText(person.kind), place, consentText(person)].filter(Boolean).join(" · ")}
                </div>
              ))}
            </td>
          </tr>
          {playback && (
            <tr>
              <th>{t("print-record")}</th>
              <td>
                {seal(playback)}
                <br />
                {t("record-code")} <strong>{playback.integrity_code}</strong>
                <br />
                {t("record-key", { key: keyStart(playback.public_key) })}
              </td>
            </tr>
          )}
        </tbody>
      </table>
      <p class="paper-note">
        {t("lines-machine")} {t("print-made", { time: new Date().toLocaleString(document.documentElement.lang) })}
      </p>
    </div>
  );
}

function seal(playback: Playback): string {
  const from = clockTime(playback.origin_utc_ms);
  const to = clockTime(playback.origin_utc_ms + playback.duration_ms);
  if (playback.complete) return t("record-complete-print", { from, to });
  const lost = missing(mergeGaps(playback.gaps));
  const length_ms = lost.reduce((sum, gap) => sum + gap.to_ms - gap.from_ms, 0);
  return t("record-with-gaps-lead", { from, to, count: lost.length, length: duration(Math.max(1000, length_ms)) });
}
