// SPDX-License-Identifier: Apache-2.0
// The lines: a click plays, the spoken one is lit, words can be searched.
import { useSignalEffect } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import type { Player } from "../player/player.ts";
import { Button, Icon, toast } from "../ui";
import { SightKeeper } from "./follow.ts";
import { sessionTime } from "./format.ts";
import { find, lastBegun, lineAt, type Line, step } from "./lines.ts";
import { TranscriptLine } from "./TranscriptLine";

export interface TranscriptProps {
  lines: readonly Line[];
  player: Player | null;
  colours: ReadonlyMap<string, number>;
  tools: ComponentChildren;
  note: ComponentChildren;
}

export function Transcript({ lines, player, colours, tools, note }: TranscriptProps) {
  const list = useRef<HTMLOListElement>(null);
  const search = useSearch(lines);
  const sight = useSight(list);
  const shownMatch = search.matches[search.at];
  useEffect(() => {
    if (shownMatch === undefined || !search.query) return;
    sight.current?.following.value && (sight.current.following.value = false);
    focusLine(list.current, shownMatch, sight.current, false);
  }, [shownMatch, search.query]);
  const play = (at: number): void => playLine(lines, at, player, sight.current);
  useKeys(list, lines, player, play, sight);
  return (
    <section class="transcript" aria-label={t("lines")}>
      <div class="transcript-bar">
        <SearchField search={search} />
        {tools}
      </div>
      {note}
      <div class="line-frame">
        <ol class="lines" ref={list} tabIndex={0} aria-label={t("lines")} data-test="transcript-lines" onClick={(event) => onClick(event, lines, play)}>
          {lines.map((line, at) => (
            <TranscriptLine
              key={line.n}
              line={line}
              at={at}
              colour={colours.get(line.peer_id) ?? 0}
              goesOn={at > 0 && lines[at - 1]?.peer_id === line.peer_id && lines[at - 1]?.speaker === line.speaker}
              query={search.holds.has(at) ? search.query : ""}
            />
          ))}
        </ol>
        {player && <Now lines={lines} player={player} list={list} sight={sight} />}
      </div>
    </section>
  );
}

/** Lights the spoken line by an attribute alone, and offers the way back after the clerk has scrolled. */
function Now(props: {
  lines: readonly Line[];
  player: Player;
  list: RefObject<HTMLOListElement | null>;
  sight: RefObject<SightKeeper | null>;
}) {
  const { lines, player, list, sight } = props;
  const lit = useRef<Element | null>(null);
  useSignalEffect(() => {
    const at = lineAt(lines, player.time_ms.value);
    const line = at < 0 ? null : (list.current?.children[at] ?? null);
    if (line === lit.current) return;
    lit.current?.removeAttribute("aria-current");
    line?.setAttribute("aria-current", "true");
    lit.current = line;
    if (line && player.state.peek() === "playing") sight.current?.keep(line as HTMLElement);
  });
  const away = sight.current?.following.value === false && player.state.value === "playing";
  if (!away) return null;
  const back = (): void => {
    sight.current?.resume();
    const at = Math.max(0, lastBegun(lines, player.time_ms.peek()));
    const line = list.current?.children[at];
    if (line) sight.current?.show(line as HTMLElement);
  };
  return (
    <div class="line-back">
      <Button size="small" kind="primary" test="transcript-follow" onClick={back}>
        {t("lines-follow")}
      </Button>
    </div>
  );
}

function useSight(list: RefObject<HTMLElement | null>): RefObject<SightKeeper | null> {
  const sight = useRef<SightKeeper | null>(null);
  const [, made] = useState(false);
  useEffect(() => {
    if (!list.current) return;
    sight.current = new SightKeeper(list.current);
    made(true);
    return () => sight.current?.close();
  }, []);
  return sight;
}

interface Search {
  query: string;
  matches: number[];
  holds: ReadonlySet<number>;
  at: number;
  set: (query: string) => void;
  go: (by: 1 | -1) => void;
}

