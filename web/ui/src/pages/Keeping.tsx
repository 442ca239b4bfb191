// SPDX-License-Identifier: Apache-2.0
// The county's records at a glance: how long each class is kept, what is held, what was deleted at its time.
import { t } from "../i18n";
import { classDays, className, keepingApi, type KeepingOverview } from "../keeping";
import { useLoaded } from "../load";
import { isoDay } from "../time";
import { ErrorNotice, Loading, Page, Table } from "../ui";

export default function Keeping() {
  const overview = useLoaded(keepingApi.overview);
  return (
    <Page title={t("keeping-overview")} lead={t("keeping-overview-lead")}>
      <div class="stack">
        <ErrorNotice error={overview.error} />
        {!overview.data && !overview.error && <Loading label={t("loading")} />}
        {overview.data && <Lists found={overview.data} />}
      </div>
    </Page>
  );
}

function Lists({ found }: { found: KeepingOverview }) {
  return (
    <>
      <Table
        label={t("keeping-class")}
        rows={found.classes}
        rowKey={(item) => item.name}
        rowTest="class-row"
        columns={[
          {
            head: t("keeping-class"),
            cell: (item) => (
              <span class="cell-title">
                {item.name === found.retention_default
                  ? t("keeping-default", { name: className(item.name) })
                  : className(item.name)}
              </span>
            ),
          },
          { head: t("keeping-title"), cell: (item) => classDays(item.days) },
          { head: t("keeping-sessions"), numeric: true, cell: (item) => item.sessions },
        ]}
      />
      <section>
        <h2>{t("keeping-holds")}</h2>
        {found.holds.length === 0 && <p class="secondary">{t("keeping-holds-none")}</p>}
        <ul>
          {found.holds.map((hold) => (
            <li key={hold.session_id} data-test="hold-row">
              <a href={`/sessions/${hold.session_id}`}>{hold.title}</a>{" "}
              {t("keeping-held", { reason: hold.reason, name: hold.by_name, date: isoDay(hold.utc_ms ?? 0) })}
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h2>{t("keeping-expired-list")}</h2>
        {found.expired.length === 0 && <p class="secondary">{t("keeping-expired-none")}</p>}
        <ul>
          {found.expired.map((item) => (
            <li key={item.session_id} data-test="expired-row">
              <a href={`/sessions/${item.session_id}`}>{item.title}</a>{" "}
              {item.done_utc_ms === null
                ? t("keeping-expired-unfinished", { date: isoDay(item.begun_utc_ms) })
                : t("keeping-expired-line", { date: isoDay(item.done_utc_ms), objects: item.objects })}
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
