// SPDX-License-Identifier: Apache-2.0
// The bar below the pictures: five controls, and the end of the session with its question.
import { signal } from "@preact/signals";
import { t } from "../i18n";
import { Button, Icon, type IconName } from "../ui";
import { runningTalk } from "./Caucus";
import { SwitchButton } from "./Lobby";
import type { CallModel } from "./model";
import { handUp, toggleHand } from "./Moderation";

export type Panel = "people" | "devices" | null;
export const panel = signal<Panel>(null);
const ending = signal(false);

export function Controls({ model }: { model: CallModel }) {
  const sharing = model.local.screen.value !== null;
  if (ending.value) return <EndQuestion model={model} />;
  return (
    <footer class="controls" aria-label={t("call-controls")}>
      <div class="controls-side">
        <PanelButton
          name="people"
          icon="users"
          label={t("call-panel-people")}
          count={model.view.value?.moderation?.knocking.length ?? 0}
        />
        <PanelButton name="devices" icon="settings" label={t("call-panel-devices")} />
        {document.fullscreenEnabled && (
          <button
            type="button"
            class="control control-small control-fullscreen"
            data-test="call-fullscreen"
            title={`${t("call-fullscreen")} (F)`}
            onClick={toggleFullscreen}
          >
            <Icon name="maximize" size={22} />
            <span class="control-label">{t("call-fullscreen")}</span>
          </button>
        )}
      </div>
      <div class="controls-main">
        <SwitchButton model={model} kind="mic" />
        <SwitchButton model={model} kind="cam" />
        {"getDisplayMedia" in (navigator.mediaDevices ?? {}) && (
          <button
            type="button"
            class={`control${sharing ? " control-active" : ""}`}
            data-test="call-share"
            aria-pressed={sharing}
            title={`${t(sharing ? "call-share-stop" : "call-share")} (S)`}
            onClick={() => void model.local.share(!sharing)}
          >
            <Icon name="monitor-up" size={24} />
            <span class="control-label">{t(sharing ? "call-share-stop" : "call-share")}</span>
          </button>
        )}
        <button
          type="button"
          class={`control${handUp(model) ? " control-active" : ""}`}
          data-test="call-hand"
          aria-pressed={handUp(model)}
          title={`${t(handUp(model) ? "call-hand-lower" : "call-hand-raise")} (H)`}
          onClick={() => toggleHand(model)}
        >
          <Icon name="hand" size={24} />
          <span class="control-label">{t(handUp(model) ? "call-hand-lower" : "call-hand-raise")}</span>
        </button>
        <button
          type="button"
          class="control control-leave"
          data-test="call-leave"
          title={t("call-leave")}
          onClick={() => void model.leave()}
        >
          <Icon name="phone-off" size={24} />
          <span class="control-label">{t("call-leave")}</span>
        </button>
      </div>
      <div class="controls-side controls-end">
        {mayEnd(model) && (
          <Button kind="secondary" icon="square" test="call-end" onClick={() => (ending.value = true)}>
            {t("call-end")}
          </Button>
        )}
      </div>
    </footer>
  );
}

/** A private talk has its own button; while one goes on beside this session, its end is the host's alone. */
function mayEnd(model: CallModel): boolean {
  const detail = model.detail.value;
  if (detail === null || !detail.can.lead || detail.caucus_of !== null) return false;
  return detail.can.moderate || runningTalk(detail) === null;
}

/** The whole screen, as on a station's television, or back. */
export function toggleFullscreen(): void {
  const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  void change.catch(() => undefined);
}

function PanelButton(props: { name: Exclude<Panel, null>; icon: IconName; label: string; count?: number }) {
  const open = panel.value === props.name;
  return (
    <button
      type="button"
      class={`control control-small${open ? " control-active" : ""}`}
      data-test={`panel-${props.name}`}
      aria-expanded={open}
      title={props.label}
      onClick={() => (panel.value = open ? null : props.name)}
    >
      <Icon name={props.icon} size={22} />
      <span class="control-label">{props.label}</span>
      {(props.count ?? 0) > 0 && (
        <span class="control-count" data-test="knock-count">
          {props.count}
        </span>
      )}
    </button>
  );
}

/** In the bar's own place, so that it covers nobody's face. */
function EndQuestion({ model }: { model: CallModel }) {
  const recorded = model.detail.value?.recording.started_utc_ms !== null;
  return (
    <div class="controls controls-question" role="alertdialog" aria-label={t("call-end")}>
      <p>{t(recorded ? "call-end-ask-recorded" : "call-end-ask")}</p>
      <div class="row">
        <Button kind="secondary" test="call-end-cancel" onClick={() => (ending.value = false)}>
          {t("call-end-cancel")}
        </Button>
        <Button
          kind="danger"
          test="call-end-confirm"
          busy={model.busy.value === "end"}
          onClick={() => void model.end().then(() => (ending.value = false))}
        >
          {t("call-end-confirm")}
        </Button>
      </div>
    </div>
  );
}