function useSearch(lines: readonly Line[]): Search {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const matches = useMemo(() => find(lines, query), [lines, query]);
  const holds = useMemo(() => new Set(matches), [matches]);
  return {
    query,
    matches,
    holds,
    at: Math.min(at, Math.max(0, matches.length - 1)),
    set: (next) => {
      setQuery(next);
      setAt(0);
    },
    go: (by) => setAt((now) => step(matches.length, now, by)),
  };
}

function SearchField({ search }: { search: Search }) {
  const { query, matches, at } = search;
  return (
    <div class="line-search" role="search">
      <Icon name="search" size={18} />
      <input
        class="input"
        type="search"
        value={query}
        placeholder={t("lines-search")}
        aria-label={t("lines-search")}
        data-test="transcript-search"
        onInput={(event) => search.set(event.currentTarget.value)}
        onKeyDown={(event) => {
          // Enter ends a word in an input method; it is ours only when nothing is being composed.
          if (event.isComposing) return;
          if (event.key === "Enter") search.go(event.shiftKey ? -1 : 1);
          else if (event.key === "Escape") {
            search.set("");
            event.currentTarget.blur();
          } else return;
          event.preventDefault();
        }}
      />
      {query.trim() && (
        <span class="line-search-count figures" data-test="transcript-search-count" data-count={matches.length} role="status">
          {matches.length === 0
            ? t("lines-search-none")
            : t("lines-search-count", { at: at + 1, count: matches.length })}
        </span>
      )}
      {matches.length > 1 && (
        <>
          <button type="button" class="icon-button" title={t("lines-search-previous")} aria-label={t("lines-search-previous")} onClick={() => search.go(-1)}>
            <Icon name="chevron-left" size={18} />
          </button>
          <button type="button" class="icon-button" title={t("lines-search-next")} aria-label={t("lines-search-next")} onClick={() => search.go(1)}>
            <Icon name="chevron-right" size={18} />
          </button>
        </>
      )}
    </div>
  );
}

function focusLine(list: HTMLElement | null, at: number, sight: SightKeeper | null, focus = true): void {
  const line = list?.children[at] as HTMLElement | undefined;
  if (!line) return;
  for (const other of list?.querySelectorAll(".line-chosen") ?? []) other.classList.remove("line-chosen");
  line.classList.add("line-chosen");
  if (focus) line.focus({ preventScroll: true });
  sight?.show(line, false);
}

function playLine(lines: readonly Line[], at: number, player: Player | null, sight: SightKeeper | null): void {
  const line = lines[at];
  if (!line || !player) return;
  sight?.resume();
  player.seek(line.start_ms);
  player.play();
}

function onClick(event: MouseEvent, lines: readonly Line[], play: (at: number) => void): void {
  const target = event.target as Element;
  const element = target.closest<HTMLElement>(".line");
  if (!element) return;
  const at = Number(element.dataset["at"]);
  if (target.closest(".line-copy")) {
    void copy(lines[at]);
    return;
  }
  // Who marks text wants the text.
  if (getSelection()?.isCollapsed === false) return;
  play(at);
}

async function copy(line: Line | undefined): Promise<void> {
  if (!line) return;
  await navigator.clipboard.writeText(`${sessionTime(line.start_ms)} ${line.speaker}：${line.text}`);
  toast(t("copied"));
}

/** Space, arrows, Enter and the slash, wherever the focus is, but never while somebody types. */
function useKeys(
  list: RefObject<HTMLOListElement | null>,
  lines: readonly Line[],
  player: Player | null,
  play: (at: number) => void,
  sight: RefObject<SightKeeper | null>,
): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
      const onButton = target.closest("button, a, summary") !== null;
      const chosen = list.current?.querySelector<HTMLElement>(".line:focus, .line-chosen");
      const begun = player ? lastBegun(lines, player.time_ms.peek()) : -1;
      const at = chosen ? Number(chosen.dataset["at"]) : begun;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const next = chosen ? at + (event.key === "ArrowDown" ? 1 : -1) : Math.max(0, at);
        focusLine(list.current, Math.min(Math.max(0, next), lines.length - 1), sight.current);
      } else if (event.key === "Enter" && !onButton && at >= 0) play(at);
      else if (event.key === "/") document.querySelector<HTMLElement>(".line-search input")?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [lines, player, play]);
}
