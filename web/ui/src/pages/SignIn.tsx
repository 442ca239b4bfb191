// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAction } from "../load";
import { navigate } from "../router";
import { me, nextAddress, signedIn } from "../state";
import { Button, ErrorNotice, Field, useTitle } from "../ui";

const NAME_KEY = "videohome.username";

export default function SignIn() {
  useTitle(t("sign-in"));
  const kept = localStorage.getItem(NAME_KEY) ?? "";
  const [username, setUsername] = useState(kept);
  const [password, setPassword] = useState("");
  const action = useAction();
  const passwordInput = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (me.value) navigate(nextAddress(), { replace: true });
    else if (kept) passwordInput.current?.focus();
  }, []);

  const submit = async (): Promise<void> => {
    const good = await action.run(async () => {
      const answer = await api.signIn(username.trim(), password);
      localStorage.setItem(NAME_KEY, username.trim());
      const next = nextAddress();
      await signedIn(answer);
      navigate(next, { replace: true });
    });
    if (good) return;
    // The name was probably right: only the password has to be typed again.
    setPassword("");
    passwordInput.current?.focus();
  };

  return (
    <main class="card" id="content" tabIndex={-1}>
      <h1>{t("sign-in")}</h1>
      <p class="secondary">{t("sign-in-lead")}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <ErrorNotice error={action.error} />
        <Field
          label={t("username")}
          value={username}
          onInput={setUsername}
          autocomplete="username"
          required
          autofocus={!kept}
          test="username"
        />
        <Field
          label={t("password")}
          value={password}
          onInput={setPassword}
          type="password"
          autocomplete="current-password"
          required
          inputRef={passwordInput}
          test="password"
        />
        <Button kind="primary" type="submit" busy={action.busy} test="sign-in">
          {t("sign-in")}
        </Button>
      </form>
      <p class="foot-note">
        {t("no-password-yet")} <a href="/ca">{t("certificate-link")}</a>
      </p>
    </main>
  );
}
