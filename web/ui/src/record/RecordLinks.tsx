// SPDX-License-Identifier: Apache-2.0
// Ways from a session to its devices, and, for the roles that look after records, to who used its record and its copies.
import type { Detail } from "../api";
import { t } from "../i18n";
import { me } from "../state";
import { readsCustody } from "./custody";

/** Whoever leads a session that has not ended opens doors for devices; so does the administrator. */
export function opensDoors(detail: Detail): boolean {
  return detail.state !== "ended" && detail.caucus_of === null && (detail.can.lead || me.value?.role === "administrator");
}

export function RecordLinks({ detail }: { detail: Detail }) {
  const sessionId = detail.id;
  const devices = opensDoors(detail) && (
    <a href={`/sessions/${sessionId}/doors`} data-test="doors-link">
      {t("doors-link")}
    </a>
  );
  if (!readsCustody(me.value?.role)) return devices || null;
  return (
    <>
      {devices}
      <a href={`/sessions/${sessionId}/custody`} data-test="custody-link">
        {t("custody-link")}
      </a>
      <a href={`/copies?session=${sessionId}`} data-test="copies-link">
        {t("copy-link")}
      </a>
    </>
  );
}
