// SPDX-License-Identifier: Apache-2.0
// What the host can do with one person: a menu as keyboards and screen readers know it (arrows, Home, End, Esc).
import { useEffect, useRef, useState } from "preact/hooks";
import type { Participant } from "../api";
import { t } from "../i18n";
import { Button, Icon } from "../ui";
import type { Act } from "./calls";
import type { CallModel } from "./model";
import { leads } from "./Moderation";

interface Item {
  /** Its place in the menu: an item whose words change while the menu is open keeps the keyboard's focus. */
  place: string;
  test: string;
  label: string;
  act: Act;
  /** Asked once more before it is done. */
  ask?: string;
  danger?: boolean;
}

export function PersonMenu({ model, participant }: { model: CallModel; participant: Participant }) {
  const [open, setOpen] = useState(false);
  const [asking, setAsking] = useState<Item | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current?.scrollIntoView({ block: "nearest" });
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (event: Event): void => {
      if (!(event.target instanceof Node) || !box.current?.parentElement?.contains(event.target)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const question = useRef<HTMLDivElement>(null);
  useEffect(() => {
    question.current?.scrollIntoView({ block: "nearest" });
    // Not the button that does it: a second Enter must not remove anybody.
    question.current?.querySelector<HTMLElement>('[data-test="menu-cancel"]')?.focus();
  }, [asking]);
  if (!leads(model)) return null;
  const { name } = participant;
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const choose = (item: Item): void => {
    close();
    if (item.ask === undefined) void model.moderate(item.act);
    else setAsking(item);
  };
  return (
    <div class="person-menu">
      <button
        ref={button}
        type="button"
        class="icon-button"
        data-test="person-menu"
        data-name={name}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={t("call-menu-of", { name })}
        title={t("call-menu-of", { name })}
        onClick={() => setOpen(!open)}
      >
        <Icon name="ellipsis" size={20} />
      </button>
      {open && (
        <div
          ref={box}
          class="menu"
          role="menu"
          aria-label={t("call-menu-of", { name })}
          onKeyDown={(event) => move(event, box.current, close)}
        >
          {itemsFor(model, participant).map((item) => (
            <button
              key={item.place}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={item.danger ? "menu-danger" : ""}
              data-test={item.test}
              onClick={() => choose(item)}
            >
              {item.label}
            </button>
          ))}
        </div>
      )}
      {asking !== null && (
        <div ref={question} class="person-ask" role="alertdialog" aria-label={asking.label}>
          <span>{asking.ask}</span>
          <span class="row">
            <Button
              kind={asking.danger ? "danger" : "primary"}
              size="small"
              test="menu-confirm"
              onClick={() => {
                setAsking(null);
                void model.moderate(asking.act);
              }}
            >
              {asking.label}
            </Button>
            <Button size="small" test="menu-cancel" onClick={() => setAsking(null)}>
              {t("cancel")}
            </Button>
          </span>
        </div>
      )}
    </div>
  );
}

function itemsFor(model: CallModel, participant: Participant): Item[] {
  const { peer_id, name } = participant;
  const moderation = model.view.value?.moderation;
  const peer = model.peers.value.find((one) => one.peer_id === peer_id);
  const mic = peer?.tracks.mic;
  const cam = peer?.tracks.cam;
  const silent = mic === undefined || mic.paused;
  const items: Item[] = [
    silent
      ? {
          place: "mic",
          test: "menu-ask-unmute",
          label: t("call-menu-ask-unmute"),
          act: { action: "ask_unmute", peer_id },
        }
      : {
          place: "mic",
          test: "menu-mute",
          label: t("call-menu-mute"),
          act: { action: "mute", peer_id, source: "mic" },
        },
  ];
  if (cam !== undefined && !cam.paused)
    items.push({
      place: "cam",
      test: "menu-cam-off",
      label: t("call-menu-cam-off"),
      act: { action: "mute", peer_id, source: "cam" },
    });
  else
    items.push({
      place: "cam",
      test: "menu-ask-cam",
      label: t("call-menu-ask-cam"),
      act: { action: "ask_unmute", peer_id, source: "cam" },
    });
  if (peer?.tracks.screen !== undefined && !peer.tracks.screen.paused)
    items.push({
      place: "screen",
      test: "menu-screen-off",
      label: t("call-menu-screen-off"),
      act: { action: "mute", peer_id, source: "screen" },
    });
  items.push(
    moderation?.spotlight === peer_id
      ? { place: "spotlight", test: "menu-spotlight-off", label: t("call-spotlight-off"), act: { action: "spotlight" } }
      : {
          place: "spotlight",
          test: "menu-spotlight",
          label: t("call-menu-spotlight"),
          act: { action: "spotlight", peer_id },
        },
  );
  if (moderation?.hands.some((hand) => hand.peer_id === peer_id))
    items.push({
      place: "hand",
      test: "menu-hand",
      label: t("call-hand-lower"),
      act: { action: "lower_hand", peer_id },
    });
  items.push(
    {
      place: "host",
      test: "menu-host",
      label: t("call-menu-host"),
      act: { action: "hand_over", peer_id },
      ask: t("call-menu-host-ask", { name }),
    },
    {
      place: "remove",
      test: "menu-remove",
      label: t("call-menu-remove"),
      act: { action: "remove", peer_id },
      ask: t("call-menu-remove-ask", { name }),
      danger: true,
    },
  );
  return items;
}

/** Arrow keys go round, Esc and Tab close (WAI-ARIA menu pattern). */
function move(event: KeyboardEvent, box: HTMLElement | null, close: () => void): void {
  const items = [...(box?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const at = items.findIndex((item) => item === document.activeElement);
  const to: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const next = to[event.key];
  if (next !== undefined) items[next]?.focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
