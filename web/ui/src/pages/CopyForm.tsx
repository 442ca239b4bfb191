// SPDX-License-Identifier: Apache-2.0
// Asking for a copy: for whom, what for, and which part.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { loadPlayback } from "../record/api";
import { copies, readClock } from "../record/copies";
import { Button, Dialog, ErrorNotice, Field, toast } from "../ui";

const FORMATS = ["docx", "srt", "json"] as const;

export function CopyForm({ sessionId, onDone, onClose }: { sessionId: string; onDone: () => void; onClose: () => void }) {
  const [purpose, setPurpose] = useState("");
  const [recipient, setRecipient] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [tracks, setTracks] = useState<ReadonlySet<string>>(new Set());
  const [formats, setFormats] = useState<ReadonlySet<string>>(new Set());
  const playback = useLoaded(() => loadPlayback(sessionId));
  const action = useAction();
  const from_ms = readClock(from);
  const to_ms = readClock(to);
  const wrong = from_ms === undefined || to_ms === undefined;
  const send = (): void => {
    if (wrong || !purpose.trim() || !recipient.trim()) return;
    const wanted = {
      purpose,
      recipient,
      from_ms,
      to_ms,
      track_ids: tracks.size > 0 ? [...tracks] : null,
      formats: [...formats],
    };
    void action.run(() => copies.ask(sessionId, wanted)).then((well) => {
      if (!well) return;
      toast(t("copy-state-asked"));
      onDone();
    });
  };
  const name = (peer_id: string): string => playback.data?.peers.find((peer) => peer.peer_id === peer_id)?.name ?? peer_id;
  return (
    <Dialog
      title={t("copy-ask")}
      onClose={onClose}
      onSubmit={send}
      wide
      test="copy-form"
      actions={
        <Button kind="primary" type="submit" busy={action.busy} disabled={wrong} test="copy-send">
          {t("copy-ask-send")}
        </Button>
      }
    >
      <Field label={t("copy-purpose")} hint={t("copy-purpose-hint")} value={purpose} onInput={setPurpose} maxLength={200} required test="copy-purpose" />
      <Field label={t("copy-recipient")} value={recipient} onInput={setRecipient} maxLength={200} required test="copy-recipient" />
      <Field label={t("copy-from")} hint={t("copy-span-hint")} value={from} onInput={setFrom} placeholder="0:00:00" test="copy-from" />
      <Field label={t("copy-to")} value={to} onInput={setTo} placeholder="0:00:00" test="copy-to" />
      <Choices
        label={t("copy-tracks")}
        hint={t("copy-tracks-hint")}
        options={(playback.data?.tracks ?? []).map((track) => [track.track_id, `${name(track.peer_id)} · ${t(`copy-source-${track.source.replace("_", "-")}`)}`])}
        chosen={tracks}
        choose={setTracks}
      />
      <Choices
        label={t("copy-formats")}
        options={FORMATS.map((kind) => [kind, t(`lines-${kind}`)])}
        chosen={formats}
        choose={setFormats}
      />
      <ErrorNotice error={action.error ?? playback.error} />
    </Dialog>
  );
}

function Choices(props: {
  label: string;
  hint?: string;
  options: (readonly [string, string])[];
  chosen: ReadonlySet<string>;
  choose: (chosen: ReadonlySet<string>) => void;
}) {
  const toggle = (value: string): void => {
    const next = new Set(props.chosen);
    if (!next.delete(value)) next.add(value);
    props.choose(next);
  };
  return (
    <fieldset class="field copy-choices">
      <legend>{props.label}</legend>
      {props.options.map(([value, label]) => (
        <label key={value}>
          <input type="checkbox" checked={props.chosen.has(value)} onChange={() => toggle(value)} /> {label}
        </label>
      ))}
      {props.hint && <div class="field-more field-hint">{props.hint}</div>}
    </fieldset>
  );
}
