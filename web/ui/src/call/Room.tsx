// SPDX-License-Identifier: Apache-2.0
// In the call: pictures, what is being recorded, how the connection is, and the controls.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api";
import { t } from "../i18n";
import { Button, ErrorNotice, Notice, StateWord } from "../ui";
import { Alarms } from "./Alarms";
import { BreakQuestion } from "./Breaks";
import { CaucusBanner, CaucusCard, runningTalk } from "./Caucus";
import { Controls, panel, toggleFullscreen } from "./Controls";
import { DeviceChoices, DeviceFaults } from "./Devices";
import { MarkNotice, SectionDesk } from "./Marks";
import type { CallModel } from "./model";
import { DevicesLink, HostDesk, ModerationNotices, toggleHand } from "./Moderation";
import { ConsentWords, PeopleElsewhere, PeopleHere } from "./People";
import { RecordingLine, RecordingWarning } from "./RecordingLine";
import { PictureChoices, SavingNotice, SavingWord, ShareChoice } from "./Saving";
import { LayoutButton, Stage } from "./Stage";
import { Tracks } from "./Tracks";

export function Room({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  useKeys(model);
  if (detail === null) return null;
  const talk = runningTalk(detail);
  return (
    <main class={`room${panel.value ? " room-panel" : ""}`} id="content" tabIndex={-1} aria-label={t("call-room")}>
      <header class="room-head">
        <div class="room-title">
          <strong>{detail.title}</strong>
          <span class="secondary">{detail.place?.name}</span>
        </div>
        <RecordingLine model={model} />
        <div class="room-state">
          {model.peers.value.length > 1 && <LayoutButton />}
          <SavingWord model={model} />
          <Connection model={model} />
        </div>
      </header>
      <div class="room-notices">
        {model.soundBlocked.value && (
          <Notice
            tone="warn"
            test="sound-blocked"
            action={
              <Button size="small" icon="volume-2" test="sound-on" onClick={() => void model.unblockSound()}>
                {t("call-sound-on")}
              </Button>
            }
          >
            {t("call-sound-blocked")}
          </Notice>
        )}
        <CaucusBanner model={model} />
        <RecordingWarning detail={detail} />
        {model.fault.value !== null && (
          <ErrorNotice
            error={model.fault.value}
            action={
              <span class="row">
                {aboutConsent(model.fault.value) && panel.value !== "people" && (
                  <Button size="small" icon="users" onClick={() => (panel.value = "people")}>
                    {t("call-panel-people")}
                  </Button>
                )}
                <Button size="small" onClick={() => (model.fault.value = null)}>
                  {t("close")}
                </Button>
              </span>
            }
          />
        )}
        <DeviceFaults local={model.local} />
        <Alarms model={model} />
        <BreakQuestion model={model} />
        <MarkNotice model={model} />
        <ModerationNotices model={model} />
        <SavingNotice model={model} />
        <ShareChoice model={model} />
        {model.view.value?.blocked && (
          <Notice tone="fail" test="media-blocked">
            {t("call-media-blocked")}
          </Notice>
        )}
      </div>
      {talk === null ? <Stage model={model} /> : <CaucusCard model={model} talk={talk} />}
      {panel.value === "people" && (
        <aside class="room-side" aria-label={t("call-panel-people")}>
          <HostDesk model={model} />
          <DevicesLink model={model} />
          <SectionDesk model={model} />
          <PeopleHere model={model} />
          <PeopleElsewhere model={model} />
          <ConsentWords model={model} open={false} />
        </aside>
      )}
      {panel.value === "devices" && (
        <aside class="room-side" aria-label={t("call-panel-devices")}>
          <DeviceChoices local={model.local} meter />
          <PictureChoices model={model} />
          <Figures model={model} />
          {detail.can.lead && <Tracks model={model} />}
        </aside>
      )}
      <Controls model={model} />
    </main>
  );
}

function aboutConsent(error: unknown): boolean {
  return error instanceof ApiError && (error.code === "consent_missing" || error.code === "consent_required");
}

function Connection({ model }: { model: CallModel }) {
  const view = model.view.value;
  const broken = view?.broken_since_ms ?? null;
  const seconds = useSeconds(broken);
  const quality = model.watching.quality.value;
  if (view === null || view.link.name === "connecting")
    return (
      <StateWord tone="info" live>
        <span data-test="conn-state" data-state="connecting">
          {t("call-connecting")}
        </span>
      </StateWord>
    );
  if (broken !== null)
    return (
      <StateWord tone="warn" live>
        <span data-test="conn-state" data-state="reconnecting">
          {t("call-reconnecting", { seconds })}
        </span>
      </StateWord>
    );
  const grade = quality?.grade ?? "unknown";
  const tone = grade === "poor" ? "fail" : grade === "fair" ? "warn" : "ok";
  return (
    <StateWord tone={tone}>
      <span data-test="conn-state" data-state="connected" data-grade={grade} title={qualityTitle(model)}>
        {grade === "unknown" ? t("call-connected") : t(`call-quality-${grade}`)}
      </span>
    </StateWord>
  );
}

function qualityTitle(model: CallModel): string {
  const quality = model.watching.quality.value;
  if (!quality) return "";
  const percent = (share: number | null) => (share === null ? "–" : `${(share * 100).toFixed(1)} %`);
  return t("call-quality-figures", {
    rtt: quality.rtt_ms ?? "–",
    up: quality.kbps_up,
    down: quality.kbps_down,
    lost: percent(Math.max(quality.lost_up ?? 0, quality.lost_down ?? 0)),
  });
}

/** The same figures in words, for the technician on the telephone. */
function Figures({ model }: { model: CallModel }) {
  const quality = model.watching.quality.value;
  if (!quality) return null;
  return (
    <section class="figures-line secondary" data-test="call-figures">
      <p>{qualityTitle(model)}</p>
      {quality.width_up !== null && (
        <p>
          {t("call-sending-size", {
            width: quality.width_up,
            height: quality.height_up ?? 0,
            fps: Math.round(quality.fps_up ?? 0),
          })}
        </p>
      )}
      {quality.cpu_limited && <p>{t("call-cpu-limited")}</p>}
    </section>
  );
}

/** Whole seconds since a moment, counted while there is one. */
function useSeconds(since_ms: number | null): number {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (since_ms === null) return;
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [since_ms]);
  return since_ms === null ? 0 : Math.floor((performance.now() - since_ms) / 1000);
}

/** M microphone, V camera, S screen, H hand, K marker, P people, F full screen: not while somebody is writing. */
function useKeys(model: CallModel): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target as Element | null;
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (at?.closest("input, select, textarea, [contenteditable]")) return;
      const { local } = model;
      switch (event.key.toLowerCase()) {
        case "m":
          void local.switch("mic", !local.on("mic"));
          break;
        case "v":
          void local.switch("cam", !local.on("cam"));
          break;
        case "s":
          void local.share(local.screen.value === null);
          break;
        case "f":
          toggleFullscreen();
          break;
        case "h":
          toggleHand(model);
          break;
        case "k":
          if (model.detail.value?.marks.may_mark && model.busy.value !== "mark") void model.mark();
          break;
        case "p":
          panel.value = panel.value === "people" ? null : "people";
          break;
        default:
          return;
      }
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [model]);
}
