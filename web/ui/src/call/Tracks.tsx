// SPDX-License-Identifier: Apache-2.0
// The live state of every track, for whoever watches over the record. Asked for only while it is open.
import { useEffect, useState } from "preact/hooks";
import { request } from "../api";
import { t } from "../i18n";
import { clockTime, sessionTime, size } from "../record/format";
import type { Column } from "../ui/Table";
import { Table } from "../ui/Table";
import type { CallModel } from "./model";

interface Track {
  peer_id: string;
  source: "mic" | "cam" | "screen" | "screen_audio";
  kind: "audio" | "video";
  sent: "on" | "off" | "ended";
  bytes: number;
  kbps: number;
  level_dbov: number | null;
  last_packet_utc_ms: number | null;
  alarm: "track_stalled" | "camera_black" | "mic_silent" | "mic_clipping" | null;
  recorded: { bytes: number; lost: number; sealed_to_ms: number; uploaded_to_ms: number } | null;
}

const EVERY_MS = 2_000;

export function Tracks({ model }: { model: CallModel }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="tracks" data-test="tracks" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("tracks-title")}</summary>
      {open && <TrackTable model={model} />}
    </details>
  );
}

function TrackTable({ model }: { model: CallModel }) {
  const tracks = useTracks(model.id);
  if (tracks === null) return <p class="secondary">{t("tracks-waiting")}</p>;
  if (tracks.length === 0) return <p class="secondary">{t("tracks-none")}</p>;
  const name = (peer: string) => model.detail.value?.participants.find((one) => one.peer_id === peer)?.name ?? "";
  const word = (text: string) => text.replaceAll("_", "-");
  const columns: Column<Track>[] = [
    { head: t("tracks-who"), cell: (one) => name(one.peer_id), wide: true },
    { head: t("tracks-what"), cell: (one) => t(`tracks-source-${word(one.source)}`), tight: true },
    { head: t("tracks-state"), cell: (one) => t(one.alarm ? `tracks-${word(one.alarm)}` : `tracks-${one.sent}`) },
    { head: t("tracks-bytes"), cell: (one) => size(one.recorded?.bytes ?? one.bytes), numeric: true },
    { head: t("tracks-last"), cell: (one) => when(one.last_packet_utc_ms), numeric: true },
    { head: t("tracks-level"), cell: (one) => (one.level_dbov === null ? "–" : `${one.level_dbov} dB`), numeric: true },
    { head: t("tracks-sealed"), cell: (one) => reached(one.recorded?.sealed_to_ms), numeric: true },
    { head: t("tracks-uploaded"), cell: (one) => reached(one.recorded?.uploaded_to_ms), numeric: true },
  ];
  return (
    <Table
      columns={columns}
      rows={tracks}
      rowKey={(one) => `${one.peer_id}-${one.source}`}
      label={t("tracks-title")}
      rowTest="track"
    />
  );
}

const when = (utc_ms: number | null): string => (utc_ms === null ? "–" : clockTime(utc_ms));
const reached = (ms: number | undefined): string => (ms ? sessionTime(ms) : "–");

/** Null before the first answer; an answer that fails leaves what was there. */
function useTracks(session: string): Track[] | null {
  const [tracks, setTracks] = useState<Track[] | null>(null);
  useEffect(() => {
    let over = false;
    let timer = 0;
    const ask = async (): Promise<void> => {
      const found = await request<{ tracks: Track[] }>("GET", `/api/sessions/${session}/tracks`).catch(() => null);
      if (over) return;
      if (found !== null) setTracks(found.tracks);
      timer = window.setTimeout(() => void ask(), EVERY_MS);
    };
    void ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [session]);
  return tracks;
}
