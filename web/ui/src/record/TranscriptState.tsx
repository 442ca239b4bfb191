// SPDX-License-Identifier: Apache-2.0
// What becomes of the transcript: waiting, running, failed, done.
import { useState } from "preact/hooks";
import type { Detail, TranscriptJob } from "../api";
import { hasText, t } from "../i18n";
import { Button, Empty, ErrorNotice, Icon, Notice, Progress, StateWord, toast } from "../ui";
import { transcriptAddress } from "./api";

/** The state in one line, for the head of the transcript. */
export function TranscriptNote({ job, count }: { job: TranscriptJob; count: number }) {
  return (
    <p class="transcript-note secondary">
      <StateWord tone="ok" test="transcript-state">
        {t("lines-done")}
      </StateWord>
      <span>{t("lines-lines", { count })}</span>
      {job.model && <span>{t("lines-model", { model: job.model })}</span>}
      <span>{t("lines-machine")}</span>
    </p>
  );
}

/** What stands where the lines will be, as long as there are none. */
export function TranscriptPending({ detail, retry }: { detail: Detail; retry: () => Promise<void> }) {
  const job = detail.transcript;
  if (detail.recording.state === "expired")
    return (
      <Empty title={t("lines-expired")} test="transcript-state">
        {t("lines-expired-lead")}
      </Empty>
    );
  if (!job) return <NoTranscript detail={detail} />;
  if (job.state === "failed") return <Failed job={job} retry={retry} />;
  if (job.state === "queued")
    return (
      <Empty title={t("lines-queued")} test="transcript-state">
        {t("lines-queued-lead")}
      </Empty>
    );
  const step = `lines-step-${job.step ?? ""}`;
  return (
    <div class="empty" data-test="transcript-state" data-state={job.state}>
      <p class="empty-title">{t("lines-running")}</p>
      <Progress value={job.progress} label={hasText(step) ? t(step) : t("lines-running")} test="transcript-progress" />
      <p>{t("lines-running-lead")}</p>
    </div>
  );
}

function NoTranscript({ detail }: { detail: Detail }) {
  const none = detail.state === "ended" && detail.recording.state === "off";
  return (
    <Empty title={t(none ? "lines-none" : "lines-later")} test="transcript-state">
      {t(none ? "lines-none-lead" : "lines-later-lead")}
    </Empty>
  );
}

function Failed({ job, retry }: { job: TranscriptJob; retry: () => Promise<void> }) {
  const code = job.error_code ?? "internal";
  const id = `lines-fault-${code.replaceAll("_", "-")}`;
  return (
    <div class="stack" data-test="transcript-state" data-state="failed">
      <Notice tone="fail" action={<Retry retry={retry} />}>
        <strong>{t("lines-failed")}</strong>
        <br />
        <span data-test="transcript-fault">{t(hasText(id) ? id : "lines-fault-internal", { code })}</span>
      </Notice>
    </div>
  );
}

/** Queues the transcription again. */
export function Retry({ retry }: { retry: () => Promise<void> }) {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>(null);
  const again = (): void => {
    setBusy(true);
    setFault(null);
    retry()
      .then(() => toast(t("lines-retried")), setFault)
      .finally(() => setBusy(false));
  };
  return (
    <>
      <Button icon="refresh-cw" busy={busy} test="transcript-retry" onClick={again}>
        {t("lines-retry")}
      </Button>
      <ErrorNotice error={fault} />
    </>
  );
}

/** Files for the case, and paper. */
export function Downloads({ sessionId }: { sessionId: string }) {
  return (
    <div class="downloads">
      <span class="secondary">
        <Icon name="download" size={16} /> {t("lines-download")}
      </span>
      {(["docx", "srt", "json"] as const).map((ending) => (
        <a
          key={ending}
          class="button button-small"
          href={transcriptAddress(sessionId, ending)}
          download
          data-test={`download-${ending}`}
        >
          {t(`lines-${ending}`)}
        </a>
      ))}
      <Button size="small" icon="printer" test="print" onClick={() => print()}>
        {t("print")}
      </Button>
    </div>
  );
}
