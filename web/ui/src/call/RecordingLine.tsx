// SPDX-License-Identifier: Apache-2.0
// The state of the record, from the server's mouth only, and the buttons of those who may lead.
import type { Detail } from "../api";
import { breakReason } from "../breaks";
import { t } from "../i18n";
import { now, timeOfDay } from "../time";
import { Button, Notice, StateWord, type Tone } from "../ui";
import { runningTalk } from "./Caucus";
import { panel } from "./Controls";
import { MarkButton, RunningSection } from "./Marks";
import { consentCount, type CallModel } from "./model";

/** What the red dot says. */
export interface RecordWord {
  state: string;
  tone: Tone | "record";
  text: string;
  live: boolean;
}

/** The mediaserver is nearest to the record; the API knows what became of it, and is there when the other is not. */
export function recordWord(detail: Detail, media: { state: string; reason: string } | null): RecordWord {
  const { recording } = detail;
  const state = media !== null && ["off", "on", "paused"].includes(recording.state) ? media.state : recording.state;
  const time = recording.since_utc_ms === null ? "" : timeOfDay(recording.since_utc_ms);
  switch (state) {
    case "on":
      return { state, tone: "record", live: true, text: t("call-rec-on", { time }) };
    case "paused": {
      const reason = media?.reason || ((recording as { reason?: string }).reason ?? "");
      return { state, tone: "warn", live: false, text: t("call-rec-paused", { time, reason: breakReason(reason) || t("call-pause-by-hand") }) };
    }
    case "off":
      return { state, tone: "off", live: false, text: t("call-rec-off") };
    default:
      return { state, tone: state === "error" ? "fail" : "info", live: false, text: t(`call-rec-${state}`) };
  }
}

export function RecordingLine({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  const view = model.view.value;
  if (detail === null) return null;
  const joined = view !== null && view.link.name === "joined";
  const word = recordWord(detail, joined ? view.recording : null);
  const { people, agreed } = consentCount(detail);
  const lead = detail.can.lead && joined && runningTalk(detail) === null;
  const busy = ["record", "pause"].includes(model.busy.value ?? "");
  return (
    <div class="recording-line">
      <StateWord tone={word.tone} live={word.live}>
        <span data-test="rec-state" data-state={word.state}>
          {word.text}
        </span>
      </StateWord>
      {people > 0 && agreed < people && (
        <button
          type="button"
          class="consent-count"
          data-test="consent-count"
          title={t("call-panel-people")}
          onClick={() => (panel.value = "people")}
        >
          {t("call-consent-count", { people, agreed })}
        </button>
      )}
      {word.state !== "off" && detail.recording.uploaded_to_ms > 0 && detail.recording.started_utc_ms !== null && (
        <span class="secondary uploaded" data-test="rec-uploaded">
          {t("call-uploaded-to", { time: timeOfDay(detail.recording.started_utc_ms + detail.recording.uploaded_to_ms) })}
        </span>
      )}
      {lead && word.state === "off" && (
        <Button
          kind={agreed === people ? "primary" : "secondary"}
          size="small"
          test="rec-start"
          busy={busy}
          onClick={() => void model.record("start")}
        >
          {t("call-rec-start")}
        </Button>
      )}
      {lead && word.state === "on" && (
        <Button size="small" icon="pause" test="rec-pause" onClick={() => (model.asksWhy.value = true)}>
          {t("call-rec-pause")}
        </Button>
      )}
      {lead && word.state === "paused" && (
        <Button size="small" icon="play" test="rec-resume" busy={busy} onClick={() => void model.record("resume")}>
          {t("call-rec-resume")}
        </Button>
      )}
      {joined && <MarkButton model={model} />}
      <RunningSection detail={detail} />
    </div>
  );
}

/** What the technician must hear of, and what the people must not be worried by. */
export function RecordingWarning({ detail }: { detail: Detail }) {
  void now.value;
  const { warning, waiting_uploads } = detail.recording;
  if (warning === null) return null;
  return (
    <Notice tone={warning === "store_away" || warning === "disk_low" ? "warn" : "fail"} test="rec-warning">
      {t(`call-warning-${warning.replace("_", "-")}`, { waiting: waiting_uploads })}
    </Notice>
  );
}
