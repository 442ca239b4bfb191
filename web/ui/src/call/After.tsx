// SPDX-License-Identifier: Apache-2.0
// After the call: what became of the record, and where to go now.
import { ApiError, type Detail } from "../api";
import { errorText, t } from "../i18n";
import { duration } from "../time";
import { Button, Notice, StateWord } from "../ui";
import type { CallModel } from "./model";
import { recordWord } from "./RecordingLine";

export function After({ model }: { model: CallModel }) {
  const detail = model.detail.value;
  const ending = model.ending.value;
  if (detail === null) return null;
  const over = detail.state === "ended";
  const word = recordWord(detail, null);
  return (
    <main class="after" id="content" tabIndex={-1} data-test="call-after">
      <div class="card stack">
        <h1>{t(titleOf(ending?.reason ?? (over ? "closed" : "left"), over))}</h1>
        <p class="secondary">{detail.title}</p>
        {ending?.reason === "refused" && <Notice tone="fail">{errorText(ending.error)}</Notice>}
        {ending !== null && ["removed", "denied", "full"].includes(ending.reason) && (
          <Notice tone="warn" test="after-why">
            {t(`call-after-${ending.reason}-why`)}
          </Notice>
        )}
        {ending?.reason === "protocol" && <Notice tone="warn">{t("call-after-protocol")}</Notice>}
        <p>
          <StateWord tone={word.tone} live={word.live} test="after-recording">
            {word.text}
          </StateWord>
        </p>
        {detail.duration_ms !== null && <p>{t("call-after-length", { length: duration(detail.duration_ms) })}</p>}
        {waiting(detail)}
        <div class="row">
          {detail.can.read && (
            <Button kind="primary" href={`/sessions/${detail.id}`} test="after-open">
              {t("call-after-open")}
            </Button>
          )}
          {!over && detail.can.join && (
            <Button
              kind="primary"
              icon={ending?.reason === "protocol" ? "refresh-cw" : "video"}
              test="after-rejoin"
              onClick={() => location.reload()}
            >
              {t(ending?.reason === "replaced" ? "call-after-here" : "call-after-rejoin")}
            </Button>
          )}
          <Button href="/">{t("nav-home")}</Button>
        </div>
      </div>
    </main>
  );
}

function titleOf(reason: string, over: boolean): string {
  if (reason === "refused" && !over) return "call-after-refused";
  if (["replaced", "removed", "denied", "full", "protocol"].includes(reason)) return `call-after-${reason}`;
  return over ? "call-after-closed" : "call-after-left";
}

function waiting(detail: Detail) {
  const { waiting_uploads } = detail.recording;
  return waiting_uploads > 0 ? <p class="secondary">{t("call-after-waiting", { count: waiting_uploads })}</p> : null;
}

/** The session could not be opened at all. */
export function NoCall({ model }: { model: CallModel }) {
  const error = model.fault.value;
  const gone = error instanceof ApiError && error.status === 404;
  return (
    <main class="after" id="content" tabIndex={-1}>
      <div class="card stack">
        <Notice tone="fail" test="error">
          <span data-test="error-text">{errorText(error)}</span>
        </Notice>
        <div class="row">
          {!gone && (
            <Button kind="primary" onClick={() => void model.start()}>
              {t("try-again")}
            </Button>
          )}
          <Button href="/">{t("nav-home")}</Button>
        </div>
      </div>
    </main>
  );
}
