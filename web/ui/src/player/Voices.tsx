// SPDX-License-Identifier: Apache-2.0
// Loudness of each person: muted, alone, louder, softer.
import { t } from "../i18n";
import { Icon } from "../ui";
import type { Player } from "./player.ts";

export function Voices({ player }: { player: Player }) {
  const { peers, tracks } = player.playback;
  const voices = player.voices.value;
  const heard = new Set(tracks.filter((track) => track.kind === "audio").map((track) => track.peer_id));
  return (
    <ul class="voices" aria-label={t("player-people")}>
      {peers.map((peer, n) => {
        const voice = voices.get(peer.peer_id);
        if (!voice || !heard.has(peer.peer_id)) return null;
        return (
          <li key={peer.peer_id} class={`voice speaker-${n % 8}`}>
            <span class="speaker-mark" aria-hidden="true" />
            <span class="voice-name" title={peer.name}>
              {peer.name}
            </span>
            <input
              type="range"
              min={0}
              max={1}
              step={0.05}
              value={voice.volume}
              aria-label={t("player-volume", { name: peer.name })}
              title={t("player-volume", { name: peer.name })}
              onInput={(event) => player.setVoice(peer.peer_id, { volume: Number(event.currentTarget.value) })}
            />
            <button
              type="button"
              class="voice-button"
              aria-pressed={voice.muted}
              data-test={`player-mute-${peer.peer_id}`}
              onClick={() => player.setVoice(peer.peer_id, { muted: !voice.muted })}
            >
              <Icon name={voice.muted ? "mic-off" : "volume-2"} size={16} />
              <span>{t(voice.muted ? "player-muted" : "player-mute")}</span>
            </button>
            <button
              type="button"
              class="voice-button"
              aria-pressed={voice.solo}
              data-test={`player-solo-${peer.peer_id}`}
              onClick={() => player.setVoice(peer.peer_id, { solo: !voice.solo })}
            >
              {t("player-solo")}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
