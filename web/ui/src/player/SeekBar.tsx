// SPDX-License-Identifier: Apache-2.0
// The whole session as a bar: who spoke when, what is missing, what happened, and where we are.
import { useComputed } from "@preact/signals";
import { useMemo, useState } from "preact/hooks";
import { breakReason, causeText } from "../breaks";
import { hasText, t } from "../i18n";
import { clockTime, sessionTime } from "../record/format.ts";
import type { Line } from "../record/lines.ts";
import { loudness } from "./follow.ts";
import { loudnessOver, type Overview, wavePath } from "./overview.ts";
import type { Gap, Playback, RecordEvent } from "./playback.ts";
import { mergeGaps } from "./playback.ts";
import type { Player } from "./player.ts";
import { Preview } from "./Preview";

/** Columns of the waveform: as many as a wide screen can show. */
const WAVE_COLUMNS = 600;

/** The overview of the recording, once there is one, and where its sheets of pictures are. */
export interface OverviewOf {
  overview: Overview;
  address: (sheet: number) => string;
}

export function SeekBar({ player, lines, more }: { player: Player; lines: readonly Line[]; more: OverviewOf | null }) {
  const { duration_ms, origin_utc_ms } = player.playback;
  const [under_ms, setUnder] = useState<number | null>(null);
  const tenth = useComputed(() => Math.round(player.time_ms.value / 100) * 100).value;
  return (
    <div class="seek" style={{ "--at": duration_ms > 0 ? tenth / duration_ms : 0 }}>
      <div
        class="seek-bar"
        onPointerMove={(event) => setUnder(event.pointerType === "mouse" ? timeUnder(event, duration_ms) : null)}
        onPointerLeave={() => setUnder(null)}
      >
        {more && <Wave player={player} overview={more.overview} />}
        {more && under_ms !== null && (
          <Preview playback={player.playback} overview={more.overview} time_ms={under_ms} address={more.address} />
        )}
        <div class="seek-done" />
        <Marks playback={player.playback} />
        <input
          class="seek-input"
          type="range"
          min={0}
          max={duration_ms}
          step={100}
          value={tenth}
          data-test="player-seek"
          aria-label={t("player-position")}
          aria-valuetext={`${sessionTime(tenth)} · ${clockTime(origin_utc_ms + tenth)}`}
          onInput={(event) => player.seek(Number(event.currentTarget.value))}
        />
      </div>
      <Lanes playback={player.playback} lines={lines} />
    </div>
  );
}

function timeUnder(event: PointerEvent & { currentTarget: HTMLElement }, duration_ms: number): number {
  const box = event.currentTarget.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / Math.max(1, box.width))) * duration_ms;
}

/** How loud those are who can be heard now: alone, muted and softer voices as they are set. */
function Wave({ player, overview }: { player: Player; overview: Overview }) {
  const voices = player.voices.value;
  const { duration_ms } = player.playback;
  const drawn = useMemo(
    () => wavePath(loudnessOver(overview, duration_ms, WAVE_COLUMNS, (peer_id) => loudness(voices, peer_id) > 0)),
    [overview, duration_ms, voices],
  );
  return (
    <svg class="seek-wave" viewBox={`0 0 ${WAVE_COLUMNS} 2`} preserveAspectRatio="none" data-test="player-wave" aria-hidden="true">
      <path d={drawn} />
    </svg>
  );
}

