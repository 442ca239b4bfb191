// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { api, type FreshLink, type Person } from "../api";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { me } from "../state";
import { Button, Empty, ErrorNotice, Loading, Page, StateWord, Table, toast, When } from "../ui";
import { Confirm } from "./Confirm";
import { LinkDialog } from "./LinkDialog";
import { PersonForm } from "./PersonForm";
import { ActiveWord } from "./Places";

type Open =
  | { what: "add" }
  | { what: "edit" | "disable"; person: Person }
  | { what: "link"; person: Person; link: FreshLink }
  | null;

export default function People() {
  const people = useLoaded(api.people);
  const places = useLoaded(api.places);
  const [open, setOpen] = useState<Open>(null);
  const action = useAction();
  const close = (): void => setOpen(null);
  const done = (text: string): void => {
    setOpen(null);
    toast(text);
    people.reload();
  };
  const invite = (person: Person): void =>
    void action.run(async () => setOpen({ what: "link", person, link: await api.invitePerson(person.id) }));
  const enable = (person: Person): void =>
    void action.run(async () => {
      await api.changePerson(person.id, { active: true });
      done(t("person-enabled", { name: person.name }));
    });
  const rows = [...(people.data ?? [])].sort((a, b) => Number(b.active) - Number(a.active));
  return (
    <Page
      title={t("nav-people")}
      lead={t("people-lead")}
      actions={
        <Button kind="primary" icon="plus" onClick={() => setOpen({ what: "add" })} test="add-person">
          {t("person-add")}
        </Button>
      }
    >
      <div class="stack">
        <ErrorNotice error={people.error ?? action.error} />
        {!people.data && !people.error && <Loading label={t("loading")} />}
        {rows.length > 0 && (
          <Table
            label={t("nav-people")}
            rows={rows}
            rowKey={(person) => person.id}
            rowTest="person-row"
            columns={[
              {
                head: t("column-name"),
                cell: (person) => (
                  <div>
                    <span class="cell-title">{person.name}</span>
                    <div class="cell-more">{person.username}</div>
                  </div>
                ),
              },
              { head: t("column-role"), cell: (person) => t(`role-${person.role.replace("_", "-")}`) },
              { head: t("column-place"), cell: (person) => person.place?.name ?? "—" },
              { head: t("column-state"), cell: (person) => <PersonWord person={person} /> },
              { head: t("column-seen"), cell: (person) => <When utc_ms={person.last_seen_utc_ms} />, minor: true },
              {
                head: t("column-actions"),
                numeric: true,
                cell: (person) => (
                  <PersonActions
                    person={person}
                    onEdit={() => setOpen({ what: "edit", person })}
                    onDisable={() => setOpen({ what: "disable", person })}
                    onEnable={() => enable(person)}
                    onInvite={() => invite(person)}
                  />
                ),
              },
            ]}
          />
        )}
        {rows.length === 1 && <Empty title={t("people-only-you")}>{t("people-only-you-lead")}</Empty>}
      </div>
      {open?.what === "add" && (
        <PersonForm
          places={places.data ?? []}
          onClose={close}
          onDone={(person) => {
            people.reload();
            invite(person);
          }}
        />
      )}
      {open?.what === "edit" && (
        <PersonForm
          places={places.data ?? []}
          person={open.person}
          onClose={close}
          onDone={(person) => done(t("saved", { name: person.name }))}
        />
      )}
      {open?.what === "disable" && (
        <Confirm
          title={t("person-disable", { name: open.person.name })}
          says={t("person-disable-lead")}
          button={t("disable")}
          onClose={close}
          work={async () => {
            await api.changePerson(open.person.id, { active: false });
            done(t("person-disabled", { name: open.person.name }));
          }}
        />
      )}
      {open?.what === "link" && (
        <LinkDialog
          kind="account"
          link={open.link}
          name={open.person.name}
          username={open.person.username}
          onClose={close}
        />
      )}
    </Page>
  );
}

function PersonWord({ person }: { person: Person }) {
  if (person.active && !person.has_password) return <StateWord tone="info">{t("person-no-password")}</StateWord>;
  return <ActiveWord active={person.active} />;
}

function PersonActions(props: {
  person: Person;
  onEdit: () => void;
  onDisable: () => void;
  onEnable: () => void;
  onInvite: () => void;
}) {
  if (!props.person.active)
    return (
      <div class="actions">
        <Button size="small" onClick={props.onEnable} test="enable-person">
          {t("enable")}
        </Button>
      </div>
    );
  return (
    <div class="actions">
      <Button size="small" icon="link" onClick={props.onInvite} test="invite-person">
        {t("link-make")}
      </Button>
      <Button size="small" onClick={props.onEdit} test="edit-person">
        {t("edit")}
      </Button>
      {props.person.id !== me.value?.id && (
        <Button size="small" onClick={props.onDisable} test="disable-person">
          {t("disable")}
        </Button>
      )}
    </div>
  );
}
