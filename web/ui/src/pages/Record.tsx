// SPDX-License-Identifier: Apache-2.0
// One session: what happened, its recording to see and hear, its transcript to read.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Detail } from "../api";
import { t } from "../i18n";
import { FRAME_MS, STEP_MS, PlayerView } from "../player/PlayerView";
import type { Playback } from "../player/playback.ts";
import { Player } from "../player/player.ts";
import { sheetAddress, useOverview } from "../player/useOverview.ts";
import { Composite } from "../record/Composite";
import { Certificate } from "../record/Certificate";
import { Head, RecordingLine } from "../record/Head";
import { Keeping } from "../record/Keeping";
import { PrintHead } from "../record/PrintHead";
import { Transcript } from "../record/Transcript";
import { Downloads, Retry, TranscriptNote, TranscriptPending } from "../record/TranscriptState";
import { type RecordState, useRecord } from "../record/useRecord";
import type { PageProps } from "../router";
import { Button, Empty, ErrorNotice, Loading, Notice, useTitle } from "../ui";
import "../record/record.css";

export default function Record({ params }: PageProps) {
  const state = useRecord(params["id"] ?? "");
  const { detail, fault } = state;
  useTitle(detail?.title ?? t("product"));
  if (!detail)
    return (
      <main class="page page-narrow" id="content" tabIndex={-1}>
        {fault ? (
          <ErrorNotice error={fault} action={<Button href="/sessions">{t("record-back")}</Button>} />
        ) : (
          <Loading label={t("loading")} />
        )}
      </main>
    );
  return (
    <main class="page record" id="content" tabIndex={-1} data-test="record">
      <PrintHead detail={detail} playback={state.playback} />
      <Head detail={detail} />
      <Body detail={detail} state={state} />
    </main>
  );
}

function Body({ detail, state }: { detail: Detail; state: RecordState }) {
  const { playback, transcript } = state;
  const player = usePlayer(playback);
  usePlayerKeys(player);
  const overview = useOverview(playback ? detail.id : null);
  const more = overview && { overview, address: (sheet: number) => sheetAddress(detail.id, sheet) };
  const lines = transcript?.lines ?? NONE;
  const colours = useMemo(() => speakerColours(detail, playback), [detail.participants, playback]);
  const job = detail.transcript;
  return (
    <div class="record-body">
      <div class="record-side">
        {player && playback ? (
          <PlayerView player={player} lines={lines} more={more} />
        ) : (
          <NoPlayer detail={detail} fault={state.playbackFault} />
        )}
        <RecordingLine detail={detail} connected={state.connected} />
        {playback && <Certificate sessionId={detail.id} playback={playback} onSeek={(time_ms) => player?.seek(time_ms)} />}
        {detail.state === "ended" && <Keeping sessionId={detail.id} />}
        {playback && <Composite sessionId={detail.id} />}
        {player && <p class="record-keys secondary">{t("player-keys")}</p>}
      </div>
      <div class="record-main">
        {state.transcriptFault != null && <ErrorNotice error={state.transcriptFault} />}
        {detail.recording.state === "expired" ? (
          <TranscriptPending detail={detail} retry={state.retryTranscript} />
        ) : job?.state === "done" && transcript ? (
          lines.length > 0 ? (
            <Transcript
              lines={lines}
              player={player}
              colours={colours}
              tools={<Downloads sessionId={detail.id} />}
              note={<TranscriptNote job={job} count={lines.length} />}
            />
          ) : (
            <Empty title={t("lines-empty")} test="transcript-state" action={<Retry retry={state.retryTranscript} />}>
              {t("lines-empty-lead")}
            </Empty>
          )
        ) : job?.state === "done" ? (
          state.transcriptFault == null && <Loading label={t("loading")} />
        ) : (
          <TranscriptPending detail={detail} retry={state.retryTranscript} />
        )}
      </div>
    </div>
  );
}

const NONE: [] = [];

/** What stands in the player's place as long as nothing can be played. */
function NoPlayer({ detail, fault }: { detail: Detail; fault: unknown }) {
  if (fault != null) return <ErrorNotice error={fault} />;
  if (!("MediaSource" in window)) return <Notice tone="fail">{t("player-unsupported")}</Notice>;
  const { state } = detail.recording;
  if (state === "sealed") return <Loading label={t("loading")} />;
  if (state === "expired") return <p class="no-player">{t("record-expired-lead")}</p>;
  if (detail.state !== "ended") return <p class="no-player">{t("record-wait")}</p>;
  return <p class="no-player">{t(state === "off" || state === "error" ? `record-state-${state}` : "record-sealing")}</p>;
}

function usePlayer(playback: Playback | null): Player | null {
  const [player, setPlayer] = useState<Player | null>(null);
  useEffect(() => {
    if (!playback || !("MediaSource" in window)) return;
    const made = new Player(playback);
    setPlayer(made);
    return () => {
      setPlayer(null);
      made.close();
    };
  }, [playback]);
  return player;
}

/** Space and the side arrows. In a field they write; on a button, space presses it. */
function usePlayerKeys(player: Player | null): void {
  useEffect(() => {
    if (!player) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
      if (event.key === " " && !target.closest("button, a, summary")) player.toggle();
      else if (event.key === "ArrowLeft") player.seek(player.time_ms.peek() - STEP_MS);
      else if (event.key === "ArrowRight") player.seek(player.time_ms.peek() + STEP_MS);
      else if (event.key === ",") player.step(-FRAME_MS);
      else if (event.key === ".") player.step(FRAME_MS);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [player]);
}

/** Each endpoint keeps one colour in pictures, lanes and lines: its place in the recording's own list. */
function speakerColours(detail: Detail, playback: Playback | null): ReadonlyMap<string, number> {
  const ids = playback ? playback.peers.map((peer) => peer.peer_id) : [];
  for (const { peer_id } of detail.participants) if (!ids.includes(peer_id)) ids.push(peer_id);
  return new Map(ids.map((peer_id, n) => [peer_id, n % 8]));
}
