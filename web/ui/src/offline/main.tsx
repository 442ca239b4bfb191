// SPDX-License-Identifier: Apache-2.0
// The player that goes with a copy: one page, opened from disc, without server and network. Browsers let such a page
// read the files beside it only after somebody has chosen their folder.
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Language } from "../api";
import { language, setLanguage, t } from "../i18n";
import { type Playback } from "../player/playback.ts";
import { Player } from "../player/player.ts";
import { PlayerView } from "../player/PlayerView";
import type { Line } from "../record/lines.ts";
import { Transcript } from "../record/Transcript";
import { Notice } from "../ui";
import { byName, loadFrom, present } from "./files.ts";
import "../styles/tokens.css";
import "../styles/app.css";
import "../record/record.css";
import "./offline.css";

interface CopyRecord {
  title: string;
  language: Language;
  playback: Playback;
  lines: Line[];
}

function Offline({ record }: { record: CopyRecord }) {
  const [player, setPlayer] = useState<Player | null>(null);
  const [missing, setMissing] = useState(0);
  const segments = useMemo(() => record.playback.tracks.flatMap((track) => track.epochs.flatMap((epoch) => epoch.segments)), []);
  const colours = useMemo(() => new Map(record.playback.peers.map((peer, n) => [peer.peer_id, n % 8] as const)), []);
  const open = (chosen: FileList | null): void => {
    const files = byName(chosen ?? []);
    const there = present(files, segments);
    setMissing(segments.length - there);
    if (there > 0) setPlayer(new Player(record.playback, loadFrom(files)));
  };
  useSpace(player);
  const began = new Date(record.playback.origin_utc_ms).toLocaleString(language.value);
  return (
    <main class="page record" id="content" data-test="offline">
      <header class="record-head">
        <h1>{record.title}</h1>
        <p class="record-facts">
          <span>{t("offline-began", { time: began })}</span>
          <span>{t("offline-copy")}</span>
        </p>
      </header>
      {missing > 0 && (
        <Notice tone="fail" test="offline-missing">
          {t("offline-missing", { missing, all: segments.length })}
        </Notice>
      )}
      <div class="record-body">
        <div class="record-side">
          {player ? <PlayerView player={player} lines={record.lines} more={null} /> : <Folder open={open} />}
        </div>
        <div class="record-main">
          {record.lines.length > 0 && <Transcript lines={record.lines} player={player} colours={colours} tools={null} note={null} />}
        </div>
      </div>
    </main>
  );
}

/** The one thing to do first. */
function Folder({ open }: { open: (files: FileList | null) => void }) {
  return (
    <label class="offline-folder">
      <strong>{t("offline-open")}</strong>
      <span>{t("offline-open-lead")}</span>
      <input
        type="file"
        data-test="offline-folder"
        ref={(input) => input?.setAttribute("webkitdirectory", "")}
        onChange={(event) => open(event.currentTarget.files)}
      />
    </label>
  );
}

/** Space plays and stops, except on a button, which it presses. */
function useSpace(player: Player | null): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== " " || (event.target as Element).closest("button, a, input, summary")) return;
      event.preventDefault();
      player?.toggle();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [player]);
}

async function start(): Promise<void> {
  const record = JSON.parse(document.getElementById("record")?.textContent ?? "null") as CopyRecord | null;
  const root = document.getElementById("app");
  if (!record || !root) return;
  await setLanguage(record.language);
  document.title = `${record.title} · ${t("product")}`;
  render(<Offline record={record} />, root);
}

void start();
