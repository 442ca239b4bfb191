// SPDX-License-Identifier: Apache-2.0
// Before joining: do the camera and the microphone work, who is here, and does everybody agree.
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { me } from "../state";
import { timeOfDay } from "../time";
import { Button, ErrorNotice, Icon, StateWord } from "../ui";
import { DeviceChoices, DeviceFaults } from "./Devices";
import type { CallModel } from "./model";
import { ConsentWords, PeopleHere } from "./People";
import { Picture } from "./Picture";
import { RoomCameras } from "./RoomCameras";

export function Lobby({ model }: { model: CallModel }) {
  const { local } = model;
  const detail = model.detail.value;
  const person = me.value;
  const mine = model.mine.value;
  // An officer before a screen is there in person: the first line is theirs.
  useEffect(() => {
    if (person?.kind === "account" && detail !== null && (mine === null || mine.attendees.length === 0))
      void model.setPeople([{ name: person.name, kind: "officer" }]);
  }, []);
  if (detail === null) return null;
  const { camOn, micOn } = local.choice.value;
  const cam = local.cam.value;
  const present = detail.participants.filter(
    (participant) => participant.present && !participant.me && participant.kind !== "camera",
  );
  const silent = local.mic.value.track === null || !micOn;
  const blind = cam.track === null || !camOn;
  const all = mine?.attendees ?? [];
  const ready = all.length > 0 && all.every((one) => one.agreed === true);
  const recorded = detail.recording.started_utc_ms !== null;
  return (
    <main class="lobby" id="content" tabIndex={-1}>
      <header class="lobby-head">
        <a class="button button-quiet button-small" href="/">
          <Icon name="chevron-left" size={18} />
          <span>{t("call-back")}</span>
        </a>
        <div>
          <h1>{detail.title}</h1>
          <p class="secondary">
            {detail.place?.name}
            {present.length > 0 && ` · ${t("call-present", { names: present.map((one) => one.name).join("、") })}`}
          </p>
        </div>
        {detail.recording.state === "on" && (
          <StateWord tone="record" live>
            {t("call-rec-on", { time: timeOfDay(detail.recording.since_utc_ms ?? 0) })}
          </StateWord>
        )}
      </header>
      <div class="lobby-columns">
        <section class="lobby-picture" aria-label={t("call-own-picture")}>
          <div class="preview">
            {blind ? (
              <p class="preview-off">{cam.opening ? t("call-camera-opening") : t("call-camera-off")}</p>
            ) : (
              <Picture track={cam.track} mirrored label={t("call-own-picture")} test="preview" />
            )}
            <div class="preview-buttons">
              <SwitchButton model={model} kind="mic" />
              <SwitchButton model={model} kind="cam" />
            </div>
          </div>
          <DeviceFaults local={local} />
          <DeviceChoices local={local} meter />
        </section>
        <section class="lobby-consent">
          <div class="lobby-scroll">
            <PeopleHere model={model} />
            <RoomCameras model={model} />
            <ConsentWords model={model} open />
          </div>
          <footer class="lobby-join">
            <ErrorNotice error={model.fault.value} />
            <p class="secondary" data-test="join-hint" data-ready={ready}>
              {ready ? t("call-all-agreed") : t(recorded ? "call-consent-before-join" : "call-consent-later")}
            </p>
            <Button kind="primary" size="huge" icon="video" test="call-join" onClick={() => model.join()}>
              {t(joinWord(silent, blind))}
            </Button>
          </footer>
        </section>
      </div>
    </main>
  );
}

function joinWord(silent: boolean, blind: boolean): string {
  if (silent && blind) return "call-join-watching";
  if (silent) return "call-join-without-microphone";
  return blind ? "call-join-without-camera" : "call-join";
}

/** Switch microphone or camera on or off. */
export function SwitchButton({ model, kind }: { model: CallModel; kind: "mic" | "cam" }) {
  const { local } = model;
  void local[kind].value;
  const on = local.on(kind);
  const wanted = kind === "mic" ? local.choice.value.micOn : local.choice.value.camOn;
  const word = t(`call-${kind}-${on ? "turn-off" : "turn-on"}`);
  const icon = kind === "mic" ? (on ? "mic" : "mic-off") : on ? "video" : "video-off";
  return (
    <button
      type="button"
      class={`control${on ? "" : " control-off"}`}
      data-test={`call-${kind}`}
      aria-pressed={on}
      aria-label={word}
      title={`${word} (${kind === "mic" ? "M" : "V"})`}
      onClick={() => void local.switch(kind, !(wanted && on))}
    >
      <Icon name={icon} size={24} />
      <span class="control-label">{t(`call-${kind}`)}</span>
    </button>
  );
}
