// SPDX-License-Identifier: Apache-2.0
// One video file of the whole session, for whoever has no such page: ordered, made in the background, downloaded.
import { useEffect, useState } from "preact/hooks";
import { hasText, t } from "../i18n";
import { Button, ErrorNotice, Icon, Notice, Progress } from "../ui";
import { cancelComposite, type CompositeJob, compositeAddress, loadComposite, orderComposite } from "./api";
import { size } from "./format.ts";

const ASK_MS = 3_000;

export function Composite({ sessionId }: { sessionId: string }) {
  const { job, change, busy, fault } = useComposite(sessionId);
  if (job === undefined) return null;
  return (
    <section class="composite" aria-label={t("composite")} data-test="composite" data-state={job?.state ?? "none"}>
      <Body sessionId={sessionId} job={job} busy={busy} change={change} />
      <ErrorNotice error={fault} />
    </section>
  );
}

type Change = (ask: (sessionId: string) => Promise<CompositeJob | null>) => void;

function Body(props: { sessionId: string; job: CompositeJob | null; busy: boolean; change: Change }) {
  const { sessionId, job, busy, change } = props;
  const order = (words: string) => (
    <Button size="small" icon="video" busy={busy} test="composite-order" onClick={() => change(orderComposite)}>
      {words}
    </Button>
  );
  switch (job?.state) {
    case "queued":
    case "running":
      return (
        <p class="composite-line">
          <Progress
            value={job.progress}
            label={t(job.state === "queued" ? "composite-queued" : "composite-running")}
            test="composite-progress"
          />
          <Button size="small" busy={busy} test="composite-cancel" onClick={() => change(cancelComposite)}>
            {t("composite-cancel")}
          </Button>
        </p>
      );
    case "done":
      return (
        <p class="composite-line">
          <a class="button button-small" href={compositeAddress(sessionId)} download data-test="composite-download">
            <Icon name="download" size={16} /> {t("composite-download")}
          </a>
          <span class="secondary figures">{t("composite-size", { size: size(job.bytes ?? 0) })}</span>
        </p>
      );
    case "failed":
      return (
        <Notice tone="fail" action={order(t("composite-again"))}>
          <span data-test="composite-fault">{faultText(job.error_code ?? "internal")}</span>
        </Notice>
      );
    default:
      return (
        <p class="composite-line">
          {order(t("composite-order"))}
          <span class="secondary">{t("composite-lead")}</span>
        </p>
      );
  }
}

function faultText(code: string): string {
  const id = `composite-fault-${code.replaceAll("_", "-")}`;
  return hasText(id) ? t(id) : t("composite-fault-internal", { code });
}

/** The newest state; undefined until it is known. Asked for again while something changes. */
function useComposite(sessionId: string) {
  const [job, setJob] = useState<CompositeJob | null | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>(null);
  const moving = job?.state === "queued" || job?.state === "running";
  useEffect(() => {
    let open = true;
    const ask = (): void => {
      // What cannot be asked now is asked again; the last known state stays.
      loadComposite(sessionId).then(
        (got) => open && setJob(got),
        () => undefined,
      );
    };
    ask();
    const timer = moving ? setInterval(ask, ASK_MS) : undefined;
    return () => {
      open = false;
      clearInterval(timer);
    };
  }, [sessionId, moving]);
  const change: Change = (ask) => {
    setBusy(true);
    setFault(null);
    ask(sessionId)
      .then(setJob, (error: unknown) => {
        setFault(error);
        loadComposite(sessionId).then(setJob, () => undefined);
      })
      .finally(() => setBusy(false));
  };
  return { job, change, busy, fault };
}
