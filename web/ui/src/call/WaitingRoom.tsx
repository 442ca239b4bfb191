// SPDX-License-Identifier: Apache-2.0
// Outside the door: what one waits for, that nothing is recorded of it, and one's own picture to look at meanwhile.
import { t } from "../i18n";
import { Button, StateWord } from "../ui";
import { DeviceFaults } from "./Devices";
import { SwitchButton } from "./Lobby";
import type { CallModel } from "./model";
import { Picture } from "./Picture";

export function WaitingRoom({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  const link = model.view.value?.link;
  if (detail === null || link?.name !== "waiting") return null;
  const here = link.host_here || detail.moderation.host_present;
  const cam = model.local.cam.value;
  return (
    <main class="after" id="content" tabIndex={-1} data-test="waiting-room" aria-live="polite">
      <div class="card stack">
        <h1>{t("call-waiting-title")}</h1>
        <p class="secondary">{detail.title}</p>
        <p>
          <StateWord tone="info" live>
            <span data-test="waiting-state">{t(here ? "call-waiting-host-here" : "call-waiting-host-away")}</span>
          </StateWord>
        </p>
        <p class="secondary">{t("call-waiting-hint")}</p>
        <div class="preview">
          {cam.track === null || !model.local.on("cam") ? (
            <p class="preview-off">{t("call-camera-off")}</p>
          ) : (
            <Picture track={cam.track} mirrored label={t("call-own-picture")} test="waiting-preview" />
          )}
          <div class="preview-buttons">
            <SwitchButton model={model} kind="mic" />
            <SwitchButton model={model} kind="cam" />
          </div>
        </div>
        <DeviceFaults local={model.local} />
        <div class="row">
          <Button test="waiting-leave" onClick={() => void model.leave()}>
            {t("call-waiting-leave")}
          </Button>
        </div>
      </div>
    </main>
  );
}
