// SPDX-License-Identifier: Apache-2.0
// Who is signed in, and what this browser prefers.
import { signal } from "@preact/signals";
import { api, ApiError, type Language, type Me, onApiError } from "./api";
import { setLanguage } from "./i18n";
import { address, navigate } from "./router";
import { setServerClock } from "./time";

/** The signed-in person or set; null when nobody is; undefined until the server has answered. */
export const me = signal<Me | null | undefined>(undefined);
/** Set when the server cannot be reached at start. */
export const startFault = signal<ApiError | null>(null);

const TYPE_KEY = "videohome.type";
export const largeType = signal(localStorage.getItem(TYPE_KEY) === "large");

/** Switch the large-type option of this browser. */
export function setLargeType(large: boolean): void {
  largeType.value = large;
  localStorage.setItem(TYPE_KEY, large ? "large" : "normal");
  document.documentElement.dataset["type"] = large ? "large" : "normal";
}

/** A language that was chosen here before signing in: it holds against the one the server remembers. */
let chosenBefore: Language | null = null;

/** Note what the server said about the sign-in, and speak that person's language. */
export async function signedIn(answer: Me): Promise<void> {
  setServerClock(answer.server_utc_ms);
  const wanted = chosenBefore;
  chosenBefore = null;
  await setLanguage(wanted ?? answer.language);
  me.value = answer;
  if (wanted && wanted !== answer.language && !answer.must_change_password) await chooseLanguage(wanted);
}

/** Choose a language and remember it on the server for this person. */
export async function chooseLanguage(next: Language): Promise<void> {
  await setLanguage(next);
  const now = me.value;
  if (!now) {
    chosenBefore = next;
    return;
  }
  me.value = { ...now, language: next };
  await api.setLanguage(next).catch(() => undefined);
}

/** Ask the server who we are. */
export async function loadMe(): Promise<void> {
  startFault.value = null;
  try {
    await signedIn(await api.me());
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) startFault.value = error;
    me.value = null;
  }
}

/** Leave, and go to the sign-in page. */
export async function signOut(): Promise<void> {
  await api.signOut().catch(() => undefined);
  me.value = null;
  navigate("/sign-in");
}

/** A sign-in that ended elsewhere sends the person to the sign-in page, and back to the same place afterwards. */
export function watchSignIn(): void {
  onApiError((error) => {
    if (error.status === 401 && me.value) me.value = null;
    const now = me.value;
    if (error.code === "password_change_required" && now) me.value = { ...now, must_change_password: true };
  });
}

/** Where to go after signing in: the page that was asked for, if it is one of ours. */
export function nextAddress(): string {
  const wanted = address.value.query.get("next") ?? "/";
  return wanted.startsWith("/") && !wanted.startsWith("//") ? wanted : "/";
}
