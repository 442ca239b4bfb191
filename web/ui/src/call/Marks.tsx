// SPDX-License-Identifier: Apache-2.0
// Markers and sections of the record: one touch sets one, a word can follow, and it can be taken back.
import { useEffect, useState } from "preact/hooks";
import type { Detail, Marker } from "../api";
import { t } from "../i18n";
import { timeOfDay } from "../time";
import { Button, Notice, StateWord } from "../ui";
import { LABEL_LIMIT } from "./calls";
import type { CallModel } from "./model";
import { leads } from "./Moderation";

/** How long the notice of a new marker stays when nobody touches it. */
const NOTICE_MS = 15_000;
const MARKER_WORDS = ["statement", "evidence", "dispute", "agreed"] as const;
const SECTION_WORDS = ["opening", "statements", "mediation", "agreement", "signing"] as const;

/** For the host and every officer, while something is recorded; K does the same. */
export function MarkButton({ model }: { model: CallModel }) {
  if (!model.detail.value?.marks.may_mark) return null;
  return (
    <Button
      size="small"
      icon="pin"
      test="mark"
      title={`${t("call-mark-hint")} (K)`}
      busy={model.busy.value === "mark"}
      onClick={() => void model.mark()}
    >
      {t("call-mark")}
    </Button>
  );
}

/** Everybody sees which section runs. */
export function RunningSection({ detail }: { detail: Detail }) {
  const running = runningSection(detail);
  if (running === null) return null;
  return (
    <StateWord tone="info">
      <span data-test="section-now">{t("call-section-now", { label: running.label })}</span>
    </StateWord>
  );
}

function runningSection(detail: Detail) {
  const last = detail.marks.sections.at(-1);
  return last && last.to_utc_ms === null && detail.state !== "ended" ? last : null;
}

/** The marker just set: what it is, in one more touch, or undone. Goes by itself unless somebody is at it. */
export function MarkNotice({ model }: { model: CallModel }) {
  const id = model.marked.value;
  const marker = model.detail.value?.marks.markers.find((one) => one.id === id);
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (id === null || held) return;
    const timer = setTimeout(() => (model.marked.value = null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [id, held, marker?.label]);
  useEffect(() => setHeld(false), [id]);
  if (!marker) return null;
  return (
    <div class="mark-notice" onFocusIn={() => setHeld(true)} onFocusOut={() => setHeld(false)}>
      <Notice
        tone="info"
        test="mark-notice"
        action={
          <span class="row">
            <Button size="small" test="mark-undo" onClick={() => void undo(model, marker)}>
              {t("call-mark-undo")}
            </Button>
            <Button size="small" onClick={() => (model.marked.value = null)}>
              {t("close")}
            </Button>
          </span>
        }
      >
        <span data-test="mark-text">{markedText(marker)}</span>
        {marker.label === "" && (
          <span class="row mark-words">
            {MARKER_WORDS.map((word) => (
              <Button
                key={word}
                size="small"
                kind="quiet"
                test={`mark-word-${word}`}
                onClick={() => void model.labelMark(marker.id, t(`call-mark-word-${word}`))}
              >
                {t(`call-mark-word-${word}`)}
              </Button>
            ))}
            <NameField
              label={t("call-mark-name")}
              button={t("call-mark-name-save")}
              test="mark-name"
              save={(name) => model.labelMark(marker.id, name)}
            />
          </span>
        )}
      </Notice>
    </div>
  );
}

async function undo(model: CallModel, marker: Marker): Promise<void> {
  if (await model.removeMark(marker.id)) model.marked.value = null;
}

function markedText(marker: Marker): string {
  const time = timeOfDay(marker.utc_ms);
  return marker.label === "" ? t("call-marked", { time }) : t("call-marked-as", { time, label: marker.label });
}

/** A short text with its button; Enter presses it. */
export function NameField(props: {
  label: string;
  button: string;
  test: string;
  limit?: number;
  save: (name: string) => Promise<boolean>;
}) {
  const [name, setName] = useState("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted !== "" && (await props.save(wanted))) setName("");
  };
  return (
    <form class="row mark-name" onSubmit={(event) => void submit(event)}>
      <input
        class="input"
        value={name}
        maxLength={props.limit ?? LABEL_LIMIT}
        placeholder={props.label}
        aria-label={props.label}
        data-test={props.test}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <Button type="submit" size="small" test={`${props.test}-save`} disabled={name.trim() === ""}>
        {props.button}
      </Button>
    </form>
  );
}

/** In the people panel: the host begins and ends sections, and everybody who marks sees what is there. */
export function SectionDesk({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  if (detail === null) return null;
  const { state } = detail.recording;
  const host = leads(model) && (state === "on" || state === "paused");
  const { markers, sections, may_mark } = detail.marks;
  if (!host && !may_mark) return null;
  if (!host && markers.length === 0 && sections.length === 0) return null;
  return (
    <section class="people section-desk" aria-label={t("call-marks")} data-test="section-desk">
      <h2>{t("call-marks")}</h2>
      {host && <SectionButtons model={model} detail={detail} />}
      <MarkList model={model} detail={detail} host={host} />
    </section>
  );
}

function SectionButtons({ model, detail }: { model: CallModel; detail: Detail }) {
  const running = runningSection(detail);
  const busy = model.busy.value === "section";
  return (
    <>
      <p class="secondary">{t("call-section-begin-hint")}</p>
      <div class="row" role="group" aria-label={t("call-section-begin")}>
        {SECTION_WORDS.map((word) => {
          const label = t(`call-section-word-${word}`);
          const current = running?.label === label;
          return (
            <Button
              key={word}
              size="small"
              kind={current ? "primary" : "secondary"}
              test={`section-${word}`}
              disabled={current || busy}
              onClick={() => void model.beginSection(label)}
            >
              {label}
            </Button>
          );
        })}
      </div>
      <NameField
        label={t("call-section-own")}
        button={t("call-section-start")}
        test="section-own"
        save={(name) => model.beginSection(name)}
      />
      {running !== null && (
        <Button size="small" test="section-end" busy={busy} onClick={() => void model.endSection()}>
          {t("call-section-end")}
        </Button>
      )}
    </>
  );
}

function MarkList({ model, detail, host }: { model: CallModel; detail: Detail; host: boolean }) {
  const entries = [
    ...detail.marks.sections.map(({ id, label, from_utc_ms }) => ({
      id,
      label,
      utc_ms: from_utc_ms,
      section: true,
      mine: false,
    })),
    ...detail.marks.markers.map(({ id, label, utc_ms, mine }, n) => ({
      id,
      label: label || t("call-mark-plain", { n: n + 1 }),
      utc_ms,
      section: false,
      mine,
    })),
  ].sort((a, b) => a.utc_ms - b.utc_ms);
  if (entries.length === 0) return null;
  return (
    <ul class="people-list">
      {entries.map((entry) => (
        <li key={entry.id} class="person" data-test={entry.section ? "section" : "marker"} data-label={entry.label}>
          <span>
            <span class="figures secondary">{timeOfDay(entry.utc_ms)}</span>{" "}
            {entry.section ? <strong>{entry.label}</strong> : entry.label}
          </span>
          {(host || entry.mine) && (
            <Button
              size="small"
              test="mark-remove"
              title={t("call-mark-remove-of", { label: entry.label })}
              onClick={() => void model.removeMark(entry.id)}
            >
              {t("call-mark-remove")}
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}
