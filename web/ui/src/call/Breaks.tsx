// SPDX-License-Identifier: Apache-2.0
// The question behind the pause button: why. Any answer pauses at once.
import { USUAL_REASONS } from "../breaks";
import { t } from "../i18n";
import { Button, Notice } from "../ui";
import { REASON_LIMIT } from "./calls";
import { NameField } from "./Marks";
import type { CallModel } from "./model";

export function BreakQuestion({ model }: { model: CallModel }) {
  const { recording, can } = model.detail.value ?? {};
  if (!model.asksWhy.value || recording?.state !== "on" || !can?.lead) return null;
  const busy = model.busy.value === "pause";
  const pause = (reason: string): Promise<boolean> => model.record("pause", reason);
  return (
    <Notice
      tone="info"
      test="break-question"
      action={
        <Button size="small" test="break-cancel" onClick={() => (model.asksWhy.value = false)}>
          {t("call-rec-pause-cancel")}
        </Button>
      }
    >
      <span>{t("call-rec-pause-ask")}</span>
      <span class="row mark-words">
        {USUAL_REASONS.map((reason) => (
          <Button key={reason} size="small" busy={busy} test={`break-${reason}`} onClick={() => void pause(reason)}>
            {t(`break-reason-${reason}`)}
          </Button>
        ))}
        <NameField
          label={t("call-rec-pause-own")}
          button={t("call-rec-pause")}
          test="break-own"
          limit={REASON_LIMIT}
          save={pause}
        />
        <Button size="small" kind="quiet" busy={busy} test="break-unsaid" onClick={() => void pause("")}>
          {t("call-rec-pause-unsaid")}
        </Button>
      </span>
    </Notice>
  );
}
