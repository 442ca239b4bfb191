// SPDX-License-Identifier: Apache-2.0
// The host's desk in the people panel, the notices of moderation above the pictures, and one's own hand.
import { t } from "../i18n";
import { Button, Icon, Notice, StateWord } from "../ui";
import { CaucusChoice } from "./Caucus";
import { panel } from "./Controls";
import type { CallModel } from "./model";
import type { Moderation } from "./protocol.ts";

const state = (model: CallModel): Moderation | null => model.view.value?.moderation ?? null;
const nameOf = (model: CallModel, peerId: string): string =>
  model.detail.value?.participants.find((one) => one.peer_id === peerId)?.name ?? "";

/** True for the page of whoever leads. */
export function leads(model: CallModel): boolean {
  const moderation = state(model);
  return moderation !== null && moderation.host !== "" && moderation.host === model.view.value?.me;
}

/** Key of the tile that is on everybody's stage; `self` is the key of one's own. */
export function spotlightKey(model: CallModel, self: string): string | null {
  const spotlight = state(model)?.spotlight ?? "";
  if (spotlight === "") return null;
  return spotlight === model.view.value?.me ? self : spotlight;
}

export function handUp(model: CallModel): boolean {
  const me = model.view.value?.me;
  return state(model)?.hands.some((hand) => hand.peer_id === me) ?? false;
}

export function toggleHand(model: CallModel): void {
  void model.raiseHand(!handUp(model));
}

/** Host, hand with its place in the queue, muted by whom, on the stage: in words beside a name. */
export function StandingOf({ model, peerId }: { model: CallModel; peerId: string }) {
  const moderation = state(model);
  if (moderation === null) return null;
  const hand = moderation.hands.findIndex((one) => one.peer_id === peerId);
  const muted = moderation.muted.find((one) => one.peer_id === peerId && one.source === "mic");
  return (
    <span class="standing" data-test="standing" data-peer={peerId}>
      {moderation.host === peerId && <StateWord tone="info">{t("call-host")}</StateWord>}
      {moderation.spotlight === peerId && <StateWord tone="info">{t("call-on-stage")}</StateWord>}
      {hand >= 0 && <StateWord tone="warn">{t("call-hand-place", { place: hand + 1 })}</StateWord>}
      {muted !== undefined && <StateWord tone="off">{t("call-muted-by", { name: muted.by.name })}</StateWord>}
    </span>
  );
}

/** What concerns this person now: somebody knocks, a mute, a request to speak. No sound, nothing over the pictures. */
export function ModerationNotices({ model }: { model: CallModel }) {
  return (
    <>
      <Knocks model={model} />
      <AppealNotice model={model} />
    </>
  );
}

function Knocks({ model }: { model: CallModel }) {
  const knocking = state(model)?.knocking ?? [];
  const first = knocking[0];
  if (first === undefined || panel.value === "people") return null;
  return (
    <Notice
      tone="info"
      test="knock-notice"
      action={
        knocking.length === 1 ? (
          <KnockButtons model={model} peerId={first.peer_id} name={first.name} />
        ) : (
          <Button size="small" icon="users" test="knock-show" onClick={() => (panel.value = "people")}>
            {t("call-knock-show")}
          </Button>
        )
      }
    >
      {knocking.length === 1
        ? t("call-knock-one", { name: first.name, place: first.place })
        : t("call-knock-many", { count: knocking.length })}
    </Notice>
  );
}

function KnockButtons({ model, peerId, name }: { model: CallModel; peerId: string; name: string }) {
  return (
    <span class="row">
      <Button
        kind="primary"
        size="small"
        test="knock-admit"
        title={t("call-admit-name", { name })}
        onClick={() => void model.moderate({ action: "admit", peer_id: peerId })}
      >
        {t("call-admit")}
      </Button>
      <Button
        size="small"
        test="knock-deny"
        title={t("call-deny-name", { name })}
        onClick={() => void model.moderate({ action: "deny", peer_id: peerId })}
      >
        {t("call-deny")}
      </Button>
    </span>
  );
}

function AppealNotice({ model }: { model: CallModel }) {
  const appeal = model.appeal.value;
  if (appeal === null) return null;
  const on = appeal.source === "screen" ? false : model.local.on(appeal.source);
  if (on) return null; // answered: it is on
  const { source } = appeal;
  return (
    <Notice
      tone="warn"
      test={`appeal-${appeal.kind}`}
      action={
        <span class="row">
          {source !== "screen" && (
            <Button
              kind="primary"
              size="small"
              icon={source === "mic" ? "mic" : "video"}
              test="appeal-on"
              onClick={() => {
                model.appeal.value = null;
                void model.local.switch(source, true);
              }}
            >
              {t(`call-${source}-turn-on`)}
            </Button>
          )}
          <Button size="small" test="appeal-close" onClick={() => (model.appeal.value = null)}>
            {t(appeal.kind === "muted" ? "close" : "call-appeal-not-now")}
          </Button>
        </span>
      }
    >
      {t(`call-${appeal.kind.replaceAll("_", "-")}-${source}`, { name: appeal.by.name })}
    </Notice>
  );
}

