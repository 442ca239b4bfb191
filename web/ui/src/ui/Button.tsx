// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { Icon } from "./Icon";
import type { IconName } from "./icons";

export interface ButtonProps {
  children: ComponentChildren;
  kind?: "primary" | "secondary" | "quiet" | "danger";
  size?: "normal" | "small" | "huge";
  icon?: IconName;
  /** Waiting for the server: shows a spinner and takes no second click. */
  busy?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  /** Makes it a link that looks like a button. */
  href?: string;
  test?: string;
  title?: string;
  onClick?: (event: MouseEvent) => void;
}

export function Button(props: ButtonProps) {
  const { kind = "secondary", size = "normal", busy = false, disabled = false } = props;
  const classes = `button button-${kind} button-${size}`;
  const inside = (
    <>
      {busy ? <span class="spinner" /> : props.icon && <Icon name={props.icon} size={size === "huge" ? 32 : 18} />}
      <span>{props.children}</span>
    </>
  );
  if (props.href)
    return (
      <a class={classes} href={props.href} data-test={props.test} title={props.title} onClick={props.onClick}>
        {inside}
      </a>
    );
  return (
    <button
      class={classes}
      type={props.type ?? "button"}
      disabled={disabled}
      aria-busy={busy}
      data-test={props.test}
      title={props.title}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else props.onClick?.(event);
      }}
    >
      {inside}
    </button>
  );
}
