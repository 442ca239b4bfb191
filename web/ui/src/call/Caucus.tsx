// SPDX-License-Identifier: Apache-2.0
// Private talks: the host chooses whom to talk to, the others wait, and who is in one is told so all the time.
import { useEffect, useState } from "preact/hooks";
import type { CaucusTime, Detail, Participant } from "../api";
import { t } from "../i18n";
import { duration, serverNow } from "../time";
import { Button, Notice } from "../ui";
import type { CallModel } from "./model";

/** The private talk that goes on beside this session, if there is one. */
export function runningTalk(detail: Detail | null): CaucusTime | null {
  return detail?.caucuses.find((talk) => talk.to_utc_ms === null) ?? null;
}

/** In the host's desk: whom to talk to alone. */
export function CaucusChoice({ model }: { model: CallModel }) {
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const detail = model.detail.value;
  if (detail === null || detail.caucus_of !== null || runningTalk(detail) !== null) return null;
  const others = detail.participants.filter(
    (one) => one.present && !one.me && (one.kind === "account" || one.kind === "set"),
  );
  if (!open)
    return (
      <Button size="small" icon="users" test="caucus-open" onClick={() => setOpen(true)}>
        {t("caucus-title")}
      </Button>
    );
  const wanted = others.filter((one) => chosen.has(one.peer_id)).map((one) => one.peer_id);
  const turn = (peerId: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(peerId);
    else next.delete(peerId);
    setChosen(next);
  };
  return (
    <div class="stack caucus-choice" data-test="caucus-choice">
      <h3>{t("caucus-choose")}</h3>
      <p class="secondary">{t("caucus-choose-hint")}</p>
      {others.length === 0 && <p>{t("caucus-nobody")}</p>}
      {others.map((one) => (
        <label key={one.peer_id} class="check">
          <input
            type="checkbox"
            data-test="caucus-person"
            data-name={one.name}
            checked={chosen.has(one.peer_id)}
            onChange={(event) => turn(one.peer_id, event.currentTarget.checked)}
          />
          <Named one={one} />
        </label>
      ))}
      <div class="row">
        <Button
          kind="primary"
          size="small"
          test="caucus-start"
          disabled={wanted.length === 0}
          busy={model.busy.value === "caucus"}
          onClick={() => void model.startCaucus(wanted)}
        >
          {t("caucus-start")}
        </Button>
        <Button size="small" test="caucus-cancel" onClick={() => setOpen(false)}>
          {t("cancel")}
        </Button>
      </div>
    </div>
  );
}

/** The people before a camera, and below them whose it is. */
function Named({ one }: { one: Participant }) {
  const people = one.attendees.map((person) => person.name).join(t("caucus-and")) || one.name;
  return (
    <span>
      {people}
      <small class="block secondary">
        {[people === one.name ? "" : one.name, one.place_name].filter(Boolean).join(" · ")}
      </small>
    </span>
  );
}

/** In the place of the pictures, for whoever waits in the main room. */
export function CaucusCard({ model, talk }: { model: CallModel; talk: CaucusTime }) {
  const length = useLength(talk.from_utc_ms);
  const id = talk.session_id;
  const host = model.detail.value?.can.moderate ?? false;
  return (
    <section class="caucus-wait" data-test="caucus-wait" aria-live="polite">
      <div class="card stack">
        <h2>{t("caucus-waiting")}</h2>
        <p class="caucus-length figures" data-test="caucus-length">
          {length}
        </p>
        <p class="secondary">{t("caucus-waiting-hint")}</p>
        {id !== null && (
          <div class="row">
            <Button kind="primary" icon="video" test="caucus-enter" onClick={() => model.enterCaucus(id)}>
              {t("caucus-enter")}
            </Button>
            {host && (
              <Button
                icon="square"
                test="caucus-end"
                busy={model.busy.value === "caucus"}
                onClick={() => void model.endCaucus(id)}
              >
                {t("caucus-end")}
              </Button>
            )}
          </div>
        )}
      </div>
    </section>
  );
}

/** Above the pictures of a private talk. */
export function CaucusBanner({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  const length = useLength(detail?.created_utc_ms ?? 0);
  if (detail === null || detail.caucus_of === null) return null;
  return (
    <Notice
      tone="info"
      test="caucus-banner"
      action={
        detail.can.lead ? (
          <Button
            kind="primary"
            size="small"
            icon="square"
            test="caucus-end"
            busy={model.busy.value === "end"}
            onClick={() => void model.end()}
          >
            {t("caucus-end")}
          </Button>
        ) : undefined
      }
    >
      <strong>{t("caucus-here")}</strong> <span class="figures">{length}</span>
      <span class="block">{t("caucus-here-hint")}</span>
    </Notice>
  );
}

function useLength(since_utc_ms: number): string {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return duration(serverNow() - since_utc_ms);
}
