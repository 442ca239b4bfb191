// SPDX-License-Identifier: Apache-2.0
// A new door: for which device, to send or to watch, for how long, and who sits before its camera.
import { useState } from "preact/hooks";
import { ATTENDEE_KINDS, NAME_LIMIT, PEOPLE_LIMIT } from "../call/calls";
import { type DoorRight, doors, type MadeDoor, namesIn } from "../doors";
import { t } from "../i18n";
import { useAction } from "../load";
import { Button, Dialog, ErrorNotice, Field, Select } from "../ui";

const LIVES_MINUTES = [60, 240, 480, 1440];
const USUAL_MINUTES = 240;
const NAMES_LENGTH = (NAME_LIMIT + 1) * PEOPLE_LIMIT;

export interface DoorFormProps {
  sessionId: string;
  onClose: () => void;
  onDone: (made: MadeDoor, right: DoorRight) => void;
}

export function DoorForm({ sessionId, onClose, onDone }: DoorFormProps) {
  const [name, setName] = useState("");
  const [right, setRight] = useState<DoorRight>("publish");
  const [life, setLife] = useState(String(USUAL_MINUTES));
  const [people, setPeople] = useState("");
  const [kind, setKind] = useState<string>("officer");
  const action = useAction();
  const names = right === "publish" ? namesIn(people) : [];
  const wrong = names.length > PEOPLE_LIMIT || names.some((each) => each.length > NAME_LIMIT);
  const make = (): void => {
    if (!name.trim() || wrong || (right === "publish" && names.length === 0)) return;
    const wanted = {
      name: name.trim(),
      right,
      life_minutes: Number(life),
      people: names.map((each) => ({ name: each, kind })),
    };
    void action.run(async () => onDone(await doors.open(sessionId, wanted), right));
  };
  return (
    <Dialog
      title={t("door-new")}
      onClose={onClose}
      onSubmit={make}
      test="door-form"
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={action.busy} test="door-make">
            {t("door-make")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <Field label={t("door-name")} hint={t("door-name-hint")} value={name} onInput={setName} maxLength={NAME_LIMIT} required autofocus test="door-name" />
      <Select
        label={t("door-right")}
        value={right}
        onChange={(value) => setRight(value as DoorRight)}
        options={(["publish", "watch"] as const).map((value) => ({ value, label: t(`door-right-${value}`) }))}
        hint={t(`door-right-${right}-hint`)}
        test="door-right"
      />
      {right === "publish" && (
        <>
          <Field
            label={t("door-people")}
            hint={t("door-people-hint")}
            error={wrong ? t("door-people-wrong", { people: PEOPLE_LIMIT, letters: NAME_LIMIT }) : null}
            value={people}
            onInput={setPeople}
            maxLength={NAMES_LENGTH}
            required
            test="door-people"
          />
          <Select
            label={t("call-person-kind")}
            value={kind}
            onChange={setKind}
            options={ATTENDEE_KINDS.map((each) => ({ value: each, label: t(`attendee-kind-${each.replaceAll("_", "-")}`) }))}
            test="door-kind"
          />
        </>
      )}
      <Select
        label={t("door-life")}
        value={life}
        onChange={setLife}
        options={LIVES_MINUTES.map((minutes) => ({ value: String(minutes), label: t("door-hours", { hours: minutes / 60 }) }))}
        test="door-life"
      />
    </Dialog>
  );
}
