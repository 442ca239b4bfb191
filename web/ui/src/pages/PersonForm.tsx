// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { api, type Person, type Place, type Role } from "../api";
import { t } from "../i18n";
import { useAction } from "../load";
import { Button, Dialog, ErrorNotice, Field, Select } from "../ui";

const ROLES: Role[] = ["station_officer", "hq_officer", "clerk", "administrator"];
/** A station officer without a station could open no room. */
const NEEDS_PLACE: ReadonlySet<Role> = new Set<Role>(["station_officer"]);

/** Add a person (then a one-time link follows), or change one. */
export function PersonForm(props: {
  places: Place[];
  person?: Person;
  onClose: () => void;
  onDone: (person: Person) => void;
}) {
  const { person } = props;
  const [username, setUsername] = useState(person?.username ?? "");
  const [name, setName] = useState(person?.name ?? "");
  const [role, setRole] = useState<Role>(person?.role ?? "station_officer");
  const [placeId, setPlaceId] = useState(person?.place?.id ?? "");
  const action = useAction();
  const submit = (): void =>
    void action.run(async () => {
      const fields = { name: name.trim(), role, place_id: placeId || null };
      props.onDone(
        person
          ? await api.changePerson(person.id, fields)
          : await api.addPerson({ ...fields, username: username.trim().toLowerCase() }),
      );
    });
  const places = props.places.filter((place) => place.active || place.id === placeId);
  return (
    <Dialog
      title={person ? t("person-edit") : t("person-add")}
      onClose={props.onClose}
      onSubmit={submit}
      test="person-dialog"
      actions={
        <>
          <Button onClick={props.onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={action.busy} test="save">
            {person ? t("save") : t("person-add-and-link")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <Field
        label={t("person-name")}
        value={name}
        onInput={setName}
        required
        autofocus
        maxLength={80}
        test="person-name"
      />
      {!person && (
        <Field
          label={t("username")}
          hint={t("username-hint")}
          value={username}
          onInput={setUsername}
          autocomplete="off"
          required
          maxLength={32}
          test="person-username"
        />
      )}
      <Select
        label={t("column-role")}
        value={role}
        onChange={(value) => setRole(value as Role)}
        options={ROLES.map((each) => ({ value: each, label: t(`role-${each.replace("_", "-")}`) }))}
        hint={t(`role-${role.replace("_", "-")}-hint`)}
        test="person-role"
      />
      <Select
        label={t("column-place")}
        value={placeId}
        onChange={setPlaceId}
        required={NEEDS_PLACE.has(role)}
        options={[
          { value: "", label: NEEDS_PLACE.has(role) ? t("choose") : t("no-place") },
          ...places.map((place) => ({ value: place.id, label: place.name })),
        ]}
        hint={places.length === 0 ? t("places-none") : undefined}
        test="person-place"
      />
    </Dialog>
  );
}
