// SPDX-License-Identifier: Apache-2.0
// What stands round every page: the bar at the top with where one can go, who one is, and how to leave.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Me, Role } from "./api";
import { language, t } from "./i18n";
import { Confirm } from "./pages/Confirm";
import { address } from "./router";
import { chooseLanguage, largeType, setLargeType, signOut } from "./state";
import { Icon, type IconName, Toasts } from "./ui";

interface Place {
  href: string;
  text: string;
  icon: IconName;
}
const home: Place = { href: "/", text: "nav-home", icon: "house" };
const sessions: Place = { href: "/sessions", text: "nav-sessions", icon: "list" };
const copies: Place = { href: "/copies", text: "copy-link", icon: "copy" };
const places: Record<Role, Place[]> = {
  station_officer: [home, sessions],
  hq_officer: [home, sessions, copies],
  clerk: [home, sessions, copies],
  set: [home],
  administrator: [
    home,
    sessions,
    copies,
    { href: "/admin/people", text: "nav-people", icon: "users" },
    { href: "/admin/places", text: "nav-places", icon: "building-2" },
    { href: "/admin/sets", text: "nav-sets", icon: "tablet-smartphone" },
    { href: "/admin/cameras", text: "nav-cameras", icon: "cctv" },
    { href: "/status", text: "nav-status", icon: "activity" },
  ],
};

/** Language and type size, also for those who have not signed in. */
export function Preferences() {
  const other = language.value === "en" ? "zh-CN" : "en";
  return (
    <>
      <button
        type="button"
        class="bar-button"
        data-test="large-type"
        aria-pressed={largeType.value}
        title={t("large-type")}
        onClick={() => setLargeType(!largeType.value)}
      >
        <Icon name="a-large-small" size={18} />
        <span class="bar-wide">{t("large-type")}</span>
      </button>
      <button
        type="button"
        class="bar-button"
        data-test="language"
        lang={other}
        onClick={() => void chooseLanguage(other)}
      >
        <Icon name="languages" size={18} />
        <span>{other === "en" ? "English" : "中文"}</span>
      </button>
    </>
  );
}

function here(path: string, href: string): boolean {
  return href === "/" ? path === "/" : path === href || path.startsWith(`${href}/`);
}

export interface FrameProps {
  person: Me;
  /** Nowhere to go before a password of one's own is set. */
  bound?: boolean;
  children: ComponentChildren;
}

/** The window of a signed-in person. */
export function Frame({ person, bound, children }: FrameProps) {
  const path = address.value.path;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the bar is wider than the screen: where one is must not lie outside.
    const bar = nav.current;
    const place = bar?.querySelector("[aria-current]")?.getBoundingClientRect();
    if (!bar || !place) return;
    const shown = bar.getBoundingClientRect();
    bar.scrollLeft += place.left - shown.left - (shown.width - place.width) / 2;
  }, [path]);
  return (
    <>
      <a class="skip" href="#content" target="_self">
        {t("skip-to-content")}
      </a>
      <header class="bar">
        <a class="bar-brand" href="/">
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span>{t("product")}</span>
        </a>
        <nav class="bar-nav" ref={nav} aria-label={t("nav-label")}>
          {(bound ? [] : places[person.role]).map((place) => (
            <a
              key={place.href}
              href={place.href}
              data-test={place.text}
              aria-current={here(path, place.href) ? "page" : undefined}
            >
              <Icon name={place.icon} size={18} />
              <span>{t(place.text)}</span>
            </a>
          ))}
        </nav>
        <div class="bar-end">
          <Preferences />
          <Who person={person} />
          <SignOut person={person} />
        </div>
      </header>
      {children}
      <Toasts />
    </>
  );
}

/** A set asks first: nobody in the video room could sign it in again. */
function SignOut({ person }: { person: Me }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        class="bar-button"
        data-test="sign-out"
        onClick={() => (person.kind === "set" ? setAsking(true) : void signOut())}
      >
        <Icon name="log-out" size={18} />
        <span class="bar-wide">{t("sign-out")}</span>
      </button>
      {asking && (
        <Confirm
          title={t("set-sign-out")}
          says={t("set-sign-out-lead")}
          button={t("sign-out")}
          onClose={() => setAsking(false)}
          work={signOut}
        />
      )}
    </>
  );
}

/** Name, place and role; for a person, the way to another password. */
function Who({ person }: { person: Me }) {
  const inside = (
    <>
      <strong>{person.name}</strong>
      <span class="secondary">
        {person.place ? `${person.place.name} · ` : ""}
        {t(`role-${person.role.replace("_", "-")}`)}
      </span>
    </>
  );
  if (person.kind === "set")
    return (
      <span class="bar-person" data-test="me">
        {inside}
      </span>
    );
  return (
    <a class="bar-person" data-test="me" href="/password" title={t("change-password")}>
      {inside}
    </a>
  );
}

/** The window of somebody who has not signed in: one card in the middle. */
export function OpenFrame({ children }: { children: ComponentChildren }) {
  return (
    <div class="open-frame">
      <header class="open-bar">
        <span class="bar-brand">
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span>{t("product")}</span>
        </span>
        <div class="bar-end">
          <Preferences />
        </div>
      </header>
      {children}
      <Toasts />
    </div>
  );
}
