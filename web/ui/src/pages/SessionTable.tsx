// SPDX-License-Identifier: Apache-2.0
import type { Summary } from "../api";
import { language, t } from "../i18n";
import { navigate } from "../router";
import { Button, type Column, Table, When } from "../ui";
import { RecordingWord, recordingWarning, sessionLength, SessionWord, TranscriptWord } from "../words";

/** Where a session opens: its record for those who may read it, the call for those who may only join. */
export function sessionAddress(session: Summary): string {
  const inCall = session.state !== "ended" && session.can.join;
  return inCall || !session.can.read ? `/call/${session.id}` : `/sessions/${session.id}`;
}

/** The people before the cameras, as one line. */
export function names(session: Summary): string {
  return session.people.join(language.value === "en" ? ", " : "、");
}

const columns = (): Column<Summary>[] => [
  {
    head: t("column-session"),
    wide: true,
    cell: (session) => (
      <div>
        <a class="cell-title" href={sessionAddress(session)} data-test="open-session">
          {session.caucus_of === null ? session.title : t("caucus-of-title", { title: session.title })}
        </a>
        <div class="cell-more">
          {[session.place?.name, names(session)].filter(Boolean).join(" · ")}
        </div>
      </div>
    ),
  },
  { head: t("column-when"), cell: (session) => <When utc_ms={session.started_utc_ms ?? session.created_utc_ms} /> },
  { head: t("column-length"), cell: sessionLength, numeric: true },
  { head: t("column-state"), cell: (session) => <SessionWord session={session} />, tight: true },
  {
    head: t("column-recording"),
    cell: (session) => {
      const warning = recordingWarning(session.recording);
      return (
        <div>
          <RecordingWord recording={session.recording} />
          {warning && (
            <div class="cell-warning" data-test="recording-warning">
              {warning}
            </div>
          )}
        </div>
      );
    },
  },
  { head: t("column-transcript"), cell: (session) => <TranscriptWord transcript={session.transcript} recording={session.recording} />, minor: true },
];

/** Sessions as rows; Enter or a click opens one. */
export function SessionTable({ sessions, label }: { sessions: Summary[]; label: string }) {
  return (
    <Table
      columns={columns()}
      rows={sessions}
      rowKey={(session) => session.id}
      label={label}
      onOpen={(session) => navigate(sessionAddress(session))}
      rowTest="session-row"
    />
  );
}

/** A session to go into now: large, with what it is and the one button. */
export function SessionCard({ session, first }: { session: Summary; first: boolean }) {
  return (
    <article class="card session-card" data-test="session-card" data-id={session.id}>
      <div class="stack-tight">
        <h2>{session.caucus_of === null ? session.title : t("caucus-of-title", { title: session.title })}</h2>
        <p class="secondary">
          {[session.place?.name, names(session)].filter(Boolean).join(" · ")}
        </p>
        <p class="row">
          <SessionWord session={session} />
          <When utc_ms={session.started_utc_ms ?? session.created_utc_ms} />
          {session.recording.state !== "off" && <RecordingWord recording={session.recording} />}
        </p>
      </div>
      {session.can.join && (
        <Button kind={first ? "primary" : "secondary"} href={`/call/${session.id}`} icon="video" test="join-session">
          {t("join-session")}
        </Button>
      )}
    </article>
  );
}
