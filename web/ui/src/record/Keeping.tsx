// SPDX-License-Identifier: Apache-2.0
// How long this record is kept, for clerks and administrators: class, legal hold, and the store's lock.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { classDays, className, type Keeping as Kept, keepingApi } from "../keeping";
import { useAction, useLoaded } from "../load";
import { me } from "../state";
import { isoDay } from "../time";
import { Button, Dialog, ErrorNotice, Field, Notice, Select } from "../ui";

type Open = "class" | "hold" | null;

export function Keeping({ sessionId }: { sessionId: string }) {
  const role = me.value?.role;
  return role === "clerk" || role === "administrator" ? <Card sessionId={sessionId} /> : null;
}

function Card({ sessionId }: { sessionId: string }) {
  const keeping = useLoaded(() => keepingApi.of(sessionId), sessionId);
  const [open, setOpen] = useState<Open>(null);
  const kept = keeping.data;
  if (!kept) return <ErrorNotice error={keeping.error} />;
  const done = (): void => {
    setOpen(null);
    keeping.reload();
  };
  if (kept.expired_utc_ms !== null) return null; // the recording's own line says it
  return (
    <section class="keeping" data-test="keeping">
      <h2>{t("keeping-title")}</h2>
      <p>
        <strong data-test="keeping-class">{className(kept.retention_class)}</strong> ·{" "}
        <span data-test="keeping-until">{until(kept)}</span>
      </p>
      {kept.held && (
        <Notice tone="warn" test="keeping-held">
          {t("keeping-held", { reason: kept.hold_reason, name: kept.hold_by_name, date: isoDay(kept.hold_utc_ms ?? 0) })}
        </Notice>
      )}
      {lock(kept) && <p class="secondary">{lock(kept)}</p>}
      <div class="actions">
        <Button size="small" onClick={() => setOpen("class")} test="keeping-change">
          {t("keeping-change")}
        </Button>
        <Button size="small" onClick={() => setOpen("hold")} test="keeping-hold">
          {t(kept.held ? "keeping-lift" : "keeping-hold")}
        </Button>
      </div>
      {open === "class" && <ClassDialog kept={kept} onClose={() => setOpen(null)} onDone={done} />}
      {open === "hold" && <HoldDialog kept={kept} onClose={() => setOpen(null)} onDone={done} />}
    </section>
  );
}

function until(kept: Kept): string {
  if (kept.kept_until_utc_ms !== null) return t("keeping-until", { date: isoDay(kept.kept_until_utc_ms) });
  const chosen = kept.classes.find((item) => item.name === kept.retention_class);
  return t(chosen && chosen.days !== null ? "keeping-after-end" : "keeping-for-ever");
}

function lock(kept: Kept): string {
  if (kept.locked_until_utc_ms !== null) return t("keeping-locked-until", { date: isoDay(kept.locked_until_utc_ms) });
  return kept.store_held ? t("keeping-store-held") : "";
}

interface Asking {
  kept: Kept;
  onClose: () => void;
  onDone: () => void;
}

function ClassDialog({ kept, onClose, onDone }: Asking) {
  const [name, setName] = useState(kept.retention_class);
  const [reason, setReason] = useState("");
  const action = useAction();
  const options = kept.classes.map((item) => ({
    value: item.name,
    label: `${className(item.name)} · ${classDays(item.days)}`,
  }));
  return (
    <Dialog
      title={t("keeping-change")}
      onClose={onClose}
      onSubmit={() => void action.run(async () => (await keepingApi.setClass(kept.session_id, name, reason), onDone()))}
      actions={<Buttons busy={action.busy} word={t("keeping-change")} onClose={onClose} />}
    >
      <ErrorNotice error={action.error} />
      <Select label={t("keeping-class")} value={name} onChange={setName} options={options} test="keeping-classes" />
      <Field label={t("keeping-reason")} value={reason} onInput={setReason} maxLength={200} test="keeping-reason" />
    </Dialog>
  );
}

function HoldDialog({ kept, onClose, onDone }: Asking) {
  const [reason, setReason] = useState("");
  const action = useAction();
  const word = t(kept.held ? "keeping-lift" : "keeping-hold");
  return (
    <Dialog
      title={word}
      onClose={onClose}
      onSubmit={() =>
        void action.run(async () => (await keepingApi.setHold(kept.session_id, !kept.held, reason), onDone()))
      }
      actions={<Buttons busy={action.busy} word={word} onClose={onClose} />}
    >
      <ErrorNotice error={action.error} />
      <p>{t(kept.held ? "keeping-lift-lead" : "keeping-hold-lead")}</p>
      <Field label={t("keeping-reason")} value={reason} onInput={setReason} maxLength={200} required test="keeping-reason" />
    </Dialog>
  );
}

function Buttons({ busy, word, onClose }: { busy: boolean; word: string; onClose: () => void }) {
  return (
    <>
      <Button onClick={onClose}>{t("cancel")}</Button>
      <Button kind="primary" type="submit" busy={busy} test="keeping-save">
        {word}
      </Button>
    </>
  );
}
