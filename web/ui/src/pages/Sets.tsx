// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { api, type FreshLink, type Place, type RoomSet } from "../api";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { Button, Dialog, Empty, ErrorNotice, Field, Loading, Page, Select, StateWord, Table, toast, When } from "../ui";
import { Confirm } from "./Confirm";
import { LinkDialog } from "./LinkDialog";

const EVERY_MS = 15_000;
type Open =
  | { what: "add" }
  | { what: "edit" | "disable" | "release"; set: RoomSet }
  | { what: "link"; set: RoomSet; link: FreshLink }
  | null;

export default function Sets() {
  const sets = useLoaded(api.sets);
  const places = useLoaded(api.places);
  const [open, setOpen] = useState<Open>(null);
  const action = useAction();
  useEffect(() => {
    const timer = setInterval(sets.reload, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const close = (): void => setOpen(null);
  const done = (text: string): void => {
    setOpen(null);
    toast(text);
    sets.reload();
  };
  const invite = (set: RoomSet): void =>
    void action.run(async () => setOpen({ what: "link", set, link: await api.inviteSet(set.id) }));
  const change = (set: RoomSet, active: boolean, text: string) => async (): Promise<void> => {
    await api.changeSet(set.id, { active });
    done(t(text, { name: set.name }));
  };
  const add = (
    <Button kind="primary" icon="plus" onClick={() => setOpen({ what: "add" })} test="add-set">
      {t("set-add")}
    </Button>
  );
  return (
    <Page title={t("nav-sets")} lead={t("sets-lead")} actions={sets.data?.length ? add : undefined}>
      <div class="stack">
        <ErrorNotice error={sets.error ?? action.error} />
        {!sets.data && !sets.error && <Loading label={t("loading")} />}
        {sets.data?.length === 0 && (
          <Empty title={t("sets-none")} action={add}>
            {t("sets-none-lead")}
          </Empty>
        )}
        {sets.data && sets.data.length > 0 && (
          <Table
            label={t("nav-sets")}
            rows={sets.data}
            rowKey={(set) => set.id}
            rowTest="set-row"
            columns={[
              { head: t("column-name"), cell: (set) => <span class="cell-title">{set.name}</span> },
              { head: t("column-place"), cell: (set) => set.place?.name ?? "—" },
              { head: t("column-state"), cell: (set) => <SetWord set={set} /> },
              { head: t("column-seen"), cell: (set) => <When utc_ms={set.seen_utc_ms} /> },
              {
                head: t("column-actions"),
                numeric: true,
                cell: (set) => (
                  <SetActions
                    set={set}
                    onOpen={(what) => setOpen({ what, set })}
                    onInvite={() => invite(set)}
                    onEnable={() => void action.run(change(set, true, "set-enabled"))}
                  />
                ),
              },
            ]}
          />
        )}
      </div>
      {open?.what === "add" && <SetForm places={places.data ?? []} onClose={close} onDone={done} />}
      {open?.what === "edit" && <SetForm places={places.data ?? []} set={open.set} onClose={close} onDone={done} />}
      {open?.what === "disable" && (
        <Confirm
          title={t("set-disable", { name: open.set.name })}
          says={t("set-disable-lead")}
          button={t("disable")}
          onClose={close}
          work={change(open.set, false, "set-disabled")}
        />
      )}
      {open?.what === "release" && (
        <Confirm
          title={t("set-release", { name: open.set.name })}
          says={t("set-release-lead")}
          button={t("release")}
          onClose={close}
          work={async () => {
            await api.releaseSet(open.set.id);
            done(t("set-released", { name: open.set.name }));
          }}
        />
      )}
      {open?.what === "link" && <LinkDialog kind="set" link={open.link} name={open.set.name} onClose={close} />}
    </Page>
  );
}

function SetWord({ set }: { set: RoomSet }) {
  if (!set.active) return <StateWord tone="off">{t("inactive")}</StateWord>;
  if (set.in_use)
    return (
      <StateWord tone="ok" test="set-state">
        {t("set-in-use")}
      </StateWord>
    );
  return (
    <StateWord tone={set.seen_utc_ms ? "off" : "info"} test="set-state">
      {set.seen_utc_ms ? t("set-away") : t("set-never")}
    </StateWord>
  );
}

function SetActions(props: {
  set: RoomSet;
  onOpen: (what: "edit" | "disable" | "release") => void;
  onInvite: () => void;
  onEnable: () => void;
}) {
  const { set } = props;
  if (!set.active)
    return (
      <div class="actions">
        <Button size="small" onClick={props.onEnable} test="enable-set">
          {t("enable")}
        </Button>
      </div>
    );
  return (
    <div class="actions">
      {set.in_use ? (
        <Button size="small" onClick={() => props.onOpen("release")} test="release-set">
          {t("release")}
        </Button>
      ) : (
        <Button size="small" icon="link" onClick={props.onInvite} test="invite-set">
          {t("link-make")}
        </Button>
      )}
      <Button size="small" onClick={() => props.onOpen("edit")} test="edit-set">
        {t("edit")}
      </Button>
      <Button size="small" onClick={() => props.onOpen("disable")} test="disable-set">
        {t("disable")}
      </Button>
    </div>
  );
}

function SetForm(props: { places: Place[]; set?: RoomSet; onClose: () => void; onDone: (text: string) => void }) {
  const [name, setName] = useState(props.set?.name ?? "");
  const [placeId, setPlaceId] = useState(props.set?.place?.id ?? "");
  const action = useAction();
  const submit = (): void =>
    void action.run(async () => {
      const fields = { name: name.trim(), place_id: placeId };
      if (props.set) await api.changeSet(props.set.id, fields);
      else await api.addSet(fields);
      props.onDone(t(props.set ? "saved" : "set-added", { name: fields.name }));
    });
  const places = props.places.filter((place) => place.active || place.id === placeId);
  return (
    <Dialog
      title={props.set ? t("set-edit") : t("set-add")}
      onClose={props.onClose}
      onSubmit={submit}
      test="set-dialog"
      actions={
        <>
          <Button onClick={props.onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={action.busy} test="save">
            {t("save")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <Field
        label={t("column-name")}
        value={name}
        onInput={setName}
        placeholder={t("set-name-example")}
        required
        autofocus
        maxLength={80}
        test="set-name"
      />
      <Select
        label={t("column-place")}
        value={placeId}
        onChange={setPlaceId}
        required
        options={[
          { value: "", label: t("choose") },
          ...places.map((place) => ({ value: place.id, label: place.name })),
        ]}
        hint={places.length === 0 ? t("places-none") : undefined}
        test="set-place"
      />
    </Dialog>
  );
}
