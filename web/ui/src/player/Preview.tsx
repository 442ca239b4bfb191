// SPDX-License-Identifier: Apache-2.0
// What lies under the pointer over the bar: the small picture of that moment, and its time.
import { clockTime, sessionTime } from "../record/format.ts";
import { cutAt, type Overview } from "./overview.ts";
import type { Playback } from "./playback.ts";

export function Preview(props: {
  playback: Playback;
  overview: Overview;
  time_ms: number;
  address: (sheet: number) => string;
}) {
  const { playback, overview, time_ms, address } = props;
  const { width, height } = overview.pictures;
  const cut = cutAt(overview.pictures, time_ms);
  return (
    <div class="preview" style={{ "--share": time_ms / playback.duration_ms }} data-test="player-preview" aria-hidden="true">
      {cut && (
        <div
          class="preview-picture"
          data-test="player-preview-picture"
          style={{
            width: `${width}px`,
            height: `${height}px`,
            backgroundImage: `url("${address(cut.sheet)}")`,
            backgroundPosition: `-${cut.x}px -${cut.y}px`,
          }}
        />
      )}
      <span class="figures">
        {sessionTime(time_ms)} · {clockTime(playback.origin_utc_ms + time_ms)}
      </span>
    </div>
  );
}
