// SPDX-License-Identifier: Apache-2.0
// Which camera, microphone and loudspeaker, and what is wrong with them.
import { language, t } from "../i18n";
import { Button, Notice, Select } from "../ui";
import { canCapture, canChooseSpeaker, type InputKind } from "./devices.ts";
import type { LocalMedia } from "./local.ts";
import { Meter } from "./Meter";

/** Each fault of camera and microphone: what happened, what to do, and the button to do it. */
export function DeviceFaults({ local }: { local: LocalMedia }) {
  if (!canCapture())
    return (
      <Notice tone="fail" test="device-fault" action={<Button href="/ca">{t("call-open-ca")}</Button>}>
        {t("call-fault-insecure")}
      </Notice>
    );
  const faults = (["cam", "mic"] as const).filter((kind) => local[kind].value.fault !== null);
  return (
    <>
      {faults.map((kind) => (
        <Notice
          key={kind}
          tone="warn"
          test={`device-fault-${kind}`}
          action={
            <Button
              size="small"
              icon="refresh-cw"
              test={`device-retry-${kind}`}
              busy={local[kind].value.opening}
              onClick={() => void local.open(kind)}
            >
              {t("try-again")}
            </Button>
          }
        >
          <span>{t(`call-fault-${kind}-${local[kind].value.fault?.fault ?? "unknown"}`)}</span>
          {local[kind].value.fault?.detail && (
            <details class="notice-details">
              <summary>{t("error-details")}</summary>
              <code>{local[kind].value.fault?.detail}</code>
            </details>
          )}
        </Notice>
      ))}
    </>
  );
}

/** The choices themselves. `meter` shows the level beside the microphone. */
export function DeviceChoices({ local, meter }: { local: LocalMedia; meter: boolean }) {
  const choice = local.choice.value;
  return (
    <div class="stack-tight devices">
      <Choice local={local} kind="cam" label={t("call-camera")} test="device-camera" />
      <Choice local={local} kind="mic" label={t("call-microphone")} test="device-mic" />
      {meter && (
        <div class="meter-line">
          <Meter track={local.mic.value.track} label={t("call-level")} test="level-meter" />
          <span class="secondary">{t("call-say-something")}</span>
        </div>
      )}
      {canChooseSpeaker() && <Choice local={local} kind="speaker" label={t("call-speaker")} test="device-speaker" />}
      <label class="check">
        <input
          type="checkbox"
          data-test="original-sound"
          checked={choice.original}
          onChange={(event) => void local.setOriginal(event.currentTarget.checked)}
        />
        <span>
          {t("call-original-sound")}
          <small class="secondary block">{t("call-original-sound-hint")}</small>
        </span>
      </label>
    </div>
  );
}

function Choice(props: { local: LocalMedia; kind: InputKind | "speaker"; label: string; test: string }) {
  const { local, kind } = props;
  const found = local.devices.value[kind];
  const chosen = local.choice.value[kind];
  void language.value;
  // The list holds the system's own entry "default" too; ours, the empty one, means the same.
  const others = found.filter((device) => device.deviceId !== "default");
  const options = [
    { value: "", label: t("call-device-default") },
    ...others.map((device, n) => ({ value: device.deviceId, label: device.label || `${props.label} ${n + 1}` })),
  ];
  const known = options.some((option) => option.value === chosen);
  return (
    <Select
      label={props.label}
      test={props.test}
      value={known ? chosen : ""}
      options={options}
      onChange={(id) => void local.choose(kind, id)}
    />
  );
}
