// SPDX-License-Identifier: Apache-2.0
// Ways from a session to who used its record and to its copies, for the roles that look after records.
import { t } from "../i18n";
import { me } from "../state";
import { readsCustody } from "./custody";

export function RecordLinks({ sessionId }: { sessionId: string }) {
  if (!readsCustody(me.value?.role)) return null;
  return (
    <>
      <a href={`/sessions/${sessionId}/custody`} data-test="custody-link">
        {t("custody-link")}
      </a>
      <a href={`/copies?session=${sessionId}`} data-test="copies-link">
        {t("copy-link")}
      </a>
    </>
  );
}
