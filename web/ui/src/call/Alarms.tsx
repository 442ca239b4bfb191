// SPDX-License-Identifier: Apache-2.0
// What is wrong with a camera or a microphone at this moment: to the person what to do, to who leads whose it is.
import { t } from "../i18n";
import { Notice } from "../ui";
import type { CallModel } from "./model";

export function Alarms({ model }: { model: CallModel }) {
  const own = ownTroubles(model);
  const others = othersTroubles(model);
  return (
    <>
      {own.map(({ source, trouble }) => (
        <Notice key={source} tone="warn" test={`alarm-own-${source}`}>
          <span data-trouble={trouble}>{t(`alarm-own-${word(source)}-${trouble}`)}</span>
        </Notice>
      ))}
      {others.length === 1 && others.map(({ peer_id, source, trouble, name }) => (
        <Notice key="other" tone="warn" test="alarm-other">
          <span data-peer={peer_id} data-trouble={trouble}>
            {t(`alarm-other-${word(source)}-${trouble}`, { name })}
          </span>
        </Notice>
      ))}
      {others.length > 1 && (
        <Notice tone="warn" test="alarm-others">
          {t("alarm-others", { count: others.length, names: named(others.map(({ name }) => name)) })}
        </Notice>
      )}
    </>
  );
}

const NAMES_SHOWN = 4;

/** Many alarms are one line: the pictures keep their place. */
function named(names: string[]): string {
  const different = [...new Set(names)];
  const more = different.length > NAMES_SHOWN ? [t("alarm-names-more", { count: different.length - NAMES_SHOWN })] : [];
  return [...different.slice(0, NAMES_SHOWN), ...more].join(t("alarm-names-between"));
}

/** What this page measured itself is told at once; that nothing arrives only the server knows. */
function ownTroubles(model: CallModel): { source: string; trouble: string }[] {
  const found = new Map<string, string>();
  const measured = model.selfWatch.troubles.value;
  for (const source of ["mic", "cam"] as const) if (measured[source] !== null) found.set(source, measured[source]);
  const view = model.view.value;
  // While the whole connection is away, the page says that, and not what follows from it.
  if (view !== null && view.broken_since_ms === null)
    for (const one of view.troubles) if (one.peer_id === view.me && one.trouble === "stalled") found.set(one.source, one.trouble);
  return [...found].map(([source, trouble]) => ({ source, trouble }));
}

function othersTroubles(model: CallModel) {
  const view = model.view.value;
  const detail = model.detail.value;
  if (view === null || !detail?.can.lead) return [];
  return view.troubles
    .filter((one) => one.peer_id !== view.me)
    .map((one) => ({ ...one, name: detail.participants.find(({ peer_id }) => peer_id === one.peer_id)?.name ?? "" }));
}

/** A source as the texts' names have it. */
function word(source: string): string {
  return source.replace("_", "-");
}
