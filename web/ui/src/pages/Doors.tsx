// SPDX-License-Identifier: Apache-2.0
// Devices and programs in a session: an encoder that sends its picture, a wall that shows somebody's. Each comes in by a
// door of its own, which whoever leads the session opens, watches and takes back.
import { useEffect, useState } from "preact/hooks";
import { api, type Attendee, type Detail } from "../api";
import { calls } from "../call/calls";
import { type Door, type DoorRight, doors } from "../doors";
import { follow } from "../events";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import type { PageProps } from "../router";
import { me } from "../state";
import { dateTime } from "../time";
import { Button, type Column, Empty, ErrorNotice, Loading, Notice, Page, StateWord, Table, toast } from "../ui";
import { Confirm } from "./Confirm";
import { DoorForm } from "./DoorForm";
import { DoorKey } from "./DoorKey";

type Open = { what: "new" } | { what: "key"; token: string | null; right: DoorRight } | { what: "close"; door: Door } | null;

export default function Doors({ params }: PageProps) {
  const id = params["id"] ?? "";
  const { detail, list } = useDoors(id);
  const [open, setOpen] = useState<Open>(null);
  const ended = detail.data?.state === "ended";
  const shut = (): void => setOpen(null);
  return (
    <Page
      title={t("doors-title")}
      lead={detail.data?.title}
      actions={
        <>
          {me.value?.kind === "account" && (
            <Button href={`/sessions/${encodeURIComponent(id)}`} icon="chevron-left">
              {t("custody-back")}
            </Button>
          )}
          {!ended && (
            <Button kind="primary" icon="plus" onClick={() => setOpen({ what: "new" })} disabled={!list.data} test="door-new">
              {t("door-new")}
            </Button>
          )}
        </>
      }
    >
      <div class="stack">
        {ended ? <Notice tone="info">{t("doors-ended")}</Notice> : <p class="secondary page-words">{t("doors-lead")}</p>}
        <ErrorNotice error={ended ? detail.error : (list.error ?? detail.error)} />
        {!list.data && !list.error && <Loading label={t("loading")} />}
        {!ended && list.data?.length === 0 && (
          <Empty title={t("doors-none")} test="doors-none">
            {t("doors-none-lead")}
          </Empty>
        )}
        {!ended && list.data && list.data.length > 0 && (
          <Table
            label={t("doors-title")}
            rows={list.data}
            rowKey={(door) => door.peer_id}
            rowTest="door-row"
            columns={columns(id, detail.data, (got) => detail.set(() => got), setOpen)}
          />
        )}
      </div>
      {open?.what === "new" && (
        <DoorForm
          sessionId={id}
          onClose={shut}
          onDone={(made, right) => {
            setOpen({ what: "key", token: made.token, right });
            list.reload();
            detail.reload();
          }}
        />
      )}
      {open?.what === "key" && <DoorKey sessionId={id} token={open.token} right={open.right} detail={detail.data} onClose={shut} />}
      {open?.what === "close" && (
        <Confirm
          title={t("door-close-title", { name: open.door.name })}
          says={t("door-close-lead")}
          button={t("door-close")}
          onClose={shut}
          work={async () => {
            const left = await doors.close(id, open.door.peer_id);
            list.set(() => left);
            shut();
            toast(t("door-closed", { name: open.door.name }));
          }}
        />
      )}
    </Page>
  );
}

/** The session and its doors; asked for again with every change of the session. */
function useDoors(id: string) {
  const detail = useLoaded(() => api.session(id), id);
  const list = useLoaded(() => doors.list(id), id);
  useEffect(() => {
    const again = (): void => {
      detail.reload();
      list.reload();
    };
    const live = follow<Detail>(again, { session: id, onConnected: again });
    return live.close;
  }, [id]);
  return { detail, list };
}

function columns(id: string, detail: Detail | null, take: (got: Detail) => void, open: (what: Open) => void): Column<Door>[] {
  return [
    {
      head: t("door-name"),
      wide: true,
      cell: (door) => (
        <div>
          <span class="cell-title">{door.name}</span>
          <div class="cell-more">{t(`door-right-${door.right}`)}</div>
        </div>
      ),
    },
    {
      head: t("column-state"),
      cell: (door) => (
        <StateWord tone={door.present ? "ok" : "off"} live={door.present} test="door-state">
          {t(door.present ? "door-in-use" : "door-waiting")}
        </StateWord>
      ),
    },
    { head: t("door-people"), cell: (door) => <Consents id={id} people={peopleOf(detail, door)} take={take} /> },
    { head: t("door-until"), cell: (door) => dateTime(door.expires_utc_ms), tight: true },
    {
      head: t("column-actions"),
      numeric: true,
      cell: (door) => (
        <div class="actions">
          <Button size="small" onClick={() => open({ what: "key", token: null, right: door.right })} test="door-show">
            {t("door-address")}
          </Button>
          <Button size="small" onClick={() => open({ what: "close", door })} test="door-close">
            {t("door-close")}
          </Button>
        </div>
      ),
    },
  ];
}

function peopleOf(detail: Detail | null, door: Door): Attendee[] {
  return detail?.participants.find((one) => one.peer_id === door.peer_id)?.attendees ?? [];
}

/** Who is before the device's camera; whoever leads the session asks them and ticks what they said. */
function Consents({ id, people, take }: { id: string; people: Attendee[]; take: (got: Detail) => void }) {
  const action = useAction();
  if (people.length === 0) return <span class="secondary">—</span>;
  const say = (person: Attendee, agreed: boolean): void =>
    void action.run(async () => take(await calls.consent(id, person.id, agreed, (await calls.consentText()).version)));
  return (
    <div class="stack-tight">
      {people.map((person) => (
        <label key={person.id} class="check">
          <input
            type="checkbox"
            checked={person.agreed === true}
            disabled={action.busy}
            data-test="door-consent"
            data-name={person.name}
            onChange={(event) => {
              const agreed = event.currentTarget.checked;
              event.currentTarget.checked = person.agreed === true; // shown is what the server says
              say(person, agreed);
            }}
          />
          <span>{t(person.agreed === true ? "door-agreed" : "door-ask", { name: person.name })}</span>
        </label>
      ))}
      <ErrorNotice error={action.error} />
    </div>
  );
}
