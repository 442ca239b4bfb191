// SPDX-License-Identifier: Apache-2.0
import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Frame, OpenFrame } from "./Frame";
import { rememberedLanguage, setLanguage, t } from "./i18n";
import { address, followLinks, match, navigate, type PageProps, type Route } from "./router";
import { largeType, loadMe, me, setLargeType, startFault, watchSignIn } from "./state";
import { Button, ErrorNotice, Loading, Notice } from "./ui";
import "./styles/tokens.css";
import "./styles/app.css";

// Each page is a file of its own for the browser: what a person never opens is never loaded.
const routes: Route[] = [
  { pattern: "/", load: () => import("./pages/Home") },
  { pattern: "/sign-in", load: () => import("./pages/SignIn"), frame: "open" },
  { pattern: "/join", load: () => import("./pages/Join"), frame: "open" },
  { pattern: "/password", load: () => import("./pages/Password") },
  { pattern: "/sessions", load: () => import("./pages/Sessions") },
  { pattern: "/sessions/:id", load: () => import("./pages/Record") },
  { pattern: "/sessions/:id/custody", load: () => import("./pages/Custody") },
  { pattern: "/sessions/:id/doors", load: () => import("./pages/Doors") },
  { pattern: "/copies", load: () => import("./pages/Copies") },
  { pattern: "/call/:id", load: () => import("./pages/Call"), frame: "bare" },
  { pattern: "/admin/people", load: () => import("./pages/People") },
  { pattern: "/admin/places", load: () => import("./pages/Places") },
  { pattern: "/admin/sets", load: () => import("./pages/Sets") },
  { pattern: "/admin/cameras", load: () => import("./pages/Cameras") },
  { pattern: "/admin/keeping", load: () => import("./pages/Keeping") },
  { pattern: "/status", load: () => import("./pages/Status") },
];
const nothingHere: Route = { pattern: "", load: () => import("./pages/NotFound") };
const password: Route = { pattern: "/password", load: () => import("./pages/Password") };

const loaded = new Map<string, ComponentType<PageProps>>();

function RoutePage({ route, params }: { route: Route; params: Record<string, string> }) {
  const [, redraw] = useState(0);
  const [fault, setFault] = useState(false);
  const Page = loaded.get(route.pattern);
  useEffect(() => {
    setFault(false);
    if (loaded.has(route.pattern)) return;
    route.load().then(
      (module) => {
        loaded.set(route.pattern, module.default);
        redraw((n) => n + 1);
      },
      () => setFault(true),
    );
  }, [route]);
  useEffect(() => {
    // Screen readers and Page Up/Down start at the new page, unless a field of it took the focus.
    const content = document.getElementById("content");
    if (Page && content && !content.contains(document.activeElement)) content.focus({ preventScroll: true });
  }, [Page, location.pathname]);
  // The file of a page is gone when a newer version of the program is there.
  if (fault)
    return (
      <main class="page" id="content">
        <Notice tone="warn" action={<Button onClick={() => location.reload()}>{t("reload")}</Button>}>
          {t("page-incomplete")}
        </Notice>
      </main>
    );
  return Page ? <Page key={location.pathname} params={params} /> : <Loading label={t("loading")} />;
}

function App() {
  const person = me.value;
  const { path } = address.value;
  const found = match(routes, path);
  const route = found?.route ?? nothingHere;
  const open = route.frame === "open";
  useEffect(() => {
    if (person !== null || open || startFault.value) return;
    const back = path === "/" ? "" : `?next=${encodeURIComponent(path + location.search)}`;
    navigate(`/sign-in${back}`, { replace: true });
  }, [person, open, path]);

  if (startFault.value)
    return (
      <OpenFrame>
        <main class="card">
          <ErrorNotice
            error={startFault.value}
            action={<Button onClick={() => void loadMe()}>{t("try-again")}</Button>}
          />
        </main>
      </OpenFrame>
    );
  if (person === undefined) return <Loading label={t("loading")} />;
  if (open) return <OpenFrame>{<RoutePage route={route} params={{}} />}</OpenFrame>;
  if (person === null) return null;
  if (person.must_change_password)
    return (
      <Frame person={person} bound>
        <RoutePage route={password} params={{}} />
      </Frame>
    );
  const page = <RoutePage route={route} params={found?.params ?? {}} />;
  return route.frame === "bare" ? page : <Frame person={person}>{page}</Frame>;
}

async function start(): Promise<void> {
  setLargeType(largeType.value);
  await setLanguage(rememberedLanguage());
  followLinks();
  watchSignIn();
  await loadMe();
  const root = document.getElementById("app");
  if (root) render(<App />, root);
}

void start();
