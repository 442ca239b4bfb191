// SPDX-License-Identifier: Apache-2.0
// Words of the pages, t(id) in the person's language, by Fluent. Components that call t() are drawn again when the
// language changes, because it reads a signal.
import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";
import { signal } from "@preact/signals";
import { ApiError, type Language } from "./api";

const LANGUAGE_KEY = "videohome.language";
const loaders: Record<Language, () => Promise<{ default: string[] }>> = {
  "zh-CN": () => import("./locales/zh-CN"),
  en: () => import("./locales/en"),
};

const current = signal<FluentBundle | null>(null);
/** The language on the screen. Change it with `useLanguage`. */
export const language = signal<Language>("zh-CN");

/** The language this browser used last, or what it prefers; Chinese where nothing says otherwise. */
export function rememberedLanguage(): Language {
  const kept = localStorage.getItem(LANGUAGE_KEY);
  if (kept === "zh-CN" || kept === "en") return kept;
  const first = navigator.languages.find((wish) => /^(zh|en)\b/i.test(wish)) ?? "zh";
  return /^en\b/i.test(first) ? "en" : "zh-CN";
}

/** Load the texts of a language and show them. */
export async function setLanguage(next: Language): Promise<void> {
  const texts = (await loaders[next]()).default;
  const bundle = new FluentBundle(next, { useIsolating: false });
  for (const text of texts) {
    const errors = bundle.addResource(new FluentResource(text));
    for (const error of errors) console.error(error);
  }
  localStorage.setItem(LANGUAGE_KEY, next);
  document.documentElement.lang = next;
  language.value = next;
  current.value = bundle;
}

export type Args = Record<string, FluentVariable>;

/** True when the language has this text. */
export function hasText(id: string): boolean {
  return current.value?.hasMessage(id) ?? false;
}

/** The text with this id. A missing text shows its id, so that a test sees it. */
export function t(id: string, args?: Args): string {
  const bundle = current.value;
  const pattern = bundle?.getMessage(id)?.value;
  if (!bundle || pattern == null) return id;
  const errors: Error[] = [];
  const text = bundle.formatPattern(pattern, args, errors);
  for (const error of errors) console.warn(id, error);
  return text;
}

/** One sentence for a fault: the server's code in the person's language, what happened and what to do. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError) {
    const id = `error-${error.code.replaceAll("_", "-")}`;
    if (hasText(id)) return t(id, plainArgs(error.params));
    return error.message || t("error-unknown", { code: error.code });
  }
  return t("error-unknown", { code: error instanceof Error ? error.name : "unknown" });
}

function plainArgs(params: Record<string, unknown>): Args {
  const args: Args = {};
  for (const [key, value] of Object.entries(params)) {
    if (key.endsWith("_utc_ms") && typeof value === "number") args[key] = new Date(value).toLocaleString(language.value);
    else if (typeof value === "number" || typeof value === "string") args[key] = value;
    else if (Array.isArray(value)) args[key] = value.join(language.value === "en" ? ", " : "、");
    else if (value != null) args[key] = String(value);
  }
  return args;
}
