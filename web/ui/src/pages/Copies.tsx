// SPDX-License-Identifier: Apache-2.0
// Copies of recordings: asked for, waiting for a decision, being made, ready to be fetched.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api";
import { errorText, t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { asksForCopies, copies, type Copy } from "../record/copies";
import { sessionTime, size } from "../record/format.ts";
import { address } from "../router";
import { me } from "../state";
import { dateTime } from "../time";
import { Button, type Column, Dialog, Empty, ErrorNotice, Field, Loading, Page, Progress, StateWord, Table, type Tone } from "../ui";
import { Confirm } from "./Confirm";
import { CopyForm } from "./CopyForm";

const EVERY_MS = 3_000;
const tones: Record<Copy["state"], Tone> = {
  asked: "info",
  refused: "off",
  cancelled: "off",
  approved: "info",
  ready: "ok",
  failed: "fail",
  expired: "off",
};

export default function Copies() {
  const sessionId = address.value.query.get("session") ?? "";
  const found = useLoaded(() => copies.list(sessionId), sessionId);
  const [asking, setAsking] = useState(false);
  const [deciding, setDeciding] = useState<Copy | null>(null);
  const [cancelling, setCancelling] = useState<Copy | null>(null);
  const action = useAction();
  useEffect(() => {
    const timer = setInterval(found.reload, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const mayAsk = sessionId !== "" && asksForCopies(me.value?.role);
  const actions = (copy: Copy) => (
    <span class="row-actions">
      {copy.can.decide && (
        <Button size="small" kind="primary" test="copy-decide" onClick={() => setDeciding(copy)}>
          {t("copy-decide")}
        </Button>
      )}
      {copy.can.fetch && (
        <Button size="small" kind="primary" icon="download" test="copy-fetch" href={copies.address(copy.id)}>
          {t("copy-fetch")}
        </Button>
      )}
      {copy.can.retry && (
        <Button size="small" test="copy-retry" onClick={() => void action.run(() => copies.retry(copy.id)).then(found.reload)}>
          {t("copy-retry")}
        </Button>
      )}
      {copy.can.cancel && (
        <Button size="small" kind="quiet" test="copy-cancel" onClick={() => setCancelling(copy)}>
          {t("copy-cancel")}
        </Button>
      )}
    </span>
  );
  return (
    <Page
      title={t("copy-title")}
      lead={t("copy-lead")}
      actions={
        <>
          {sessionId && (
            <Button href={`/sessions/${sessionId}`} icon="chevron-left">
              {t("custody-back")}
            </Button>
          )}
          {mayAsk && (
            <Button kind="primary" icon="plus" test="copy-ask" onClick={() => setAsking(true)}>
              {t("copy-ask")}
            </Button>
          )}
        </>
      }
    >
      <div class="stack">
        <ErrorNotice error={found.error ?? action.error} />
        {!found.data && !found.error && <Loading label={t("loading")} />}
        {found.data?.length === 0 && <Empty title={t("copy-title")}>{t(sessionId ? "copy-empty-here" : "copy-empty")}</Empty>}
        {found.data && found.data.length > 0 && (
          <Table columns={columns(actions)} rows={found.data} rowKey={(copy) => copy.id} label={t("copy-title")} rowTest="copy-row" />
        )}
      </div>
      {asking && (
        <CopyForm
          sessionId={sessionId}
          onClose={() => setAsking(false)}
          onDone={() => {
            setAsking(false);
            found.reload();
          }}
        />
      )}
      {deciding && (
        <Decision
          copy={deciding}
          onClose={() => setDeciding(null)}
          onDone={() => {
            setDeciding(null);
            found.reload();
          }}
        />
      )}
      {cancelling && (
        <Confirm
          title={t("copy-cancel")}
          says={t("copy-cancel-lead")}
          button={t("copy-cancel")}
          onClose={() => setCancelling(null)}
          work={async () => {
            await copies.cancel(cancelling.id);
            setCancelling(null);
            found.reload();
          }}
        />
      )}
    </Page>
  );
}

function columns(actions: Column<Copy>["cell"]): Column<Copy>[] {
  return [
    { head: t("copy-session"), cell: (copy) => <a href={`/sessions/${copy.session_id}`}>{copy.session_title}</a>, wide: true },
    { head: t("copy-recipient"), cell: (copy) => copy.recipient },
    { head: t("copy-purpose"), cell: (copy) => copy.purpose },
    { head: t("copy-when"), cell: (copy) => t("copy-by", { name: copy.asked_by_name, time: dateTime(copy.asked_utc_ms) }), minor: true },
    { head: t("copy-state"), cell: (copy) => <State copy={copy} /> },
    { head: "", cell: actions },
  ];
}

function State({ copy }: { copy: Copy }) {
  if (copy.state === "approved")
    return <Progress value={copy.progress} label={t("copy-state-approved")} test="copy-state" />;
  return (
    <div>
      <StateWord tone={tones[copy.state]} test="copy-state">
        {t(`copy-state-${copy.state}`)}
      </StateWord>
      {copy.decided_utc_ms !== null && (
        <div class="secondary">{t("copy-by", { name: copy.decided_by_name, time: dateTime(copy.decided_utc_ms) })}</div>
      )}
      {copy.reason && <div class="secondary">{copy.reason}</div>}
      {copy.error_code && <div>{errorText(new ApiError(0, copy.error_code, {}, ""))}</div>}
      {copy.state === "ready" && copy.expires_utc_ms !== null && (
        <div class="secondary">
          {size(copy.bytes)} · {t("copy-until", { time: dateTime(copy.expires_utc_ms) })}
        </div>
      )}
    </div>
  );
}

/** Yes or no; no needs a reason. */
function Decision({ copy, onDone, onClose }: { copy: Copy; onDone: () => void; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const action = useAction();
  const decide = (approve: boolean): void =>
    void action.run(() => copies.decide(copy.id, approve, reason)).then((well) => well && onDone());
  const { asked_by_name, session_title, recipient, purpose, from_ms, to_ms } = copy;
  return (
    <Dialog
      title={t("copy-decide")}
      onClose={onClose}
      test="copy-decision"
      actions={
        <>
          <Button kind="danger" busy={action.busy} disabled={!reason.trim()} test="copy-refuse" onClick={() => decide(false)}>
            {t("copy-refuse")}
          </Button>
          <Button kind="primary" busy={action.busy} test="copy-approve" onClick={() => decide(true)}>
            {t("copy-approve")}
          </Button>
        </>
      }
    >
      <p>{t("copy-decide-lead", { name: asked_by_name, title: session_title, recipient, purpose })}</p>
      {(from_ms !== null || to_ms !== null) && (
        <p class="figures">
          {sessionTime(from_ms ?? 0)} – {to_ms === null ? "" : sessionTime(to_ms)}
        </p>
      )}
      <Field label={t("copy-reason")} hint={t("copy-reason-hint")} value={reason} onInput={setReason} maxLength={200} test="copy-reason" />
      <ErrorNotice error={action.error} />
    </Dialog>
  );
}
