// SPDX-License-Identifier: Apache-2.0
// A one-time link was opened: a person chooses a password, or this browser becomes a video room's set.
import { useEffect, useState } from "preact/hooks";
import { ApiError, api, type Invitation } from "../api";
import { errorText, t } from "../i18n";
import { useAction } from "../load";
import { navigate } from "../router";
import { signedIn } from "../state";
import { Button, ErrorNotice, Loading, Notice, useTitle } from "../ui";
import { dateTime } from "../time";
import { type NewPassword, NewPasswordFields, passwordFault } from "./NewPassword";

/** Read the token and take it out of the address bar and the history before anything else happens. */
function takeToken(): string {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

export default function Join() {
  useTitle(t("join-title"));
  const [token, setToken] = useState(takeToken);
  const [invitation, setInvitation] = useState<Invitation | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [password, setPassword] = useState<NewPassword>({ first: "", second: "" });
  const [passwordSays, setPasswordSays] = useState<string | null>(null);
  const action = useAction();

  useEffect(() => {
    // Another link opened in this tab changes only the part after #, which loads nothing anew.
    const again = (): void => {
      const fresh = takeToken();
      if (fresh) setToken(fresh);
    };
    addEventListener("hashchange", again);
    return () => removeEventListener("hashchange", again);
  }, []);
  useEffect(() => {
    setInvitation(null);
    setFault(null);
    if (!token) {
      setFault(new ApiError(404, "invitation_invalid", {}, ""));
      return;
    }
    api.lookAtInvitation(token).then(setInvitation, setFault);
  }, [token]);

  const accept = async (): Promise<void> => {
    const forPerson = invitation?.kind === "account";
    const found = forPerson ? passwordFault(password) : null;
    setPasswordSays(found);
    if (found) return;
    await action.run(async () => {
      const answer = await api.acceptInvitation(token, forPerson ? password.first : undefined);
      await signedIn(answer);
      navigate("/", { replace: true });
    });
  };

  if (fault)
    return (
      <main class="card" id="content" tabIndex={-1}>
        <h1>{t("join-title")}</h1>
        <form>
          <ErrorNotice error={fault} />
          <Button kind="primary" href="/sign-in">
            {t("to-sign-in")}
          </Button>
        </form>
      </main>
    );
  if (!invitation) return <Loading label={t("loading")} />;
  return (
    <main class="card" id="content" tabIndex={-1}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void accept();
        }}
        class="join"
      >
        {invitation.kind === "account" ? (
          <>
            <div>
              <h1 data-test="join-name">{t("join-welcome", { name: invitation.name })}</h1>
              <p class="secondary">{t("join-choose-password", { username: invitation.username ?? "" })}</p>
            </div>
            <input type="text" autocomplete="username" value={invitation.username ?? ""} hidden readOnly />
            <JoinFault error={action.error} />
            <NewPasswordFields
              value={password}
              fault={passwordSays}
              autofocus
              onInput={(value) => {
                setPassword(value);
                setPasswordSays(null);
              }}
            />
            <Button kind="primary" type="submit" busy={action.busy} test="accept">
              {t("join-set-password")}
            </Button>
          </>
        ) : (
          <>
            <div>
              <h1 data-test="join-name">{t("join-set-title")}</h1>
              <p>
                <strong>{invitation.name}</strong>
                {invitation.place_name && <span class="secondary"> · {invitation.place_name}</span>}
              </p>
            </div>
            <p class="secondary">{t("join-set-lead")}</p>
            <JoinFault error={action.error} />
            <Button kind="primary" type="submit" busy={action.busy} test="accept">
              {t("join-set-accept")}
            </Button>
          </>
        )}
      </form>
      <p class="foot-note">{t("join-expires", { when: dateTime(invitation.expires_utc_ms) })}</p>
    </main>
  );
}

function JoinFault({ error }: { error: unknown }) {
  if (error instanceof ApiError && error.code === "set_in_use" && typeof error.params["seen_utc_ms"] === "number")
    return (
      <Notice tone="warn" test="error">
        <span data-test="error-text">{errorText(error)}</span>{" "}
        <span class="secondary">{t("join-set-seen", { when: dateTime(error.params["seen_utc_ms"]) })}</span>
      </Notice>
    );
  return <ErrorNotice error={error} />;
}
