// SPDX-License-Identifier: Apache-2.0
// All sessions this person may see. Filters stand in the address, so that a view can be kept and sent.
import { useEffect, useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../load";
import { address, setQuery } from "../router";
import { useSessions } from "../sessions";
import { me } from "../state";
import { dayStart } from "../time";
import { Button, Connection, Empty, ErrorNotice, Field, Loading, Page, Select } from "../ui";
import { NewSession } from "./NewSession";
import { SessionTable } from "./SessionTable";

const TYPING_PAUSE_MS = 300;
const DAY_MS = 86_400_000;
const PAGE_SIZE = "50";
const STATES = ["live", "open", "ended"] as const;

/** The API's query for what the address asks. Days are this PC's days; the last one counts whole. */
function query(wanted: URLSearchParams): Record<string, string> {
  const filters: Record<string, string> = { limit: PAGE_SIZE };
  const q = wanted.get("q");
  const place = wanted.get("place");
  const state = wanted.get("state");
  const from = dayStart(wanted.get("from") ?? "");
  const to = dayStart(wanted.get("to") ?? "");
  if (q) filters["q"] = q;
  if (place) filters["place_id"] = place;
  if (state) filters["state"] = state;
  if (from !== null) filters["from_utc_ms"] = String(from);
  if (to !== null) filters["to_utc_ms"] = String(to + DAY_MS);
  return filters;
}

export default function Sessions() {
  const wanted = address.value.query;
  const { sessions, error, reload, more, connected } = useSessions(query(wanted));
  const [creating, setCreating] = useState(false);
  const person = me.value;
  const mayCreate = person?.role === "station_officer" || person?.role === "hq_officer";
  const filtered = ["q", "place", "state", "from", "to"].some((name) => wanted.get(name));
  return (
    <Page
      title={t("sessions-title")}
      actions={
        <>
          <Connection connected={connected} />
          {mayCreate && (
            <Button kind="primary" icon="plus" onClick={() => setCreating(true)} test="new-session">
              {t("new-session")}
            </Button>
          )}
        </>
      }
    >
      <Filters />
      <ErrorNotice error={error} action={<Button onClick={reload}>{t("try-again")}</Button>} />
      {!sessions && !error && <Loading label={t("loading")} />}
      {sessions?.length === 0 &&
        (filtered ? (
          <Empty title={t("sessions-none-found")} action={<ClearFilters />}>
            {t("sessions-none-found-lead")}
          </Empty>
        ) : (
          <Empty title={t("sessions-none")}>{t("sessions-none-lead")}</Empty>
        ))}
      {sessions && sessions.length > 0 && <SessionTable sessions={sessions} label={t("sessions-title")} />}
      {more && (
        <p class="more">
          <Button onClick={more} test="more">
            {t("more")}
          </Button>
        </p>
      )}
      {creating && <NewSession onClose={() => setCreating(false)} />}
    </Page>
  );
}

function ClearFilters() {
  return (
    <Button onClick={() => setQuery({ q: null, place: null, state: null, from: null, to: null })} test="clear-filters">
      {t("clear-filters")}
    </Button>
  );
}

function Filters() {
  const wanted = address.value.query;
  const kept = wanted.get("q") ?? "";
  const [q, setQ] = useState(kept);
  const places = useLoaded(api.places);
  useEffect(() => setQ(kept), [kept]);
  useEffect(() => {
    if (q === kept) return undefined;
    const later = setTimeout(() => setQuery({ q }), TYPING_PAUSE_MS);
    return () => clearTimeout(later);
  }, [q]);
  return (
    <div class="filters" role="search">
      <Field label={t("filter-search")} value={q} onInput={setQ} type="search" test="filter-q" />
      <Select
        label={t("filter-place")}
        value={wanted.get("place") ?? ""}
        onChange={(place) => setQuery({ place })}
        options={[
          { value: "", label: t("filter-all") },
          ...(places.data ?? []).map((place) => ({ value: place.id, label: place.name })),
        ]}
        test="filter-place"
      />
      <Select
        label={t("filter-state")}
        value={wanted.get("state") ?? ""}
        onChange={(state) => setQuery({ state })}
        options={[
          { value: "", label: t("filter-all") },
          ...STATES.map((state) => ({ value: state, label: t(`session-${state}`) })),
        ]}
        test="filter-state"
      />
      <Field
        label={t("filter-from")}
        value={wanted.get("from") ?? ""}
        onInput={(from) => setQuery({ from })}
        type="date"
        test="filter-from"
      />
      <Field
        label={t("filter-to")}
        value={wanted.get("to") ?? ""}
        onInput={(to) => setQuery({ to })}
        type="date"
        test="filter-to"
      />
    </div>
  );
}
