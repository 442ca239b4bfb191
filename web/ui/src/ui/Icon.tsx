// SPDX-License-Identifier: Apache-2.0
import { createElement } from "preact";
import { type IconName, icons } from "./icons";

/** An icon beside its label; hidden from screen readers, which read the label. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {icons[name].map(([tag, attributes], n) => createElement(tag, { key: n, ...attributes }))}
    </svg>
  );
}