/** Doors, knocks, hands and those who are out; for everybody else, who leads. */
export function HostDesk({ model }: { model: CallModel }) {
  const moderation = state(model);
  const detail = model.detail.value;
  if (moderation === null || detail === null) return null;
  if (!leads(model)) return <NotTheHost model={model} />;
  const busy = model.busy.value;
  return (
    <section class="people host-desk" aria-label={t("call-host-desk")} data-test="host-desk">
      <h2>{t("call-host-desk")}</h2>
      <Switch
        test="switch-lock"
        label={t("call-lock")}
        hint={t("call-lock-hint")}
        on={moderation.locked}
        change={(on) => void model.moderate({ action: "lock", on })}
      />
      <Switch
        test="switch-waiting"
        label={t("call-waiting-room")}
        hint={t("call-waiting-room-hint")}
        on={moderation.waiting_room}
        change={(on) => void model.moderate({ action: "waiting_room", on })}
      />
      <div class="row">
        <Button
          size="small"
          icon="mic-off"
          test="mute-all"
          busy={busy === "moderate-mute"}
          onClick={() => void model.moderate({ action: "mute", peer_id: null })}
        >
          {t("call-mute-all")}
        </Button>
        {moderation.spotlight !== "" && (
          <Button size="small" test="spotlight-off" onClick={() => void model.moderate({ action: "spotlight" })}>
            {t("call-spotlight-off")}
          </Button>
        )}
      </div>
      <CaucusChoice model={model} />
      <KnockList model={model} />
      <HandList model={model} />
      <KeptOut model={model} />
    </section>
  );
}

function Switch(props: { test: string; label: string; hint: string; on: boolean; change: (on: boolean) => void }) {
  return (
    <label class="check switch-line">
      <input
        type="checkbox"
        role="switch"
        data-test={props.test}
        checked={props.on}
        onChange={(event) => {
          const wanted = event.currentTarget.checked;
          event.currentTarget.checked = props.on; // shown is what the server says
          props.change(wanted);
        }}
      />
      <span>
        {props.label}
        <small class="block secondary">{props.hint}</small>
      </span>
    </label>
  );
}

function KnockList({ model }: { model: CallModel }) {
  const knocking = state(model)?.knocking ?? [];
  if (knocking.length === 0) return null;
  return (
    <div data-test="knock-list">
      <h3>{t("call-knocking")}</h3>
      <ul class="people-list">
        {knocking.map((one) => (
          <li key={one.peer_id} class="person" data-test="knock" data-name={one.name}>
            <span>
              <strong>{one.name}</strong> <span class="secondary">{one.place}</span>
            </span>
            <KnockButtons model={model} peerId={one.peer_id} name={one.name} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function HandList({ model }: { model: CallModel }) {
  const hands = state(model)?.hands ?? [];
  if (hands.length === 0) return null;
  return (
    <div data-test="hand-list">
      <h3>{t("call-hands")}</h3>
      <ol class="people-list">
        {hands.map((hand, place) => {
          const name = nameOf(model, hand.peer_id);
          return (
            <li key={hand.peer_id} class="person" data-test="hand">
              <span>
                <span class="figures">{place + 1}.</span> <strong>{name}</strong>
              </span>
              <Button
                size="small"
                test="hand-lower"
                title={t("call-hand-lower-name", { name })}
                onClick={() => void model.moderate({ action: "lower_hand", peer_id: hand.peer_id })}
              >
                {t("call-hand-lower")}
              </Button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function KeptOut({ model }: { model: CallModel }) {
  const out = model.detail.value?.moderation.kept_out ?? [];
  if (out.length === 0) return null;
  return (
    <div data-test="kept-out">
      <h3>{t("call-kept-out")}</h3>
      <ul class="people-list">
        {out.map((one) => (
          <li key={one.peer_id} class="person" data-name={one.name}>
            <span>
              <strong>{one.name}</strong> <span class="secondary">{t(`call-out-${one.why}`)}</span>
            </span>
            <Button
              size="small"
              test="allow"
              title={t("call-allow-name", { name: one.name })}
              onClick={() => void model.moderate({ action: "allow", peer_id: one.peer_id })}
            >
              {t("call-allow")}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Where devices are let in: in a tab of its own, so that the call goes on. */
export function DevicesLink({ model }: { model: CallModel }) {
  if (!model.detail.value?.can.lead || model.detail.value.caucus_of !== null) return null;
  return (
    <a class="devices-link" href={`/sessions/${encodeURIComponent(model.id)}/doors`} target="_blank" rel="noopener" data-test="doors-link">
      <Icon name="link" size={16} /> {t("doors-link-from-call")}
    </a>
  );
}

/** Who leads, whose turn it is, and the lead itself when it lies free. */
function NotTheHost({ model }: { model: CallModel }) {
  const moderation = state(model);
  const detail = model.detail.value;
  if (moderation === null || detail === null) return null;
  const name = nameOf(model, moderation.host);
  const me = model.view.value?.me;
  const place = moderation.hands.findIndex((hand) => hand.peer_id === me);
  return (
    <section class="people host-line" data-test="host-line">
      <p>
        <Icon name="user" size={16} />{" "}
        {detail.moderation.host_present && name !== "" ? t("call-host-is", { name }) : t("call-host-away")}
      </p>
      {moderation.locked && (
        <p class="secondary">
          <Icon name="lock" size={16} /> {t("call-is-locked")}
        </p>
      )}
      {place >= 0 && <p class="secondary">{t("call-hand-mine", { place: place + 1 })}</p>}
      {detail.can.take_over && (
        <Button
          size="small"
          test="take-over"
          busy={model.busy.value === "moderate-take_over"}
          onClick={() => void model.moderate({ action: "take_over" })}
        >
          {t("call-take-over")}
        </Button>
      )}
    </section>
  );
}