function Marks({ playback }: { playback: Playback }) {
  const { duration_ms } = playback;
  const percent = (ms: number): string => `${(Math.min(Math.max(0, ms), duration_ms) / duration_ms) * 100}%`;
  const gaps = useMemo(() => mergeGaps(playback.gaps.filter((gap) => gap.track_id === null)), [playback]);
  return (
    <>
      {gaps.map((gap) => (
        <div
          key={`${gap.from_ms}-${gap.cause}`}
          class={`seek-gap${gap.cause === "paused" ? " seek-pause" : ""}`}
          style={{ left: percent(gap.from_ms), width: `max(2px, ${percent(gap.to_ms - gap.from_ms)})` }}
          title={gapTitle(playback, gap)}
        />
      ))}
      {playback.sections.map((section, n) => (
        <div
          key={section.id}
          class={`seek-section${n % 2 ? " seek-section-odd" : ""}`}
          data-test="seek-section"
          style={{
            left: percent(section.from_ms),
            width: `max(2px, ${percent((section.to_ms ?? duration_ms) - Math.max(0, section.from_ms))})`,
          }}
          title={`${clockTime(playback.origin_utc_ms + section.from_ms)} ${section.label}`}
        />
      ))}
      {playback.markers.map((marker, n) => (
        <i
          key={marker.id}
          class="seek-marker"
          data-test="seek-marker"
          style={{ left: percent(marker.at_ms) }}
          title={`${clockTime(playback.origin_utc_ms + marker.at_ms)} ${marker.label || t("player-marker", { n: n + 1 })}`}
        />
      ))}
      {playback.events.flatMap((event, n) => {
        const words = eventText(event);
        return words
          ? [<i key={n} class="seek-event" style={{ left: percent(event.at_ms) }} title={eventTitle(playback, event, words)} />]
          : [];
      })}
    </>
  );
}

function gapTitle(playback: Playback, gap: Gap): string {
  const from = clockTime(playback.origin_utc_ms + gap.from_ms);
  const to = clockTime(playback.origin_utc_ms + gap.to_ms);
  return `${from}–${to} ${causeText(playback, gap)}`;
}

function eventText(event: RecordEvent): string | null {
  const consent = event.type === "consent" ? (event.data["agreed"] === true ? "-given" : "-withdrawn") : "";
  const { name, source, text } = event.data;
  const reason = breakReason(event.data["reason"]);
  const said = `player-event-${event.type.replaceAll("_", "-")}${consent}`;
  const id = reason !== "" && hasText(`${said}-because`) ? `${said}-because` : said;
  if (!hasText(id)) return null;
  return t(id, {
    name: typeof name === "string" ? name : typeof text === "string" ? text : "",
    source: typeof source === "string" ? source : "",
    reason,
  });
}

function eventTitle(playback: Playback, event: RecordEvent, words: string): string {
  return `${clockTime(playback.origin_utc_ms + event.at_ms)} ${words}`;
}

/** One thin strip for each person: pale where something was recorded, strong where they spoke. */
function Lanes({ playback, lines }: { playback: Playback; lines: readonly Line[] }) {
  const { duration_ms } = playback;
  const lanes = useMemo(
    () =>
      playback.peers.flatMap((peer, n) => {
        const tracks = playback.tracks.filter((track) => track.peer_id === peer.peer_id);
        if (tracks.length === 0) return [];
        const segments = tracks.flatMap((track) => track.epochs.flatMap((epoch) => epoch.segments));
        const spoken = lines.filter((line) => line.peer_id === peer.peer_id);
        return [{ n, name: peer.name, there: path(segments, duration_ms), spoke: path(spoken, duration_ms) }];
      }),
    [playback, lines, duration_ms],
  );
  return (
    <div class="lanes" aria-hidden="true">
      {lanes.map((lane) => (
        <svg key={lane.n} class={`lane speaker-${lane.n % 8}`} viewBox="0 0 10000 1" preserveAspectRatio="none">
          <title>{lane.name}</title>
          <path class="lane-there" d={lane.there} />
          <path class="lane-spoke" d={lane.spoke} />
        </svg>
      ))}
    </div>
  );
}

function path(spans: readonly { start_ms: number; end_ms: number }[], duration_ms: number): string {
  const x = (ms: number): number => Math.round((ms / duration_ms) * 10_000);
  return spans
    .map(({ start_ms, end_ms }) => `M${x(start_ms)} 0H${Math.max(x(start_ms) + 8, x(end_ms))}V1H${x(start_ms)}Z`)
    .join("");
}
