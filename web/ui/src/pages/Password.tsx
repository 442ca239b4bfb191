// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAction } from "../load";
import { navigate } from "../router";
import { me, signedIn } from "../state";
import { Button, ErrorNotice, Field, Page, toast } from "../ui";
import { type NewPassword, NewPasswordFields, passwordFault } from "./NewPassword";

export default function Password() {
  const forced = me.value?.must_change_password ?? false;
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState<NewPassword>({ first: "", second: "" });
  const [fault, setFault] = useState<string | null>(null);
  const action = useAction();

  const submit = async (): Promise<void> => {
    const found = passwordFault(next);
    setFault(found);
    if (found) return;
    await action.run(async () => {
      const answer = await api.changePassword(current, next.first);
      navigate("/", { replace: true });
      await signedIn(answer);
      toast(t("password-changed"));
    });
  };

  return (
    <Page title={t("change-password")} narrow lead={forced ? t("change-password-forced") : undefined}>
      <form
        class="card stack form-narrow"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <ErrorNotice error={action.error} />
        <input type="text" autocomplete="username" value={me.value?.username ?? ""} hidden readOnly />
        <Field
          label={forced ? t("one-time-password") : t("current-password")}
          value={current}
          onInput={setCurrent}
          type="password"
          autocomplete="current-password"
          required
          autofocus
          test="current-password"
        />
        <NewPasswordFields
          value={next}
          fault={fault}
          onInput={(value) => {
            setNext(value);
            setFault(null);
          }}
        />
        <div class="row">
          <Button kind="primary" type="submit" busy={action.busy} test="change-password">
            {t("change-password")}
          </Button>
        </div>
      </form>
    </Page>
  );
}
