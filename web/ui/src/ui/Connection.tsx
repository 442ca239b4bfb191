// SPDX-License-Identifier: Apache-2.0
import type { ReadonlySignal } from "@preact/signals";
import { t } from "../i18n";
import { StateWord } from "./Words";

/** Says when what is shown may be old, because live updates are interrupted. Says nothing otherwise. */
export function Connection({ connected }: { connected: ReadonlySignal<boolean> }) {
  return (
    <span role="status" data-test="connection">
      {!connected.value && (
        <StateWord tone="warn" live>
          {t("live-interrupted")}
        </StateWord>
      )}
    </span>
  );
}
