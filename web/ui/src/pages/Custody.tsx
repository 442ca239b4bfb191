// SPDX-License-Identifier: Apache-2.0
// Who saw, played and took out one recording, when.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { actionText, custodyPaper, loadCustody, type CustodyEvent } from "../record/custody";
import { address, setQuery, type PageProps } from "../router";
import { dateTime } from "../time";
import { Button, type Column, Empty, ErrorNotice, Loading, Page, Table } from "../ui";

export default function Custody({ params }: PageProps) {
  const id = params["id"] ?? "";
  const everything = address.value.query.get("everything") === "1";
  return <List key={String(everything)} id={id} everything={everything} />;
}

function List({ id, everything }: { id: string; everything: boolean }) {
  const first = useLoaded(() => loadCustody(id, everything, null));
  const [older, setOlder] = useState<CustodyEvent[]>([]);
  const [more, setMore] = useState<number | null | undefined>(undefined);
  const action = useAction();
  const next = more === undefined ? (first.data?.next ?? null) : more;
  const rows = [...(first.data?.events ?? []), ...older];
  const showMore = (): void =>
    void action.run(async () => {
      const page = await loadCustody(id, everything, next);
      setOlder((had) => [...had, ...page.events]);
      setMore(page.next);
    });
  return (
    <Page
      title={t("custody-title")}
      lead={t("custody-lead")}
      actions={
        <>
          <Button href={`/sessions/${id}`} icon="chevron-left">
            {t("custody-back")}
          </Button>
          <Button href={custodyPaper(id)} icon="download" test="custody-print">
            {t("custody-print")}
          </Button>
        </>
      }
    >
      <div class="stack">
        <label class="custody-everything">
          <input
            type="checkbox"
            checked={everything}
            data-test="custody-everything"
            onChange={(event) => setQuery({ everything: event.currentTarget.checked ? "1" : null })}
          />{" "}
          {t("custody-everything")}
        </label>
        <ErrorNotice error={first.error ?? action.error} />
        {!first.data && !first.error && <Loading label={t("loading")} />}
        {first.data && rows.length === 0 && <Empty title={t("custody-title")}>{t("custody-empty")}</Empty>}
        {rows.length > 0 && (
          <Table columns={columns()} rows={rows} rowKey={(row) => String(row.seq)} label={t("custody-title")} rowTest="custody-row" />
        )}
        {next !== null && rows.length > 0 && (
          <Button onClick={showMore} busy={action.busy}>
            {t("custody-more")}
          </Button>
        )}
      </div>
    </Page>
  );
}

function columns(): Column<CustodyEvent>[] {
  return [
    { head: t("custody-when"), cell: (row) => dateTime(row.utc_ms), tight: true },
    { head: t("custody-who"), cell: (row) => row.by_name || t("custody-system") },
    { head: t("custody-what"), cell: (row) => actionText(row.action), wide: true },
    { head: t("custody-address"), cell: (row) => row.address, minor: true },
    { head: t("custody-number"), cell: (row) => row.seq, numeric: true, minor: true },
    { head: t("custody-digest"), cell: (row) => <code title={row.digest}>{row.digest.slice(0, 12)}</code>, minor: true },
  ];
}
