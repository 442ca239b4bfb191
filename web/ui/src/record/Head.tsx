// SPDX-License-Identifier: Apache-2.0
// What happened: when, where, who, and what became of the recording.
import { useEffect, useRef } from "preact/hooks";
import type { Attendee, Detail } from "../api";
import { hasText, language, t } from "../i18n";
import { dateTime, duration, isoDay, timeOfDay } from "../time";
import { Button, Notice, StateWord } from "../ui";
import type { Tone } from "../ui";
import { clockTime, size } from "./format.ts";
import { RecordLinks } from "./RecordLinks";

export function Head({ detail }: { detail: Detail }) {
  const length_ms = detail.duration_ms;
  return (
    <header class="record-head">
      <a class="record-back" href="/sessions">
        ‹ {t("record-back")}
      </a>
      <h1 data-test="record-title">{detail.title}</h1>
      <p class="record-facts">
        <span class="figures" data-test="record-date">
          {period(detail)}
        </span>
        {detail.place && <span>{detail.place.name}</span>}
        {length_ms !== null && <span class="figures">{t("record-length", { length: duration(length_ms) })}</span>}
        <People detail={detail} />
        <RecordLinks detail={detail} />
      </p>
      <Caucuses detail={detail} />
    </header>
  );
}

/** That private talks took place, and when; who held them finds their records here. */
function Caucuses({ detail }: { detail: Detail }) {
  return (
    <>
      {detail.caucus_of !== null && (
        <p class="record-facts" data-test="record-is-caucus">
          <span>{t("caucus-record")}</span>
          <a href={`/sessions/${detail.caucus_of}`}>{t("caucus-record-main")}</a>
        </p>
      )}
      {detail.caucuses.map((talk) => (
        <p class="record-facts" key={talk.from_utc_ms} data-test="record-caucus">
          <span>
            {t("caucus-took-place", {
              from: timeOfDay(talk.from_utc_ms),
              to: talk.to_utc_ms === null ? t("caucus-goes-on") : timeOfDay(talk.to_utc_ms),
            })}
          </span>
          {talk.session_id !== null && talk.to_utc_ms !== null && (
            <a href={`/sessions/${talk.session_id}`} data-test="record-caucus-link">
              {t("caucus-open-record")}
            </a>
          )}
        </p>
      ))}
    </>
  );
}

/** 11月24日 09:02–10:05, or when it was made if nobody came. */
export function period(detail: Detail): string {
  const { started_utc_ms, ended_utc_ms, created_utc_ms } = detail;
  if (started_utc_ms === null) return dateTime(created_utc_ms);
  return ended_utc_ms === null ? dateTime(started_utc_ms) : `${dateTime(started_utc_ms)}–${timeOfDay(ended_utc_ms)}`;
}

function People({ detail }: { detail: Detail }) {
  const details = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const away = (event: Event): void => {
      const open = details.current;
      if (!open?.open || (event instanceof KeyboardEvent && event.key !== "Escape")) return;
      if (event instanceof KeyboardEvent || !open.contains(event.target as Node)) open.open = false;
    };
    addEventListener("click", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("click", away);
      removeEventListener("keydown", away);
    };
  }, []);
  const groups = detail.participants.filter((participant) => participant.attendees.length > 0);
  const everybody = groups.flatMap((participant) => participant.attendees);
  if (everybody.length === 0) return <span class="secondary">{t("record-nobody")}</span>;
  const refused = everybody.filter((person) => person.agreed !== true);
  const separator = language.value === "en" ? ", " : "、";
  const consent =
    refused.length === 0
      ? t("record-people-all-agreed")
      : t("record-people-missing", { names: refused.map((person) => person.name).join(separator) });
  return (
    <details class="people" ref={details} data-test="record-people">
      <summary>
        {t("record-people", { count: everybody.length })}
        <span class={refused.length ? "people-missing" : "secondary"}> · {consent}</span>
      </summary>
      <div class="people-list">
        {groups.map((participant) => (
          <div key={participant.peer_id}>
            <h3>{[participant.place_name, participant.name].filter(Boolean).filter(once).join(" · ")}</h3>
            <ul>
              {participant.attendees.map((person) => (
                <li key={person.id}>
                  <strong>{person.name}</strong> <span class="secondary">{kindText(person.kind)}</span>{" "}
                  <span class={person.agreed === true ? "" : "people-missing"}>{consentText(person)}</span>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
    </details>
  );
}

const once = <T,>(value: T, at: number, all: T[]): boolean => all.indexOf(value) === at;

/** What somebody is here for, where the language has a word for it. */
export function kindText(kind: string): string {
  const id = `attendee-kind-${kind.replaceAll("_", "-")}`;
  return hasText(id) ? t(id) : "";
}

/** Whether and when somebody agreed. */
export function consentText(person: Attendee): string {
  const time = person.agreed_utc_ms === null ? "" : timeOfDay(person.agreed_utc_ms);
  if (person.agreed === null) return t("record-not-asked");
  return t(person.agreed ? "record-agreed" : "record-withdrawn", { time });
}

const tones: Record<Detail["recording"]["state"], Tone | "record"> = {
  off: "off",
  on: "record",
  paused: "warn",
  stopped: "info",
  uploading: "info",
  sealed: "ok",
  error: "fail",
  expired: "off",
};

/** State of the recording from the server's own word, with progress while it goes on, and what threatens it. */
export function RecordingLine({ detail, connected }: { detail: Detail; connected: boolean }) {
  const { recording } = detail;
  const moving = ["on", "paused", "stopped", "uploading"].includes(recording.state);
  return (
    <>
      <p class="record-line">
        <StateWord tone={tones[recording.state]} live={recording.state === "on"} test="record-state">
          {t(`record-state-${recording.state}`, { date: isoDay(recording.expired_utc_ms ?? 0) })}
        </StateWord>
        {moving && recording.started_utc_ms !== null && <Reached detail={detail} />}
        {detail.can.join && detail.state !== "ended" && (
          <Button href={`/call/${detail.id}`} size="small" icon="video">
            {t("record-join")}
          </Button>
        )}
      </p>
      {recording.warning && (
        <Notice tone={recording.warning === "disk_full" ? "fail" : "warn"} test="record-warning">
          {t(`record-warning-${recording.warning.replaceAll("_", "-")}`)}
        </Notice>
      )}
      {recording.state === "error" && <Notice tone="fail">{t("record-error-lead")}</Notice>}
      {!connected && <Notice tone="warn">{t("record-updates-away")}</Notice>}
    </>
  );
}

function Reached({ detail }: { detail: Detail }) {
  const { started_utc_ms, recorded_to_ms, uploaded_to_ms, waiting_uploads, waiting_bytes } = detail.recording;
  if (recorded_to_ms <= 0) return null;
  const recorded = clockTime((started_utc_ms ?? 0) + recorded_to_ms);
  const uploaded = clockTime((started_utc_ms ?? 0) + uploaded_to_ms);
  return (
    <span class="record-reached figures" data-test="record-progress" data-recorded-ms={recorded_to_ms} data-uploaded-ms={uploaded_to_ms}>
      {uploaded_to_ms > 0 ? t("record-progress", { recorded, uploaded }) : t("record-recorded-to", { recorded })}
      {waiting_uploads > 0 && (
        <span class="secondary"> · {t("record-waiting", { count: waiting_uploads, size: size(waiting_bytes) })}</span>
      )}
    </span>
  );
}
