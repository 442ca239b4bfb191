// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { api, type Place, type PlaceKind } from "../api";
import { t } from "../i18n";
import { useAction, useLoaded } from "../load";
import { Button, Dialog, Empty, ErrorNotice, Field, Loading, Page, Select, StateWord, Table, toast } from "../ui";
import { Confirm } from "./Confirm";

const KINDS: PlaceKind[] = ["station", "desk"];
type Open = { what: "add" } | { what: "edit"; place: Place } | { what: "disable"; place: Place } | null;

export default function Places() {
  const places = useLoaded(api.places);
  const [open, setOpen] = useState<Open>(null);
  const action = useAction();
  const close = (): void => setOpen(null);
  const done = (text: string): void => {
    setOpen(null);
    toast(text);
    places.reload();
  };
  const enable = (place: Place): void =>
    void action.run(async () => {
      await api.changePlace(place.id, { active: true });
      done(t("place-enabled", { name: place.name }));
    });
  const add = (
    <Button kind="primary" icon="plus" onClick={() => setOpen({ what: "add" })} test="add-place">
      {t("place-add")}
    </Button>
  );
  return (
    <Page title={t("nav-places")} lead={t("places-lead")} actions={places.data?.length ? add : undefined}>
      <div class="stack">
        <ErrorNotice error={places.error ?? action.error} />
        {!places.data && !places.error && <Loading label={t("loading")} />}
        {places.data?.length === 0 && (
          <Empty title={t("places-none")} action={add}>
            {t("places-none-lead")}
          </Empty>
        )}
        {places.data && places.data.length > 0 && (
          <Table
            label={t("nav-places")}
            rows={places.data}
            rowKey={(place) => place.id}
            rowTest="place-row"
            columns={[
              { head: t("column-name"), cell: (place) => <span class="cell-title">{place.name}</span> },
              { head: t("column-kind"), cell: (place) => t(`place-kind-${place.kind}`) },
              { head: t("column-state"), cell: (place) => <ActiveWord active={place.active} /> },
              {
                head: t("column-actions"),
                numeric: true,
                cell: (place) => (
                  <div class="actions">
                    <Button size="small" onClick={() => setOpen({ what: "edit", place })} test="edit-place">
                      {t("edit")}
                    </Button>
                    {place.active ? (
                      <Button size="small" onClick={() => setOpen({ what: "disable", place })} test="disable-place">
                        {t("disable")}
                      </Button>
                    ) : (
                      <Button size="small" onClick={() => enable(place)} test="enable-place">
                        {t("enable")}
                      </Button>
                    )}
                  </div>
                ),
              },
            ]}
          />
        )}
      </div>
      {open?.what === "add" && <PlaceForm onClose={close} onDone={done} />}
      {open?.what === "edit" && <PlaceForm place={open.place} onClose={close} onDone={done} />}
      {open?.what === "disable" && (
        <Confirm
          title={t("place-disable", { name: open.place.name })}
          says={t("place-disable-lead")}
          button={t("disable")}
          onClose={close}
          work={async () => {
            await api.changePlace(open.place.id, { active: false });
            done(t("place-disabled", { name: open.place.name }));
          }}
        />
      )}
    </Page>
  );
}

/** In use, or switched off. */
export function ActiveWord({ active }: { active: boolean }) {
  return <StateWord tone={active ? "ok" : "off"}>{active ? t("active") : t("inactive")}</StateWord>;
}

function PlaceForm(props: { place?: Place; onClose: () => void; onDone: (text: string) => void }) {
  const [name, setName] = useState(props.place?.name ?? "");
  const [kind, setKind] = useState(props.place?.kind ?? "station");
  const action = useAction();
  const submit = (): void =>
    void action.run(async () => {
      const place = { name: name.trim() };
      if (props.place) await api.changePlace(props.place.id, place);
      else await api.addPlace({ ...place, kind });
      props.onDone(t(props.place ? "saved" : "place-added", { name: place.name }));
    });
  return (
    <Dialog
      title={props.place ? t("place-edit") : t("place-add")}
      onClose={props.onClose}
      onSubmit={submit}
      test="place-dialog"
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
        placeholder={t("place-name-example")}
        required
        autofocus
        maxLength={80}
        test="place-name"
      />
      {!props.place && (
        <Select
          label={t("column-kind")}
          value={kind}
          onChange={setKind}
          options={KINDS.map((each) => ({ value: each, label: t(`place-kind-${each}`) }))}
          hint={t("place-kind-hint")}
          test="place-kind"
        />
      )}
    </Dialog>
  );
}
