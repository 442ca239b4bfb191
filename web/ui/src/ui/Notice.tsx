// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { ApiError } from "../api";
import { errorText, t } from "../i18n";
import { Icon } from "./Icon";

export type Tone = "ok" | "warn" | "fail" | "info" | "off";

const marks = { ok: "circle-check", warn: "triangle-alert", fail: "circle-x", info: "info", off: "info" } as const;

/** One sentence that matters, with what to do beside it. */
export function Notice(props: { tone: Tone; children: ComponentChildren; action?: ComponentChildren; test?: string }) {
  return (
    <div class={`notice tone-${props.tone}`} role={props.tone === "fail" ? "alert" : "status"} data-test={props.test}>
      <Icon name={marks[props.tone]} />
      <div class="notice-text">{props.children}</div>
      {props.action}
    </div>
  );
}

/** What the server refused, in one sentence; code and details one click away, to be copied for the technician. */
export function ErrorNotice(props: { error: unknown; action?: ComponentChildren; test?: string }) {
  if (props.error == null) return null;
  const { error } = props;
  const detail =
    error instanceof ApiError ? `${error.status} ${error.code} ${JSON.stringify(error.params)}` : String(error);
  return (
    <Notice tone="fail" action={props.action} test={props.test ?? "error"}>
      <span data-test="error-text">{errorText(error)}</span>
      <details class="notice-details">
        <summary>{t("error-details")}</summary>
        <code>{detail}</code>
      </details>
    </Notice>
  );
}
