// SPDX-License-Identifier: Apache-2.0
// Who is before this camera, and what each of them agreed to.
import { useState } from "preact/hooks";
import type { Attendee, Participant } from "../api";
import { language, t } from "../i18n";
import { timeOfDay } from "../time";
import { Button, Icon, StateWord } from "../ui";
import { ATTENDEE_KINDS, NAME_LIMIT, PEOPLE_LIMIT } from "./calls";
import type { CallModel } from "./model";
import { PersonMenu } from "./PersonMenu";
import { StandingOf } from "./Moderation";

const kindWord = (kind: string): string => t(`attendee-kind-${kind.replaceAll("_", "-")}`);

/** The people at this endpoint, each with the tick of consent; more are added below. */
export function PeopleHere({ model }: { model: CallModel }) {
  const people = model.mine.value?.attendees ?? [];
  const [name, setName] = useState("");
  const [kind, setKind] = useState<string>("party");
  const full = people.length >= PEOPLE_LIMIT;
  const add = async (): Promise<void> => {
    const wanted = name.trim();
    if (wanted === "" || full) return;
    const kept = people.map(({ id, name, kind }) => ({ id, name, kind }));
    if (await model.setPeople([...kept, { name: wanted, kind }])) {
      setName("");
      setKind("party");
    }
  };
  return (
    <section class="people" aria-label={t("call-people-here")}>
      <h2>{t("call-people-here")}</h2>
      {people.length === 0 && <p class="secondary">{t("call-people-nobody")}</p>}
      <ul class="people-list">
        {people.map((person) => (
          <Person key={person.id} model={model} person={person} all={people} />
        ))}
      </ul>
      <form
        class="people-add"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <input
          class="input"
          data-test="person-name"
          aria-label={t("call-person-name")}
          placeholder={t("call-person-name")}
          value={name}
          maxLength={NAME_LIMIT}
          disabled={full}
          autoComplete="off"
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <select
          class="input"
          data-test="person-kind"
          aria-label={t("call-person-kind")}
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value)}
        >
          {ATTENDEE_KINDS.map((each) => (
            <option key={each} value={each}>
              {kindWord(each)}
            </option>
          ))}
        </select>
        <Button
          type="submit"
          icon="plus"
          test="person-add"
          disabled={name.trim() === "" || full}
          busy={model.busy.value === "people"}
        >
          {t("call-person-add")}
        </Button>
      </form>
    </section>
  );
}

function Person({ model, person, all }: { model: CallModel; person: Attendee; all: Attendee[] }) {
  const [asking, setAsking] = useState(false);
  /** What was clicked and not yet answered; the words below the name always come from the server. */
  const [wish, setWish] = useState<boolean | null>(null);
  const agreed = person.agreed === true;
  const remove = (): void => {
    const kept = all.filter((other) => other.id !== person.id).map(({ id, name, kind }) => ({ id, name, kind }));
    void model.setPeople(kept);
  };
  const say = async (to: boolean): Promise<void> => {
    setAsking(false);
    setWish(to);
    await model.consent(person.id, to);
    setWish(null);
  };
  const tick = (to: boolean): void => {
    // Taking consent back stops the record: say so first.
    // The room tells of it before the session's page does, or the other way round.
    const states = [model.detail.value?.recording.state, model.view.value?.recording.state];
    if (!to && states.includes("on")) {
      setWish(false);
      setAsking(true);
    } else void say(to);
  };
  return (
    <li class="person" data-test="person" data-name={person.name}>
      <label class="check person-line">
        <input
          type="checkbox"
          data-test="consent-tick"
          data-name={person.name}
          checked={wish ?? agreed}
          aria-label={t("call-consent-of", { name: person.name })}
          onChange={(event) => tick(event.currentTarget.checked)}
        />
        <span>
          <strong>{person.name}</strong> <span class="secondary">{kindWord(person.kind)}</span>
          <small class="block">
            {agreed
              ? t("call-agreed-at", { time: timeOfDay(person.agreed_utc_ms ?? 0) })
              : t(person.agreed === false ? "call-not-agreed" : "call-tick-to-agree")}
          </small>
        </span>
      </label>
      <button
        type="button"
        class="icon-button"
        data-test="person-remove"
        title={t("call-person-remove", { name: person.name })}
        aria-label={t("call-person-remove", { name: person.name })}
        onClick={remove}
      >
        <Icon name="x" size={16} />
      </button>
      {asking && (
        <div class="person-ask" role="alert">
          <span>{t("call-withdraw-ask", { name: person.name })}</span>
          <span class="row">
            <Button
              kind="danger"
              size="small"
              test="consent-withdraw"
              onClick={() => void say(false)}
            >
              {t("call-withdraw")}
            </Button>
            <Button
              size="small"
              onClick={() => {
                setAsking(false);
                setWish(null);
              }}
            >
              {t("cancel")}
            </Button>
          </span>
        </div>
      )}
    </li>
  );
}

/** What people agree to, in full and with its version. */
export function ConsentWords({ model, open }: { model: CallModel; open: boolean }) {
  const text = model.consentText.value;
  if (text === null) return null;
  return (
    <details class="consent-text" open={open} data-test="consent-text">
      <summary>{t("call-consent-title", { version: text.version })}</summary>
      <p>{text.texts[language.value] ?? text.texts["zh-CN"]}</p>
    </details>
  );
}

/** The people at the other endpoints, to be read only. */
export function PeopleElsewhere({ model }: { model: CallModel }) {
  const others = (model.detail.value?.participants ?? []).filter((one) => !one.me && one.present && one.kind !== "camera");
  if (others.length === 0) return null;
  return (
    <section class="people" aria-label={t("call-people-elsewhere")}>
      <h2>{t("call-people-elsewhere")}</h2>
      {others.map((participant) => (
        <div key={participant.peer_id} class="people-group">
          <header class="people-group-head">
            <h3>{endpointName(participant)}</h3>
            <StandingOf model={model} peerId={participant.peer_id} />
            <PersonMenu model={model} participant={participant} />
          </header>
          <ul class="people-list">
            {participant.attendees.map((person) => (
              <li key={person.id} class="person">
                <span>
                  <strong>{person.name}</strong> <span class="secondary">{kindWord(person.kind)}</span>
                </span>
                <StateWord tone={person.agreed ? "ok" : "warn"}>
                  {t(person.agreed ? "call-word-agreed" : "call-word-not-agreed")}
                </StateWord>
              </li>
            ))}
            {participant.attendees.length === 0 && (
              <li class="person">
                <StateWord tone="warn">{t("call-nobody-listed")}</StateWord>
              </li>
            )}
          </ul>
        </div>
      ))}
    </section>
  );
}

/** "永安派出所 · 调解室" */
export function endpointName(participant: Pick<Participant, "name" | "place_name">): string {
  return participant.place_name && participant.place_name !== participant.name
    ? `${participant.place_name} · ${participant.name}`
    : participant.name;
}
