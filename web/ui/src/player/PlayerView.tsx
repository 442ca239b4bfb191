// SPDX-License-Identifier: Apache-2.0
// The pictures, the bar of time and the controls.
import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { clockTime, sessionTime } from "../record/format.ts";
import type { Line } from "../record/lines.ts";
import { Icon, Notice } from "../ui";
import { Contents } from "./Contents";
import type { Follower } from "./follower.ts";
import type { Peer } from "./playback.ts";
import { type Player, SPEEDS } from "./player.ts";
import { type OverviewOf, SeekBar } from "./SeekBar";
import { Voices } from "./Voices";
import "./player.css";

export const STEP_MS = 5_000;
/** One picture of a camera that takes thirty a second. */
export const FRAME_MS = 1000 / 30;

export function PlayerView(props: { player: Player; lines: readonly Line[]; more: OverviewOf | null }) {
  const { player, lines, more } = props;
  return (
    <section class="player" aria-label={t("player-label")} data-test="player">
      <div class="player-core">
        <Stage player={player} />
        {player.refused.value && <Notice tone="warn">{t("player-refused")}</Notice>}
        <SeekBar player={player} lines={lines} more={more} />
        <Controls player={player} />
      </div>
      <Contents player={player} />
      <Voices player={player} />
    </section>
  );
}

function Stage({ player }: { player: Player }) {
  const { peers, tracks } = player.playback;
  const pictures = peers.flatMap((peer, n) => {
    const own = player.followers.filter(({ track }) => track.peer_id === peer.peer_id && track.kind === "video");
    return own.length > 0
      ? own.map((follower) => ({ peer, n, follower }))
      : [{ peer, n, follower: null as Follower | null }];
  });
  const heard = new Set(tracks.map((track) => track.peer_id));
  const shown = pictures.filter(({ peer }) => heard.has(peer.peer_id));
  return (
    <div class="stage" data-count={Math.min(shown.length, 9)}>
      {shown.map(({ peer, n, follower }) => (
        <Tile key={follower?.track.track_id ?? peer.peer_id} player={player} peer={peer} n={n} follower={follower} />
      ))}
      <Skip player={player} />
    </div>
  );
}

function Tile({ player, peer, n, follower }: { player: Player; peer: Peer; n: number; follower: Follower | null }) {
  const frame = useRef<HTMLDivElement>(null);
  const tile = useRef<HTMLElement>(null);
  const screen = follower?.track.source === "screen";
  useEffect(() => {
    const element = follower?.element;
    if (!element) return;
    element.dataset["test"] = `player-video-${peer.peer_id}${screen ? "-screen" : ""}`;
    frame.current?.append(element);
    return () => element.remove();
  }, [follower, peer.peer_id, screen]);
  const shown = follower ? player.shown.value.get(follower.track.track_id) : undefined;
  const absence = follower ? shown?.absence : null;
  // Sound that does not come is said where its person is.
  const trouble = player.followers.some(
    ({ track }) => track.peer_id === peer.peer_id && player.shown.value.get(track.track_id)?.trouble,
  );
  const loading = shown?.loading && player.state.value !== "paused";
  const words = absence
    ? absenceText(absence)
    : trouble
      ? t("player-trouble")
      : loading
        ? t("player-loading")
        : follower
          ? null
          : t("player-no-picture");
  const name = screen ? t("player-screen", { name: peer.name }) : peer.name;
  const fullScreen = (): void => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void tile.current?.requestFullscreen();
  };
  return (
    <figure class="tile" ref={tile} data-test="player-tile" data-peer={peer.peer_id} onDblClick={fullScreen}>
      <div class="tile-picture" ref={frame} />
      {words && (
        <div class={`tile-absent${absence || !follower ? " tile-covered" : ""}`} data-test="player-absence">
          <strong>{name}</strong>
          <span>{words}</span>
        </div>
      )}
      <figcaption class={`tile-name speaker-${n % 8}`}>
        <span class="speaker-mark" aria-hidden="true" />
        <span class="tile-person">{name}</span>
        {peer.place && peer.place !== peer.name && <span class="tile-place">{peer.place}</span>}
      </figcaption>
      <button
        type="button"
        class="tile-button"
        title={t("player-full-screen", { name })}
        aria-label={t("player-full-screen", { name })}
        onClick={fullScreen}
      >
        <Icon name="maximize" size={18} />
      </button>
    </figure>
  );
}

function absenceText(absence: string): string {
  const own = ["before", "after", "nothing"].includes(absence);
  return t(own ? `player-absent-${absence}` : `record-cause-${absence.replaceAll("_", "-")}`);
}

/** Nobody has anything for a while, as in a pause: one click goes on behind it. */
function Skip({ player }: { player: Player }) {
  const next = useComputed(() => player.nextSomething(player.time_ms.value)).value;
  if (next === null || next - player.time_ms.peek() < STEP_MS) return null;
  return (
    <button type="button" class="button button-primary stage-skip" data-test="player-skip" onClick={() => player.seek(next)}>
      {t("player-skip", { clock: clockTime(player.playback.origin_utc_ms + next) })}
    </button>
  );
}

function Controls({ player }: { player: Player }) {
  const state = player.state.value;
  const going = state === "playing" || state === "waiting";
  const jump = (by_ms: number): void => player.seek(player.time_ms.value + by_ms);
  return (
    <div class="controls">
      <button
        type="button"
        class="play-button"
        data-test="player-play"
        data-state={state}
        aria-label={t(going ? "player-pause" : "player-play")}
        title={t(going ? "player-pause" : "player-play")}
        onClick={() => player.toggle()}
      >
        {state === "waiting" ? <span class="spinner" /> : <Icon name={going ? "pause" : "play"} size={24} />}
      </button>
      <button type="button" class="step-button" title={t("player-back")} aria-label={t("player-back")} data-test="player-back" onClick={() => jump(-STEP_MS)}>
        −5 s
      </button>
      <button type="button" class="step-button" title={t("player-forward")} aria-label={t("player-forward")} data-test="player-forward" onClick={() => jump(STEP_MS)}>
        +5 s
      </button>
      <button type="button" class="step-button" title={t("player-frame-back")} aria-label={t("player-frame-back")} data-test="player-frame-back" onClick={() => player.step(-FRAME_MS)}>
        ‹
      </button>
      <button type="button" class="step-button" title={t("player-frame-forward")} aria-label={t("player-frame-forward")} data-test="player-frame-forward" onClick={() => player.step(FRAME_MS)}>
        ›
      </button>
      <Times player={player} />
      <label class="speed">
        <span class="visually-hidden">{t("player-speed")}</span>
        <select
          class="input"
          title={t("player-speed")}
          data-test="player-speed"
          value={player.speed.value}
          onChange={(event) => player.setSpeed(Number(event.currentTarget.value))}
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {speed} ×
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Times({ player }: { player: Player }) {
  const { origin_utc_ms, duration_ms } = player.playback;
  // Whole seconds: the text changes once a second, not ten times.
  const second = useComputed(() => Math.floor(player.time_ms.value / 1000)).value;
  return (
    <span class="times figures">
      <span class="time-now" data-test="player-time" data-time-ms={second * 1000}>
        {sessionTime(second * 1000)}
      </span>
      <span class="secondary time-more">
        / {sessionTime(duration_ms)} · <span data-test="player-clock">{t("player-clock", { clock: clockTime(origin_utc_ms + second * 1000) })}</span>
      </span>
    </span>
  );
}
