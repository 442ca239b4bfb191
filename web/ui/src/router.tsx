// SPDX-License-Identifier: Apache-2.0
// The address is the state: pages by pattern, each loaded when it is first opened.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";

export interface PageProps {
  /** What the pattern's :names stood for. */
  params: Record<string, string>;
}
export interface Route {
  pattern: string;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** `open`: without signing in. `bare`: signed in, but the page draws the whole window itself. */
  frame?: "open" | "bare";
}

interface Address {
  path: string;
  query: URLSearchParams;
}
const read = (): Address => ({ path: location.pathname, query: new URLSearchParams(location.search) });

/** Where the person is. */
export const address = signal<Address>(read());

/** Go to an address inside the pages. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to !== location.pathname + location.search) {
    history[options.replace ? "replaceState" : "pushState"](null, "", to);
    if (!options.replace) scrollTo(0, 0);
  }
  address.value = read();
}

/** Change filters in the address; null or "" removes one. Filters replace the entry: Back leaves the page. */
export function setQuery(change: Record<string, string | null>): void {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(change)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  navigate(location.pathname + (text ? `?${text}` : ""), { replace: true });
}

/** The route of a path with its parameters, or null. */
export function match(routes: Route[], path: string): { route: Route; params: Record<string, string> } | null {
  const have = path.split("/").filter(Boolean);
  for (const route of routes) {
    const want = route.pattern.split("/").filter(Boolean);
    if (want.length !== have.length) continue;
    const params: Record<string, string> = {};
    const fits = want.every((part, n) => {
      const piece = have[n] ?? "";
      if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(piece);
      return part.startsWith(":") || part === piece;
    });
    if (fits) return { route, params };
  }
  return null;
}

const SERVER_PATHS = /^\/(api|ca|metrics|healthz|readyz)(\/|$)/;

/** Plain links work as links: a click on one inside the pages changes the address without loading anew. */
export function followLinks(): void {
  addEventListener("popstate", () => {
    address.value = read();
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (SERVER_PATHS.test(link.pathname)) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
