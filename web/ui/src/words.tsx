// SPDX-License-Identifier: Apache-2.0
// What the pages say about a session, its recording and its transcript: one wording everywhere.
import type { Recording, Summary, TranscriptJob } from "./api";
import { hasText, t } from "./i18n";
import { duration, isoDay, now, timeOfDay } from "./time";
import { Progress, StateWord, type Tone } from "./ui";

/** Waiting, running or over. */
export function SessionWord({ session }: { session: Summary }) {
  const tone: Tone = session.state === "live" ? "ok" : session.state === "open" ? "info" : "off";
  return (
    <StateWord tone={tone} live={session.state === "live"} test="session-state">
      {t(`session-${session.state}`)}
    </StateWord>
  );
}

/** The recording's state, from the server and never from the button that was pressed. */
export function RecordingWord({ recording }: { recording: Recording }) {
  const since = recording.since_utc_ms ? timeOfDay(recording.since_utc_ms) : "";
  switch (recording.state) {
    case "on":
      return (
        <StateWord tone="record" live test="recording-state">
          {t("recording-on", { since })}
        </StateWord>
      );
    case "paused":
      return (
        <StateWord tone="warn" test="recording-state">
          {t("recording-paused", { since })}
        </StateWord>
      );
    case "uploading":
      return (
        <span data-test="recording-state">
          <Progress
            value={recording.recorded_to_ms ? recording.uploaded_to_ms / recording.recorded_to_ms : 0}
            label={t("recording-uploading", { to: duration(recording.uploaded_to_ms) })}
          />
        </span>
      );
    case "sealed":
      return (
        <StateWord tone={recording.complete === false ? "warn" : "ok"} test="recording-state">
          {recording.complete === false ? t("recording-sealed-gaps") : t("recording-sealed")}
        </StateWord>
      );
    case "expired":
      return (
        <StateWord tone="off" test="recording-state">
          {t("recording-expired", { date: isoDay(recording.expired_utc_ms ?? 0) })}
        </StateWord>
      );
    case "error":
      return (
        <StateWord tone="fail" test="recording-state">
          {t("recording-error")}
        </StateWord>
      );
    default:
      return (
        <StateWord tone="off" test="recording-state">
          {t(`recording-${recording.state}`)}
        </StateWord>
      );
  }
}

/** What must be said aloud about the recording, or nothing. */
export function recordingWarning(recording: Recording): string | null {
  return recording.warning ? t(`recording-warning-${recording.warning.replaceAll("_", "-")}`) : null;
}

/** How far the transcript is. */
export function TranscriptWord({ transcript, recording }: { transcript: TranscriptJob | null; recording: Recording }) {
  if (!transcript) return <span class="secondary">—</span>;
  if (recording.state === "expired")
    return (
      <span data-state="expired" data-test="transcript-state">
        <StateWord tone="off">{t("text-expired")}</StateWord>
      </span>
    );
  if (transcript.state === "running")
    return (
      <span data-test="transcript-state" data-state="running">
        <Progress value={transcript.progress} label={transcriptStep(transcript)} />
      </span>
    );
  const tone = { queued: "off", done: "ok", failed: "fail" } as const;
  return (
    <span data-state={transcript.state} data-test="transcript-state">
      <StateWord tone={tone[transcript.state]}>{t(`text-${transcript.state}`)}</StateWord>
    </span>
  );
}

function transcriptStep(transcript: TranscriptJob): string {
  const id = `transcript-step-${transcript.step.replaceAll("_", "-")}`;
  return hasText(id) ? t(id) : t("text-running");
}

const MINUTE_MS = 60_000;

/** Length so far, or in the end. */
export function sessionLength(session: Summary): string {
  if (session.duration_ms !== null) return duration(session.duration_ms);
  if (session.state === "live" && session.started_utc_ms !== null)
    return t("length-so-far", { minutes: Math.floor((now.value - session.started_utc_ms) / MINUTE_MS) });
  return "—";
}
