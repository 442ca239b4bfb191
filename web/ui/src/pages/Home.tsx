// SPDX-License-Identifier: Apache-2.0
// The first page, by role: always the one thing to do next, and it is the largest.
import { useState } from "preact/hooks";
import type { Summary } from "../api";
import { t } from "../i18n";
import { useSessions } from "../sessions";
import { me } from "../state";
import { dayStart, isoDay, now } from "../time";
import { Button, Connection, Empty, ErrorNotice, Loading, Page } from "../ui";
import { AdministratorHome } from "./AdministratorHome";
import { NewSession } from "./NewSession";
import { InsecureNotice, SetHealth } from "./SetHealth";
import { names, SessionCard, SessionTable } from "./SessionTable";

export default function Home() {
  switch (me.value?.role) {
    case "station_officer":
    case "set":
      return <StationHome />;
    case "hq_officer":
      return <HeadquartersHome />;
    case "clerk":
      return <ClerkHome />;
    case "administrator":
      return <AdministratorHome />;
    default:
      return null;
  }
}

const isOpen = (session: Summary): boolean => session.state !== "ended";
/** Somebody waits there, or it runs: longest first. Then what was made and is still empty. */
function byUrgency(a: Summary, b: Summary): number {
  if (a.state !== b.state) return a.state === "live" ? -1 : 1;
  return (a.started_utc_ms ?? a.created_utc_ms) - (b.started_utc_ms ?? b.created_utc_ms);
}

/** Open ones whenever they began, and everything of today. */
function useToday() {
  const open = useSessions({ state: "open,live", limit: "100" });
  const today = useSessions({ from_utc_ms: String(dayStart(isoDay(now.value)) ?? 0), limit: "100" });
  return {
    current: open.sessions?.filter(isOpen).sort(byUrgency) ?? null,
    past: today.sessions?.filter((session) => session.state === "ended") ?? null,
    error: open.error ?? today.error,
    reload: () => {
      open.reload();
      today.reload();
    },
    connected: today.connected,
  };
}

function StationHome() {
  const { current, past, error, reload, connected } = useToday();
  const [creating, setCreating] = useState(false);
  const next = current?.find((session) => session.can.join);
  const others = current?.filter((session) => session !== next && session.can.join) ?? [];
  const person = me.value;
  return (
    <Page
      title={person?.place?.name ?? person?.name ?? ""}
      lead={<SetHealth />}
      actions={<Connection connected={connected} />}
    >
      <div class="stack">
        <InsecureNotice />
        <ErrorNotice error={error} action={<Button onClick={reload}>{t("try-again")}</Button>} />
        {!current && !error && <Loading label={t("loading")} />}
        {/* Before the list is here nobody knows that nothing runs: a hasty press would open a second session. */}
        {current && (
          <section class="hero card">
            {next ? (
              <>
                <div class="hero-text">
                  <p class="hero-eyebrow">{next.state === "live" ? t("hero-running") : t("hero-ready")}</p>
                  <h2 data-test="next-title">{next.title}</h2>
                  <p class="secondary">{names(next)}</p>
                </div>
                <Button kind="primary" size="huge" icon="video" href={`/call/${next.id}`} test="enter">
                  {t("enter-session")}
                </Button>
                <Button kind="quiet" onClick={() => setCreating(true)} test="new-session">
                  {t("new-session-other")}
                </Button>
              </>
            ) : (
              <>
                <div class="hero-text">
                  <h2>{t("hero-none")}</h2>
                  <p class="secondary">{t("hero-none-lead")}</p>
                </div>
                <Button kind="primary" size="huge" icon="video" onClick={() => setCreating(true)} test="new-session">
                  {t("start-session")}
                </Button>
              </>
            )}
          </section>
        )}
        {others.map((session) => (
          <SessionCard key={session.id} session={session} first={false} />
        ))}
      </div>
      <Today past={past} />
      {creating && <NewSession onClose={() => setCreating(false)} />}
    </Page>
  );
}

function Today({ past }: { past: Summary[] | null }) {
  if (!past) return null;
  return (
    <section>
      <div class="section-head">
        <h2>{t("today")}</h2>
        {me.value?.role !== "set" && <a href="/sessions">{t("all-sessions")}</a>}
      </div>
      {past.length ? (
        <SessionTable sessions={past} label={t("today")} />
      ) : (
        <Empty title={t("today-none")}>{t("today-none-lead")}</Empty>
      )}
    </section>
  );
}

function HeadquartersHome() {
  const { current, past, error, reload, connected } = useToday();
  const [creating, setCreating] = useState(false);
  const running = current?.filter((session) => session.state === "live").length ?? 0;
  return (
    <Page
      title={t("headquarters-title")}
      lead={current?.length ? t("headquarters-lead", { running, open: current.length - running }) : undefined}
      actions={
        <>
          <Connection connected={connected} />
          <Button icon="plus" onClick={() => setCreating(true)} test="new-session">
            {t("new-session")}
          </Button>
        </>
      }
    >
      <div class="stack">
        <InsecureNotice />
        <ErrorNotice error={error} action={<Button onClick={reload}>{t("try-again")}</Button>} />
        {!current && !error && <Loading label={t("loading")} />}
        {current?.length === 0 && (
          <Empty title={t("headquarters-none")} test="headquarters-none">
            {t("headquarters-none-lead")}
          </Empty>
        )}
        {current?.map((session, n) => (
          <SessionCard key={session.id} session={session} first={n === 0} />
        ))}
      </div>
      <Today past={past} />
      {creating && <NewSession onClose={() => setCreating(false)} />}
    </Page>
  );
}

const RECENT = 12;

function ClerkHome() {
  const { sessions, error, reload, connected } = useSessions({ limit: "100" });
  const ended = sessions?.filter((session) => session.state === "ended") ?? [];
  const working = ended.filter((session) => session.transcript?.state === "running" || session.transcript?.state === "queued");
  const ready = ended.filter((session) => session.transcript?.state === "done");
  return (
    <Page
      title={t("clerk-title")}
      lead={sessions ? t("clerk-lead", { ready: ready.length, working: working.length }) : undefined}
      actions={
        <>
          <Connection connected={connected} />
          <Button kind="primary" href="/sessions" test="all-sessions">
            {t("all-sessions")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={error} action={<Button onClick={reload}>{t("try-again")}</Button>} />
      {!sessions && !error && <Loading label={t("loading")} />}
      {sessions?.length === 0 && (
        <Empty title={t("clerk-none")}>
          {t("clerk-none-lead")}
        </Empty>
      )}
      {sessions && sessions.length > 0 && (
        <SessionTable sessions={sessions.slice(0, RECENT)} label={t("clerk-title")} />
      )}
    </Page>
  );
}
