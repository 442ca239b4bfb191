// SPDX-License-Identifier: Apache-2.0
// How well one tile gets through: three bars, and on a look or a tap the plain words and the figures behind them.
import { language, t } from "../i18n";
import type { BadgeFacts } from "./tiles.ts";

const BARS = { good: 3, fair: 2, poor: 1, unknown: 0 } as const;

/** The word of a grade for one's own tile or another's. */
function verdict(facts: BadgeFacts): string {
  return facts.own === null ? t(`tile-badge-${facts.grade}`) : t(`tile-badge-up-${facts.grade}`);
}

export interface BadgeProps {
  facts: BadgeFacts;
  test: string;
  name: string;
  open: boolean;
  /** True to show the words, false to hide them. */
  onLook: (open: boolean) => void;
}

export function Badge({ facts, test, name, open, onLook }: BadgeProps) {
  const bars = BARS[facts.grade];
  return (
    <button
      type="button"
      class={`badge badge-${facts.grade}`}
      data-test={`badge-${test}`}
      data-grade={facts.grade}
      aria-label={t("tile-badge-of", { name, verdict: verdict(facts) })}
      aria-describedby={open ? "badge-words" : undefined}
      aria-expanded={open}
      onPointerEnter={(event) => event.pointerType === "mouse" && onLook(true)}
      onPointerLeave={(event) => event.pointerType === "mouse" && onLook(false)}
      onFocus={() => onLook(true)}
      onBlur={() => onLook(false)}
      onKeyDown={(event) => event.key === "Escape" && onLook(false)}
      onClick={(event) => {
        event.stopPropagation(); // the tile itself becomes large at a click
        event.currentTarget.focus(); // a tap of a finger, and Safari's click, focus nothing
        onLook(true);
      }}
    >
      <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true" focusable="false">
        {[0, 1, 2].map((n) => (
          <rect key={n} x={n * 5} y={9 - n * 4} width="3.5" height={5 + n * 4} rx="1" class={n < bars ? "bar-on" : "bar-off"} />
        ))}
      </svg>
    </button>
  );
}

/** The words of the badge that is looked at. */
export function BadgeWords({ facts, name }: { facts: BadgeFacts; name: string }) {
  void language.value;
  return (
    <>
      <strong class="block">{name}</strong>
      <span class={`badge-verdict badge-${facts.grade}`}>{verdict(facts)}</span>
      {facts.troubles.length > 0 && (
        <ul>
          {facts.troubles.map((trouble) => (
            <li key={trouble}>{t(`tile-why-${trouble}`)}</li>
          ))}
        </ul>
      )}
      {facts.own?.cpu_limited && <p>{t("call-cpu-limited")}</p>}
      <dl>
        {figures(facts).map(([word, value]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function figures(facts: BadgeFacts): [string, string][] {
  const found: [string, string][] = [];
  const say = (id: string, value: string | null) => value !== null && found.push([t(id), value]);
  const { picture, sound, own } = facts;
  const lost = own === null ? worst(picture?.lost, sound?.lost) : own.lost_up;
  say("tile-figure-lost", lost === null ? null : `${(lost * 100).toFixed(1)} %`);
  say("tile-figure-delay", facts.rtt_ms === null ? null : t("tile-figure-ms", { ms: facts.rtt_ms }));
  if (own !== null) {
    say("tile-figure-rate", `${own.kbps_up} kb/s`);
    say("tile-figure-picture", size(own.width_up, own.height_up, own.fps_up));
    if (own.layers.all > 1) say("tile-figure-layers", t("tile-figure-of", { on: own.layers.on, all: own.layers.all }));
    return found;
  }
  if (picture === null && sound === null) return found;
  say("tile-figure-rate", `${(picture?.kbps ?? 0) + (sound?.kbps ?? 0)} kb/s`);
  if (picture !== null) {
    say("tile-figure-picture", size(picture.width, picture.height, picture.fps));
    say("tile-figure-frozen", t("tile-figure-frozen-times", { times: picture.freezes, seconds: picture.frozen_s.toFixed(1) }));
  }
  return found;
}

function worst(a: number | null | undefined, b: number | null | undefined): number | null {
  const known = [a, b].filter((one): one is number => typeof one === "number");
  return known.length === 0 ? null : Math.max(...known);
}

function size(width: number | null, height: number | null, fps: number | null): string | null {
  if (width === null || height === null) return null;
  return t("tile-figure-size", { width, height, fps: Math.round(fps ?? 0) });
}
