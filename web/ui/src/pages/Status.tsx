// SPDX-License-Identifier: Apache-2.0
// For the technician: the health of every part in one column, what to do where something is wrong.
import { useEffect } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../load";
import { serverNow, timeOfDay } from "../time";
import { Button, ErrorNotice, Icon, Loading, Page, StateWord } from "../ui";
import { statusName, statusSentence } from "./statusWords";

const EVERY_MS = 10_000;

export default function Status() {
  const status = useLoaded(async () => ({ ...(await api.status()), at_utc_ms: serverNow() }));
  useEffect(() => {
    const timer = setInterval(status.reload, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const counters = Object.entries(status.data?.counters ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Page
      title={t("status-title")}
      lead={status.data ? t("status-at", { time: timeOfDay(status.data.at_utc_ms) }) : undefined}
      actions={
        <Button icon="refresh-cw" onClick={status.reload} test="refresh">
          {t("refresh")}
        </Button>
      }
      narrow
    >
      <div class="stack">
        <ErrorNotice error={status.error} />
        {!status.data && !status.error && <Loading label={t("loading")} />}
        {status.data && (
          <ul class="status-list">
            {status.data.items.map((item) => (
              <li key={item.name} class={`status-item tone-${item.state}`} data-test="status-item" data-state={item.state}>
                <Icon name={item.state === "ok" ? "circle-check" : item.state === "warn" ? "triangle-alert" : "circle-x"} />
                <div>
                  <strong>{statusName(item)}</strong>
                  <p>{statusSentence(item)}</p>
                </div>
                <StateWord tone={item.state}>{t(`state-${item.state}`)}</StateWord>
              </li>
            ))}
          </ul>
        )}
        {counters.length > 0 && (
          <details class="card">
            <summary>{t("status-counters")}</summary>
            <table class="counters">
              <tbody>
                {counters.map(([name, value]) => (
                  <tr key={name}>
                    <td>
                      <code>{name}</code>
                    </td>
                    <td class="numeric">{value}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        )}
      </div>
    </Page>
  );
}
