// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "./Icon";

export interface DialogProps {
  title: string;
  children: ComponentChildren;
  /** Buttons at the bottom, the one to press last. */
  actions?: ComponentChildren;
  onClose: () => void;
  /** Makes the whole a form: Enter does the obvious. */
  onSubmit?: () => void;
  /** For two columns. */
  wide?: boolean;
  test?: string;
}

/** A modal dialogue on the browser's own <dialog>: focus stays inside, Esc closes. */
export function Dialog(props: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    const first = dialog?.querySelector<HTMLElement>("form input, form select");
    first?.focus();
    // A suggested text is there to be typed over.
    if (first instanceof HTMLInputElement) first.select();
    return () => dialog?.close();
  }, []);
  const inside = (
    <>
      <header class="dialog-head">
        <h2>{props.title}</h2>
        <button type="button" class="icon-button" aria-label={t("close")} title={t("close")} onClick={props.onClose}>
          <Icon name="x" />
        </button>
      </header>
      <div class="dialog-body">{props.children}</div>
      {props.actions && <footer class="dialog-foot">{props.actions}</footer>}
    </>
  );
  return (
    <dialog
      ref={element}
      class={props.wide ? "dialog dialog-wide" : "dialog"}
      aria-label={props.title}
      data-test={props.test}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      {props.onSubmit ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            props.onSubmit?.();
          }}
        >
          {inside}
        </form>
      ) : (
        inside
      )}
    </dialog>
  );
}
