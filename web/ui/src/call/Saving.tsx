// SPDX-License-Identifier: Apache-2.0
// Full pictures, small ones or sound only: what holds now, why, and the way back.
import { signal } from "@preact/signals";
import { language, t } from "../i18n";
import { Button, Icon, Notice, Select } from "../ui";
import { panel } from "./Controls";
import { CAPS_KBPS } from "./devices.ts";
import type { ModeWish } from "./linkmode.ts";
import type { CallModel } from "./model";
import type { Mode } from "./protocol.ts";
import type { CodecWish } from "./publishing.ts";

/** The mode whose explanation was read and put away. */
const read = signal<Mode>("normal");

/** In the head of the page while not everything is shown. */
export function SavingWord({ model }: { model: CallModel }) {
  const { mode } = model.watching.link.value;
  if (mode === "normal") return null;
  return (
    <button
      type="button"
      class="saving-word"
      data-test="picture-mode"
      data-mode={mode}
      title={t(`saving-${mode}-hint`)}
      onClick={() => (panel.value = "devices")}
    >
      <Icon name={mode === "audio" ? "volume-2" : "activity"} size={16} />
      <span>{t(`saving-${mode}`)}</span>
    </button>
  );
}

/** What the measured link changed, or would be better changed. */
export function SavingNotice({ model }: { model: CallModel }) {
  const { watching } = model;
  const { mode, offer } = watching.link.value;
  if (offer === "low" || offer === "audio")
    return (
      <Notice
        tone="warn"
        test="picture-offer"
        action={
          <span class="row">
            <Button size="small" kind="primary" test="picture-offer-take" onClick={() => watching.choose(offer)}>
              {t(`saving-${offer}`)}
            </Button>
            <Button size="small" test="picture-offer-decline" onClick={() => watching.decline()}>
              {t("saving-not-now")}
            </Button>
          </span>
        }
      >
        {t(`saving-offer-${offer}`)}
      </Notice>
    );
  if (watching.wish.value !== "auto" || mode === "normal" || mode === read.value) return null;
  return (
    <Notice
      tone="warn"
      test="picture-changed"
      action={
        <span class="row">
          <Button size="small" test="picture-back" onClick={() => watching.choose("normal")}>
            {t("saving-back")}
          </Button>
          <Button size="small" onClick={() => (read.value = mode)}>
            {t("saving-read")}
          </Button>
        </span>
      }
    >
      {t(`saving-auto-${mode}`)}
    </Notice>
  );
}

/** The choices themselves, in the devices' panel. */
export function PictureChoices({ model }: { model: CallModel }) {
  const { watching, local } = model;
  const { cap_kbps, codec } = local.choice.value;
  void language.value;
  return (
    <div class="stack-tight devices picture-choices">
      {model.view.value?.thrifty && (
        <>
          <Select
            label={t("saving-title")}
            test="picture-wish"
            value={watching.wish.value}
            options={(["auto", "normal", "low", "audio"] as const).map((value) => ({ value, label: t(`saving-${value}`) }))}
            onChange={(value) => watching.choose(value as ModeWish)}
          />
          <Select
            label={t("saving-cap")}
            test="picture-cap"
            value={String(cap_kbps)}
            options={CAPS_KBPS.map((kbps) => ({
              value: String(kbps),
              label: kbps === 0 ? t("saving-cap-none") : t("saving-cap-kbps", { kbps }),
            }))}
            onChange={(value) => watching.cap(Number(value))}
          />
        </>
      )}
      <Select
        label={t("saving-codec")}
        test="picture-codec"
        value={codec}
        options={(["auto", "vp8", "h264"] as const).map((value) => ({ value, label: t(`saving-codec-${value}`) }))}
        onChange={(value) => local.setCodec(value as CodecWish)}
      />
    </div>
  );
}

/** While the screen is shared: what it shows, for text wants to be sharp and a film quick. */
export function ShareChoice({ model }: { model: CallModel }) {
  const { local } = model;
  if (local.screen.value === null) return null;
  const content = local.choice.value.screen;
  return (
    <Notice
      tone="info"
      test="sharing"
      action={
        <span class="row" role="group" aria-label={t("sharing-what")}>
          {(["detail", "motion"] as const).map((one) => (
            <button
              key={one}
              type="button"
              class={`button button-small ${content === one ? "button-primary" : "button-secondary"}`}
              aria-pressed={content === one}
              data-test={`sharing-${one}`}
              onClick={() => void local.setScreenContent(one)}
            >
              <span>{t(`sharing-${one}`)}</span>
            </button>
          ))}
        </span>
      }
    >
      {t("sharing-now")}
    </Notice>
  );
}
