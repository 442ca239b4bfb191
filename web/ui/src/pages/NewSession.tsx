// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAction } from "../load";
import { navigate } from "../router";
import { dateTime, serverNow } from "../time";
import { Button, Dialog, ErrorNotice, Field, Select } from "../ui";

const LANGUAGE_KEY = "videohome.spoken";

/** Asks for a title, with one that will do, so that Enter is enough; then goes into the new session. */
export function NewSession({ onClose }: { onClose: () => void }) {
  const [title, setTitle] = useState(() => t("new-session-default", { when: dateTime(serverNow()) }));
  const [spoken, setSpoken] = useState(() => localStorage.getItem(LANGUAGE_KEY) ?? "zh");
  const action = useAction();
  const create = (): void =>
    void action.run(async () => {
      const session = await api.createSession(title.trim(), spoken);
      localStorage.setItem(LANGUAGE_KEY, spoken);
      navigate(`/call/${session.id}`);
    });
  return (
    <Dialog
      title={t("new-session")}
      onClose={onClose}
      onSubmit={create}
      test="new-session-dialog"
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="primary" type="submit" busy={action.busy} test="create-session">
            {t("new-session-create")}
          </Button>
        </>
      }
    >
      <ErrorNotice error={action.error} />
      <Field
        label={t("session-title")}
        hint={t("session-title-hint")}
        value={title}
        onInput={setTitle}
        required
        autofocus
        maxLength={120}
        test="session-title"
      />
      <Select
        label={t("session-language")}
        value={spoken}
        onChange={setSpoken}
        options={[
          { value: "zh", label: t("spoken-zh") },
          { value: "en", label: t("spoken-en") },
        ]}
        hint={t("session-language-hint")}
        test="session-language"
      />
    </Dialog>
  );
}
